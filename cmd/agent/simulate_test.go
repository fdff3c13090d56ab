package main

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/platform/ec2"
)

// described are the flags of a machine of which nothing is left to be assumed.
func described(more ...string) []string {
	return append([]string{"--as", "ec2:m5.large", "--zone", "eu-west-1a", "--kubernetes", "1.36", "--containerd", "2.1", "--os", "amzn-2023"}, more...)
}

// onMetal is a call of a verb about that machine by somebody who is nobody there.
func onMetal(verb []string, more ...string) *call {
	return agent(append(verb, described(more...)...)...).by(1000)
}

// savedInput writes what a node of the configuration in a file would have saved.
func savedInput(t *testing.T, file string) string {
	t.Helper()
	merged, problems := api.Load([]api.Input{{Name: file, Raw: []byte(read(t, file))}}, api.Options{}, today)
	if api.HasErrors(problems) {
		t.Fatal(api.AsError(problems))
	}
	p, _, err := ec2.Simulated(ec2.Machine{Type: "m5.large", Zone: "eu-west-1a", Kubernetes: "1.36", Containerd: "2.1", OS: "amzn-2023"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	in, err := p.Gather(t.Context(), platform.Question{Config: merged.Config, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "input.json", string(b))
}

func TestAPlanForAMachineThatIsNotHere(t *testing.T) {
	for name, c := range map[string]*call{
		"superset.text":   onMetal([]string{"plan", "testdata/superset.yaml"}),
		"superset.diff":   onMetal([]string{"plan", "-o", "diff", "testdata/superset.yaml"}),
		"why.text":        onMetal([]string{"plan", "--why", "--only", "kubelet", "testdata/superset.yaml"}),
		"assumed.text":    agent("plan", "--as", "ec2:m5.larg", "--kubernetes", "1.28", "--only", "credential", "testdata/valid.yaml"),
		"cni.text":        onMetal([]string{"plan", "--cni", "calico", "--only", "credential", "--why", "testdata/valid.yaml"}),
		"stdin.text":      onMetal([]string{"plan", "--only", "credential", "-"}).stdin(read(t, "testdata/valid.yaml")),
		"accelerated.why": agent("plan", "--as", "ec2:p5.48xlarge", "--zone", "us-west-2-lax-1a", "--kubernetes", "1.38", "--only", "containerd", "--why", "testdata/valid.yaml"),
	} {
		t.Run(name, func(t *testing.T) {
			c.run(t)
			golden.Assert(t, filepath.Join("testdata", "simulate", name), c.stdout)
			if c.code != int(exitChanges) || c.stderr != "" {
				t.Errorf("exit status %d, stderr %s", c.code, c.stderr)
			}
			if strings.Contains(c.stdout, password) {
				t.Error("a secret is shown")
			}
		})
	}
}

func TestAPlanForAMachineIsJSON(t *testing.T) {
	c := onMetal([]string{"plan", "-o", "json", "testdata/superset.yaml"}).run(t)
	var plan struct {
		NodeName string
		Impact   string
		Steps    []struct{ Verb, Owner string }
		Reasons  []node.Reason
	}
	if err := json.Unmarshal([]byte(c.stdout), &plan); err != nil {
		t.Fatal(err)
	}
	if c.code != 2 || plan.NodeName != "ip-10-0-0-10.eu-west-1.compute.internal" || len(plan.Steps) < 20 || len(plan.Reasons) == 0 {
		t.Errorf("exit status %d, %+v", c.code, plan)
	}
	if strings.Contains(c.stdout, password) {
		t.Error("a secret is shown")
	}
}

func TestAgainstShowsTheWayFromWhatIsThere(t *testing.T) {
	changed := write(t, "changed.yaml", strings.Replace(read(t, "testdata/superset.yaml"), "effect: NoSchedule", "effect: NoExecute", 1))
	saved := savedInput(t, "testdata/superset.yaml")
	for name, from := range map[string]string{"a configuration": "testdata/superset.yaml", "a saved input": saved} {
		t.Run(name, func(t *testing.T) {
			c := onMetal([]string{"plan", "-o", "diff", "--against", from, changed}).run(t)
			golden.Assert(t, "testdata/simulate/against.diff", c.stdout)
			c.expect(t, 2, "NoExecute", "")
			c = onMetal([]string{"plan", "--against", from, "testdata/superset.yaml"}).run(t)
			c.expect(t, 0, "note: compared with "+from+", not with an empty machine\n", "")
			if !strings.HasSuffix(c.stdout, "\nNothing to do: the machine is as it should be.\n") {
				t.Errorf("stdout %s", c.stdout)
			}
			if strings.Contains(c.stdout, "secrets are not compared") != (from == saved) {
				t.Errorf("what is said about secrets: %s", c.stdout)
			}
		})
	}
}

func TestASavedInputIsDecidedAgain(t *testing.T) {
	saved := savedInput(t, "testdata/superset.yaml")
	agent("plan", "--input", saved, "--against", saved).by(1000).run(t).expect(t, 0, "Nothing to do", "")
	// With a configuration the node's own gives way to it.
	c := agent("plan", "--input", saved, "--against", saved, "testdata/valid.yaml").by(1000).run(t)
	c.expect(t, 2, "Plan for ip-10-0-0-10.eu-west-1.compute.internal", "")
	agent("plan", "--input", saved, "--against", saved, "--cni", "vpc-cni", "-o", "diff").by(1000).run(t).expect(t, 2, `+    "maxPods": 29,`, "")
	agent("plan", "--input", saved, "--cni", "weave").by(1000).run(t).expect(t, 1, "", `there is no CNI profile "weave"`)
	agent("plan", "--input", saved, "--cni", "vpc-cni+x").by(1000).run(t).expect(t, 1, "", "known options are")
	agent("plan", "--input", saved, "--only", "credential").by(1000).run(t).expect(t, 2, "m5.large, eu-west-1a", "")
}

func TestWhatCannotBeDecidedForIsRefusedWithTheWayOut(t *testing.T) {
	saved, broken, noLayout := savedInput(t, "testdata/valid.yaml"), write(t, "broken.json", "{"), write(t, "other.json", "{}")
	large := write(t, "large.json", strings.Repeat(" ", maxInput+1))
	for _, tt := range []struct {
		name   string
		args   []string
		stderr string
	}{
		{"a type alone", []string{"--as", "m5.large"}, `cannot decide for "m5.large": write ec2:m5.large`},
		{"another cloud", []string{"--as", "gce:n1"}, "write ec2: and an instance type"},
		{"no type", []string{"--as", "ec2:"}, "write ec2: and an instance type"},
		{"a region for a zone", []string{"--as", "ec2:m5.large", "--zone", "us-west-2"}, "a zone is written as us-west-2a"},
		{"a version that is none", []string{"--as", "ec2:m5.large", "--kubernetes", "latest"}, "cannot read the version of Kubernetes"},
		{"Windows", []string{"--as", "ec2:m5.large", "--os", "windows-2022"}, "runs on Linux alone"},
		{"a fact without a value", []string{"--as", "ec2:m5.large", "--fact", "instance.tags.team"}, "write NAME=VALUE"},
		{"a fact that nobody knows", []string{"--as", "ec2:m5.large", "--fact", "color=red"}, "known are cpu.architecture"},
		{"two machines", []string{"--as", "ec2:m5.large", "--input", saved}, "cannot decide for two machines"},
		{"a zone of no machine", []string{"--zone", "us-west-2a"}, "cannot use --zone without --as"},
		{"a fact of a saved input", []string{"--input", saved, "--fact", "cpu.count=2"}, "cannot use --fact without --as"},
		{"a plugin of this machine", []string{"--cni", "calico"}, "for this machine set spec.cni"},
		{"this machine against a file", []string{"--against", saved}, "plain plan compares with this machine"},
		{"a plugin that nobody knows", []string{"--as", "ec2:m5.large", "--cni", "weave"}, `unknown value "weave"; known are vpc-cni`},
		{"an option that nobody knows", []string{"--as", "ec2:m5.large", "--cni", "vpc-cni+prefix"}, "known options are prefixDelegation"},
		{"an option with a value too many", []string{"--as", "ec2:m5.large", "--cni", "vpc-cni+prefixDelegation=true"}, "prefixDelegation takes no value"},
		{"a number that is none", []string{"--as", "ec2:m5.large", "--cni", "vpc-cni+maxENIs=x"}, "maxENIs=x is no number"},
		{"a saved input that is not there", []string{"--input", "testdata/none.json"}, "code:   ConfigUnreadable"},
		{"a saved input cut off", []string{"--input", broken}, "Give the input.json that a node has saved"},
		{"some other JSON", []string{"--input", noLayout}, "it has no layout"},
		{"a file far too large", []string{"--input", large}, "has more than 4 MiB"},
		{"against a file that is not there", []string{"--as", "ec2:m5.large", "--against", "testdata/none"}, "cannot decide for --against"},
		{"against a configuration that cannot be used", []string{"--as", "ec2:m5.large", "--against", "testdata/dropin.yaml"}, "cannot decide for --against"},
		{"a component that nobody knows", []string{"--as", "ec2:m5.large", "--only", "dns"}, `component "dns": known are`},
		{"reasons in a diff", []string{"--as", "ec2:m5.large", "-o", "diff", "--why"}, "cannot print reasons in a diff"},
		{"an output of no known kind", []string{"--as", "ec2:m5.large", "-o", "yaml"}, "known are text, json and diff"},
		{"many machines with reasons", []string{"--as", "ec2:m5.*", "--why"}, "cannot use --why or --only for many machines"},
		{"many machines in a diff", []string{"--as", "ec2:m5.*", "-o", "diff"}, "known are text and json"},
		{"many machines against a file", []string{"--as", "ec2:m5.*", "--against", saved}, "cannot use --against for many machines"},
		{"many machines of another cloud", []string{"--as", "gce:*"}, "write ec2: and an instance type"},
		{"many types without a kind", []string{"--as", "m5.*"}, `write ec2:m5.*`},
		{"many plugins of no machine", []string{"--cni", "all"}, "cannot compare network plugins without --as"},
		{"many plugins for a saved input", []string{"--input", saved, "--cni", "all"}, "cannot compare network plugins without --as"},
		{"a pattern that is none", []string{"--as", "ec2:m5.[*"}, "cannot read the pattern"},
		{"a pattern of nothing", []string{"--as", "ec2:zz*"}, "cannot find an instance type"},
		{"many machines and a wrong fact", []string{"--as", "ec2:m5.*", "--fact", "cpu.count=x"}, "cannot set fact cpu.count"},
		{"many machines and a wrong plugin", []string{"--as", "ec2:m5.*", "--cni", "vpc-cni,weave"}, `unknown value "weave"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			agent(append([]string{"plan", "testdata/valid.yaml"}, tt.args...)...).by(1000).run(t).expect(t, 1, "", tt.stderr)
		})
	}
	for _, as := range []string{"ec2:m5.large", "ec2:*"} {
		agent("plan", "--as", as).by(1000).run(t).expect(t, 1, "", "Name a file with user data")
		agent("plan", "--as", as, "-c", "imds://user-data").by(1000).run(t).expect(t, 1, "", "machine that is not here")
	}
}

func TestTheOptionCNITakesThePlaceOfTheConfigurations(t *testing.T) {
	own := write(t, "own.yaml", read(t, "testdata/valid.yaml")+"---\napiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec:\n  cni: {profile: vpc-cni, prefixDelegation: true, customNetworking: true, maxENIs: 2}\n")
	for cni, want := range map[string]string{
		"vpc-cni": " 29 ", "vpc-cni+prefixDelegation": " 110 ", "cilium-overlay": " 110 ", "vpc-cni+maxENIs=2": " 20 ",
	} {
		c := agent("plan", "--as", "ec2:m5.larg?", "--cni", cni, own).run(t)
		if c.code != 0 || !strings.Contains(c.stdout, want) {
			t.Errorf("%s: exit %d, want%sin %s%s", cni, c.code, want, c.stdout, c.stderr)
		}
	}
}
