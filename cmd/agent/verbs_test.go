package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/platform/ec2"
	"github.com/eksnode/eksnode/pkg/system/lock"
)

func TestVersionSaysWhatThisIs(t *testing.T) {
	want := "eksnode " + version + " (" + commit + ", " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n"
	if c := agent("version").run(t); c.stdout != want || c.code != 0 {
		t.Errorf("%d: %s", c.code, c.stdout)
	}
	var got map[string]string
	if err := json.Unmarshal([]byte(agent("version", "-o", "json").run(t).stdout), &got); err != nil || got["version"] != version || got["commit"] != commit {
		t.Errorf("%v, %v", got, err)
	}
	agent("version", "-o", "xml").run(t).expect(t, 1, "", `as "xml"`)
}

func TestHardwareSaysWhatIsThereAndWhatIsNot(t *testing.T) {
	root := t.TempDir() // no machine at all
	c := agent("hardware", "--root", root).by(1000).run(t)
	c.expect(t, 0, "Not seen\n", "")
	var facts hardware.Facts
	if err := json.Unmarshal([]byte(agent("hardware", "--root", root, "-o", "json").run(t).stdout), &facts); err != nil || len(facts.Problems) == 0 {
		t.Errorf("%+v, %v", facts, err)
	}
	for _, p := range facts.Problems {
		if !strings.Contains(c.stdout, "  "+p.Probe+": "+p.Message+"\n") {
			t.Errorf("%s: %s is not in\n%s", p.Probe, p.Message, c.stdout)
		}
	}
	agent("hardware", "--root", root, "-o", "xml").run(t).expect(t, 1, "", `as "xml"`)
}

func TestHardwareAsText(t *testing.T) {
	for _, name := range []string{"m5.large", "p5.48xlarge", "p5.48xlarge-seven-gpus", "m5.2xlarge-enclave", "t2.medium", "dell-r760", "nutanix", "pod-on-m5.2xlarge", "i4i.4xlarge", "garbage"} {
		var facts hardware.Facts
		if err := json.Unmarshal([]byte(read(t, "../../pkg/hardware/testdata/"+name+"/want.json")), &facts); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := (&app{stdout: &out}).printHardware(withFindings(inspected{Facts: facts}, "")); err != nil {
			t.Fatal(err)
		}
		golden.Assert(t, "testdata/hardware/"+name+".txt", out.String())
	}
}

func TestHardwareIsComparedWithTheInstanceType(t *testing.T) {
	var facts hardware.Facts
	if err := json.Unmarshal([]byte(read(t, "../../pkg/hardware/testdata/p5.48xlarge-seven-gpus/want.json")), &facts); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ given, want string }{
		{"", `"code":"GPUMissing"`}, {"g5.xlarge", `"expected":"1 a10g"`},
	} {
		b, err := json.Marshal(withFindings(inspected{Facts: facts}, row.given))
		if err != nil || !strings.Contains(string(b), row.want) || !strings.HasPrefix(string(b), `{"cpu":{"online":192,`) {
			t.Errorf("%q: %v, no %s in %s", row.given, err, row.want, b)
		}
	}
	// Nothing is expected of a machine that is of no instance type.
	facts.Platform.InstanceType = ""
	if m := withFindings(inspected{Facts: facts}, ""); m.Findings != nil {
		t.Errorf("found %+v", m.Findings)
	}
	// Metadata knows what Xen's firmware does not say.
	if m := withFindings(inspected{Facts: facts, Whereabouts: &ec2.Whereabouts{InstanceType: "p5.48xlarge"}}, ""); len(m.Findings) != 1 {
		t.Errorf("found %+v", m.Findings)
	}
}

