package windows

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// agentDir is where the texts are that verbs are tried with.
const agentDir = "../../cmd/agent"

func TestTheAgentUnderWine(t *testing.T) {
	w := install(t)
	here, there := build(t, runtime.GOOS), build(t, "windows")
	run := func(t *testing.T, args ...string) answer {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), bound)
		defer stop()
		return ask(t, w.command(ctx, "wine", append([]string{there}, args...)...), agentDir)
	}
	t.Run("says what it says here", func(t *testing.T) { sameVerbs(t, here, run) })
	t.Run("reads a file by all of its names", func(t *testing.T) { namesOfAFile(t, run) })
	t.Run("refuses what is Linux' alone", func(t *testing.T) { refusals(t, run) })
	t.Run("sees the machine", func(t *testing.T) { sameMachine(t, run) })
	t.Run("passes its tests", func(t *testing.T) { ownTests(t, w) })
}

// sameVerbs tries all verbs that need no machine.
func sameVerbs(t *testing.T, here string, run func(*testing.T, ...string) answer) {
	verbs := [][]string{{"--help"}, {"init", "--help"}, {"config", "schema"}, {"config", "explain", "testdata/valid.yaml", "testdata/dropin.yaml"}}
	for _, file := range []string{"testdata/valid.yaml", "testdata/typo.yaml", "testdata/dropin.yaml", "testdata/superset.yaml", "testdata/karpenter.mime"} {
		verbs = append(verbs,
			[]string{"config", "check", file}, []string{"config", "check", "-o", "json", file}, []string{"config", "check", "-o", "sarif", file}, []string{"config", "show", file},
			[]string{"config", "check", "--as", "ec2:m5.large", "--kubernetes", "1.34", file}, []string{"plan", "--as", "ec2:m5.large", "--kubernetes", "1.34", "-o", "diff", file},
			[]string{"plan", "--as", "ec2:p5.48xlarge", "--kubernetes", "1.33", "-o", "json", file}, []string{"plan", "--as", "ec2:m5.*", file})
	}
	inputs, err := filepath.Glob("../../pkg/convert/testdata/inputs/*")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no inputs of convert: %v", err)
	}
	for _, file := range inputs {
		for _, to := range []string{"eksnode", "bottlerocket", "kubeadm"} {
			verbs = append(verbs, []string{"config", "convert", "--allow-loss", "--report", "json", "--to", to, file})
		}
	}
	said := 0
	for _, args := range verbs {
		want, got := ask(t, exec.CommandContext(t.Context(), here, args...), agentDir), run(t, args...)
		if d := cmp.Diff(want, got, cmp.AllowUnexported(answer{})); d != "" {
			t.Errorf("%v: here (-), under Wine (+):\n%s", args, d)
		}
		said += len(got.stdout)
	}
	if said < 100_000 {
		t.Errorf("%d verbs said %d bytes in all: they no longer do what they did", len(verbs), said)
	}
}