func TestHardwareSaysWhereTheInstanceIs(t *testing.T) {
	s := awstest.NewIMDS()
	s.Set("meta-data/outpost-arn", "arn:aws:outposts:us-west-2:1:outpost/op-1")
	s.Set("meta-data/placement/group-name", "ring")
	s.Set("meta-data/placement/partition-number", "3")
	server := httptest.NewServer(http.HandlerFunc(s.ServeHTTP))
	t.Cleanup(server.Close)
	ask := func(metadata string, facts hardware.Facts) (inspected, string) {
		var out strings.Builder
		a := &app{stdout: &out, log: slog.New(slog.DiscardHandler), getenv: func(name string) string {
			return map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL}[name]
		}}
		m := inspected{Facts: facts}
		a.locate(t.Context(), &m, metadata)
		if err := a.printHardware(m); err != nil {
			t.Fatal(err)
		}
		return m, out.String()
	}
	nitro := hardware.Facts{Platform: hardware.Platform{Name: hardware.EC2Nitro, Open: "where it is"}}
	for _, row := range []struct {
		metadata string
		facts    hardware.Facts
		asked    bool
	}{{"auto", nitro, true}, {"yes", hardware.Facts{}, true}, {"auto", hardware.Facts{}, false}, {"no", nitro, false}} {
		before := len(s.Requests())
		m, out := ask(row.metadata, row.facts)
		if (len(s.Requests()) > before) != row.asked || (m.Whereabouts != nil) != row.asked || row.asked && m.Platform.Open != "" {
			t.Errorf("%s on %s: %d requests, %+v", row.metadata, row.facts.Platform.Name, len(s.Requests())-before, m)
		}
		for _, want := range []string{"us-west-2a", "availability-zone", "partition aws\n", "arn:aws:outposts:us-west-2:1:outpost/op-1", "ring  partition 3"} {
			if strings.Contains(out, want) != row.asked {
				t.Errorf("%s on %s: %q in\n%s", row.metadata, row.facts.Platform.Name, want, out)
			}
		}
	}
	server.Close()
	if m, out := ask("yes", nitro); m.Whereabouts != nil || !strings.Contains(out, "  metadata: cannot tell where this instance is: ") || m.Platform.Open == "" {
		t.Errorf("without metadata: %+v\n%s", m, out)
	}
	agent("hardware", "--metadata", "maybe").run(t).expect(t, 1, "", `metadata "maybe": known are auto, yes and no`)
}

func TestOnlyRootChangesTheMachine(t *testing.T) {
	want := "eksnode: cannot VERB: not started as root\n  code:   NotRoot\n  remedy: Run it with sudo.\n"
	m := newMachine(t)
	for _, c := range []*call{agent("init"), agent("reset"), agent("reset", "--yes"), nodeadm("init", "--skip", "run")} {
		c.on(m).by(1000).run(t)
		if c.code != 1 || c.stdout != "" || c.stderr != strings.Replace(want, "VERB", c.app.args[0], 1) {
			t.Errorf("%s %v: %d, %s%s", c.app.name, c.app.args, c.code, c.stdout, c.stderr)
		}
	}
	// On Windows there is no root, and nothing that sudo could do.
	onWindows := "eksnode: cannot init: not started as root, whom Windows does not have: eksnode makes nodes of Linux machines alone\n" +
		"  code:   NotRoot\n  remedy: Run it on the Linux node itself; `eksnode plan --as` and `eksnode config` work here.\n"
	if c := agent("init").on(m).by(-1).run(t); c.code != 1 || c.stdout != "" || c.stderr != onWindows {
		t.Errorf("init on Windows: %d, %s%s", c.code, c.stdout, c.stderr)
	}
	if len(m.Writes()) != 0 {
		t.Errorf("written: %v", m.Writes())
	}
}

// The exit statuses are part of the interface.
func TestTheLifeOfANode(t *testing.T) {
	m := newMachine(t)
	agent("status").on(m).run(t).expect(t, 1, "", "nothing has run since this machine booted")
	agent("plan").on(m).run(t).expect(t, 2, "+ create", "")
	agent("init", "--phase", "config").on(m).run(t).expect(t, 0, "", "eksnode: n1: configured in")
	if m.Get(host.ID{Kind: host.KindService, Name: "kubelet.service"}) != nil {
		t.Error("the config phase started a service")
	}
	agent("init", "--phase", "run").on(m).run(t).expect(t, 0, "", "eksnode: n1: init done in")
	agent("plan").on(m).run(t).expect(t, 0, "Nothing to do", "")
	agent("status").on(m).run(t).expect(t, 0, "n1: init done in", "")
	agent("status", "-o", "json").on(m).run(t).expect(t, 0, `"result": "ok"`, "")
	agent("status", "-o", "xml").on(m).run(t).expect(t, 1, "", `as "xml"`)
	agent("reset").on(m).run(t).expect(t, 1, "- remove  service  kubelet.service", "add --yes")
	agent("reset", "--yes").on(m).run(t).expect(t, 0, "", "reset done in")
	if left := m.Things(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	agent("reset").on(m).run(t).expect(t, 0, "Nothing to do", "")
}

func TestAFailureIsToldWhereItIsLookedFor(t *testing.T) {
	m := newMachine(t)
	m.FailOn(host.ID{Kind: host.KindService, Name: "kubelet.service"}, fault.New(fault.UnitFailed, "Read the journal.", errFailed))
	c := agent("init")
	c.app.console = write(t, "console", "")
	line := "eksnode: n1: FAILED after 0s: UnitFailed: cannot start service:kubelet.service: it broke | remedy: Read the journal."
	c.on(m).run(t).expect(t, 1, "", "level=ERROR msg=\""+line+"\"")
	if got := read(t, c.app.console); got != "\r\n"+line+"\r\n" {
		t.Errorf("on the console: %q", got)
	}
	agent("status").on(m).run(t).expect(t, 1, "Failed with UnitFailed", "")
	agent("--log-format", "json", "init").on(m).run(t).expect(t, 1, "", `"msg":"eksnode: n1: FAILED`)
	// Without a log there is only the error.
	agent("--log-format", "none", "init").on(m).run(t).expect(t, 1, "", "eksnode: cannot start service:kubelet.service: it broke\n  code:   UnitFailed\n  remedy: Read the journal.\n")
}

var errFailed = errText("it broke")

type errText string

func (e errText) Error() string { return string(e) }

func TestWhatNobodyKnowsIsRefusedBeforeAnythingIsDone(t *testing.T) {
	m := newMachine(t)
	agent("init", "--phase", "boot").on(m).run(t).expect(t, 1, "", "known are config, run and all")
	agent("init", "--only", "tuning,kublet").on(m).run(t).expect(t, 1, "", `component "kublet": known are hooks, network, tuning, kubelet`)
	agent("plan", "--only", "kublet").on(m).run(t).expect(t, 1, "", `component "kublet": known are hooks, network, tuning, kubelet`)
	agent("plan", "-o", "xml").on(m).run(t).expect(t, 1, "", `as "xml": known are text, json and diff`)
	if len(m.Writes()) != 0 {
		t.Errorf("written: %v", m.Writes())
	}
	agent("plan", "--only", "kubelet").on(m).run(t).expect(t, 2, "1 steps", "")
}

func TestStatusOfARunThatGoesOnExitsWith2(t *testing.T) {
	m := newMachine(t)
	p, err := m.open(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.NewStore(p.Layout).SetStatus(bootstrap.Report{Result: bootstrap.Running, Doing: "settle", Started: today}); err != nil {
		t.Fatal(err)
	}
	agent("status").on(m).run(t).expect(t, 2, "node: settle for 0s", "")
}

func TestStatusOfARunThatWasKilledSaysSo(t *testing.T) {
	m := newMachine(t)
	p, err := m.open(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	gone := exec.Command("go", "version")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	for pid, code := range map[int]int{gone.Process.Pid: 1, os.Getpid(): 2} {
		r := bootstrap.Report{Result: bootstrap.Running, Doing: "apply", Started: today, PID: pid}
		if err := bootstrap.NewStore(p.Layout).SetStatus(r); err != nil {
			t.Fatal(err)
		}
		want := "apply for"
		if code == 1 {
			want = "Interrupted"
		}
		agent("status").on(m).run(t).expect(t, code, want, "")
	}
}

func TestASecondAgentIsSentAway(t *testing.T) {
	m := newMachine(t)
	l, err := lock.Acquire(filepath.Join(m.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*call{agent("init"), agent("reset"), nodeadm("init", "--skip", "run")} {
		c.on(m).run(t).expect(t, 1, "", "code:   AlreadyRunning")
	}
	agent("plan").on(m).run(t).expect(t, 2, "+ create", "") // it only looks
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestNodeadmSkipsPhasesAndKeepsItsCache(t *testing.T) {
	m := newMachine(t)
	nodeadm("init", "-s", "run", "--skip", "config").on(m).run(t).expect(t, 0, "", "")
	if len(m.Writes()) != 0 {
		t.Errorf("with both phases skipped: %v", m.Writes())
	}
	cache := filepath.Join(m.dir, "cache", "config.json")
	nodeadm("init", "--skip", "run", "--skip", "dance", "--daemon", "bottled", "--config-cache", cache).on(m).run(t).
		expect(t, 0, "", "phase=dance")
	if f := m.Get(host.ID{Kind: host.KindFile, Name: "/etc/runtime"}); f == nil {
		t.Error("the config phase wrote nothing")
	}
	want := nodeadm("config", "dump", "-c", "file://testdata/valid.yaml").run(t).stdout
	if got := read(t, cache); got != want {
		t.Errorf("cached: %s\nwant: %s", got, want)
	}
}

func TestDaemonsAreComponents(t *testing.T) {
	for args, want := range map[string]string{
		"": "", "kubelet": " credential kubelet", "containerd": " containerd",
		"containerd kubelet": " containerd credential kubelet", "else": "",
	} {
		want = "hooks tuning network" + want // the machine itself is nobody's daemon
		if got := strings.Join(daemonComponents(strings.Split(args, " ")), " "); got != want {
			t.Errorf("%q: %s, want %s", args, got, want)
		}
	}
}

func TestABadRequestGetsNoCredentials(t *testing.T) {
	for _, request := range []string{"", "{", "{}", `{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"docker.io/library/nginx"}`} {
		c := agent("ignored", "--words").stdin(request)
		c.app.name = "ecr-credential-provider"
		c.run(t).expect(t, 1, "", "eksnode: cannot ")
	}
}

func TestTokenNeedsItsFlags(t *testing.T) {
	agent("token", "--region", "eu-west-1").run(t).expect(t, 1, "", `required flag(s) "cluster-name" not set`)
}

func TestTheImageNamesThePlatform(t *testing.T) {
	for _, tt := range []struct {
		name, file, want string
		code             fault.Code
	}{
		{"nothing said", "", "ec2", ""},
		{"ec2", `{"platform": "ec2"}`, "ec2", ""},
		{"one of a newer agent", `{"platform": "moon", "more": 1}`, "moon", ""},
		{"an image that names none", `{}`, "ec2", ""},
		{"garbage", "ec2\n", "", fault.FactMissing},
		{"the wrong type", `{"platform": 2}`, "", fault.FactMissing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := fstest.MapFS{}
			if tt.file != "" {
				root[imageFile] = &fstest.MapFile{Data: []byte(tt.file)}
			}
			got, err := imagePlatform(root)
			if got != tt.want || (err != nil) != (tt.code != "") || err != nil && fault.CodeOf(err) != tt.code {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	if got, err := imagePlatform(fstest.MapFS{imageFile + "/dir": {}}); fault.CodeOf(err) != fault.FactMissing {
		t.Errorf("a folder in its place: %q, %v", got, err)
	}
}