func namesOfAFile(t *testing.T, run func(*testing.T, ...string) answer) {
	b, err := os.ReadFile(filepath.Join(agentDir, "testdata/valid.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "node.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(b), "\n", "\r\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{windowsPath(path)}, {"Z:" + path}, {"-c", "file://" + windowsPath(path)}, {"-c", "file:///Z:" + path}} {
		if got := run(t, append([]string{"config", "check"}, args...)...); got.code != 0 || got.stdout != "Configuration is valid\n" {
			t.Errorf("%v: %+v", args, got)
		}
	}
	// What is written there is read here.
	out := filepath.Join(t.TempDir(), "out.yaml")
	for range 2 { // the second time there is a file to replace
		if got := run(t, "config", "convert", "-o", windowsPath(out), "testdata/valid.yaml"); got.code != 0 || got.stdout != "" {
			t.Fatalf("convert: %+v", got)
		}
	}
	written, err := os.ReadFile(out)
	if printed := run(t, "config", "convert", "testdata/valid.yaml").stdout; err != nil || string(written) != printed || printed == "" {
		t.Errorf("written: %v, %q; printed: %q", err, written, printed)
	}
	if rest, err := os.ReadDir(filepath.Dir(out)); err != nil || len(rest) != 1 {
		t.Errorf("left beside it: %v, %v", rest, err)
	}
}

func refusals(t *testing.T, run func(*testing.T, ...string) answer) {
	for _, verb := range []string{"init", "reset"} {
		if got := run(t, verb); got.code != 1 || !strings.Contains(got.stderr, "code:   NotRoot") || strings.Contains(got.stderr, "sudo") {
			t.Errorf("%s: %+v", verb, got)
		}
	}
	if got := run(t, "config", "check", `Z:\no\such.yaml`); got.code != 1 || !strings.Contains(got.stderr, "code:   ConfigUnreadable") {
		t.Errorf("a file that is not there: %+v", got)
	}
}

// sameMachine compares what Wine tells with what Linux does. What Wine does not have
// must be a problem, and no zero.
func sameMachine(t *testing.T, run func(*testing.T, ...string) answer) {
	said := run(t, "hardware", "-o", "json")
	var got hardware.Facts
	if err := json.Unmarshal([]byte(said.stdout), &got); err != nil || said.code != 0 {
		t.Fatalf("%v, %+v", err, said)
	}
	want := hardware.Inspect(os.DirFS("/"), runtime.GOARCH)
	t.Logf("problems: %+v", got.Problems)

	if got.OS.ID != "windows" || got.OS.PrettyName == "" || strings.Count(got.OS.VersionID, ".") != 2 {
		t.Errorf("system: %+v", got.OS)
	}
	// The kernel hides features that it knows to be broken, and the system Wine runs on
	// lets programs use the rest.
	for _, name := range want.CPU.Features {
		if !slices.Contains(got.CPU.Features, name) && !slices.Contains([]string{"sgx", "sev", "sev_snp", "tdx_guest"}, name) {
			t.Errorf("the processor lacks %s", name)
		}
	}
	want.CPU.Features, got.CPU.Features = nil, nil
	want.CPU.Allowed, want.CPU.Isolated, want.CPU.NoHzFull, want.CPU.Offline = nil, "", "", ""
	if d := cmp.Diff(want.CPU, got.CPU); d != "" {
		t.Errorf("processors: Linux (-), Wine (+):\n%s", d)
	}
	const page = 4096 // Wine counts from one, some of its versions
	if difference := want.Memory.TotalBytes - got.Memory.TotalBytes; difference < 0 || difference > page || got.Memory.OnlineBytes < got.Memory.TotalBytes {
		t.Errorf("memory: Linux %+v, Wine %+v", want.Memory, got.Memory)
	}
	if len(got.NUMA) != len(want.NUMA) && len(want.NUMA) > 0 {
		t.Errorf("nodes: Linux %+v, Wine %+v", want.NUMA, got.NUMA)
	}
	for _, l := range want.Links {
		l.Driver, l.Address, l.NUMANode, l.Permanent = "", "", nil, false // Wine has no adapters
		found := slices.IndexFunc(got.Links, func(x hardware.Link) bool { return x.Name == l.Name })
		if found < 0 {
			t.Errorf("no link %s in %+v", l.Name, got.Links)
			continue
		}
		x := got.Links[found]
		if x.Permanent = false; cmp.Diff(l, x) != "" {
			t.Errorf("link: Linux (-), Wine (+):\n%s", cmp.Diff(l, x))
		}
	}
	if slices.Contains(want.CPU.Features, "hypervisor") != (got.Hypervisor.Kind != "") && want.CPU.Features != nil {
		t.Errorf("hypervisor: %+v", got.Hypervisor)
	}
	d, w := got.DMI, want.DMI
	if d.SysVendor != w.SysVendor || d.ProductName != w.ProductName || d.BoardAssetTag != w.BoardAssetTag || d.BIOSVersion != w.BIOSVersion {
		t.Errorf("firmware: Linux %+v, Wine %+v", w, d)
	}
	for probe, missing := range map[string]bool{
		"dmi": d.SysVendor == "" && d.ProductName == "", "pci": len(got.PCI) == 0, "security": got.Security.Boot == "" || got.Security.FIPS == "",
		"nvme": len(got.NVMe) == 0, "links": len(got.Links) == 0, "cpu": got.CPU.Online == 0 || got.CPU.Model == "", "processor": said.stdout == "",
	} {
		problem := slices.ContainsFunc(got.Problems, func(p hardware.Problem) bool { return p.Probe == probe && p.Message != "" && !p.Remark })
		if missing && !problem {
			t.Errorf("%s: nothing was seen, and nothing is said about it: %+v", probe, got)
		}
	}
}

// ownTests runs the tests of packages that a Windows program is made of. Left out are
// those of drivers, which are for Linux alone.
func ownTests(t *testing.T, w wine) {
	packages := []string{"./pkg/api", "./pkg/convert", "./pkg/hardware/instancetype", "./pkg/node", "./pkg/system/winhardware", "./test/golden"}
	if !w.old {
		packages = append(packages, "./cmd/agent", "./pkg/bootstrap", "./pkg/platform/...")
	}
	// What is skipped builds a program of its own.
	args := append([]string{"test", "-trimpath", "-count=1", "-short", "-exec", "wine", "-skip", "TestStatusOfARunThatWasKilledSaysSo"}, packages...)
	cmd := w.command(t.Context(), "go", args...)
	cmd.Env = append(cmd.Env, "GOOS=windows", "CGO_ENABLED=0")
	if got := ask(t, cmd, "../.."); got.code != 0 {
		t.Errorf("go %v: %d\n%s%s", args, got.code, got.stdout, got.stderr)
	}
}
