package hook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func input(hooks ...api.Hook) node.Input {
	in := node.Input{
		Instance: node.Instance{ID: "i-0123456789abcdef0", Type: "m5.large", Region: "us-west-2", Zone: "us-west-2a", NodeName: "n1"},
		Layout:   node.AL2023(),
	}
	in.Config.Spec.Cluster.Name = "prod"
	in.Config.Spec.Hooks = hooks
	return in
}

func warm() api.Hook {
	return api.Hook{Name: "warm-cache", Stage: api.HookPreKubelet, Command: []string{"/opt/warm", "all", "two words"}}
}

func decide(t *testing.T, in node.Input) Settings {
	t.Helper()
	s, err := Decide(in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func text(s Settings) string {
	var b strings.Builder
	for _, c := range s.Commands {
		fmt.Fprintf(&b, "%s stage=%s timeout=%s once=%v tolerate=%v\n", c.ID(), c.Stage, c.Timeout, c.Once, c.Tolerate)
		for _, a := range c.Args {
			fmt.Fprintf(&b, "   arg %q\n", a)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Env)) {
			value := fmt.Sprintf("%q", c.Env[name])
			if strings.ToLower(name) == "no_proxy" {
				value = "(as for all)"
			}
			fmt.Fprintf(&b, "   env %s=%s\n", name, value)
		}
	}
	for _, w := range s.Why {
		fmt.Fprintf(&b, "%s = %s <- %s\n", w.Setting, w.Value, w.From)
	}
	return b.String()
}

func TestWhatHooksBecome(t *testing.T) {
	in := input(
		api.Hook{Name: "patch", Stage: api.HookPreConfig, Command: []string{"/opt/patch"}, Run: api.HookOnce, Timeout: "90s"},
		warm(),
		api.Hook{Name: "tell", Stage: api.HookPostReady, Command: []string{"/opt/tell"}, OnFailure: api.HookWarn,
			Env: map[string]api.Secret{"TOKEN": "hunter2", "EKSNODE_ZONE": "mine", "https_proxy": "http://another:3128"}},
	)
	in.Config.Spec.Proxy.HTTPS = "http://user:pw@proxy:3128"
	in.Config.Spec.Proxy.NoProxy = []string{"corp.example"}
	in.Config.Spec.Cluster.APIServerEndpoint = "https://example.eks.amazonaws.com"
	s := decide(t, in)
	golden.Assert(t, "testdata/hooks.txt", text(s))
	if p, _ := in.AgentProxy(); len(p.NoProxy) == 0 || s.Commands[0].Env["NO_PROXY"] != strings.Join(p.NoProxy, ",") {
		t.Errorf("NO_PROXY is %q, the agent's is %v", s.Commands[0].Env["NO_PROXY"], p.NoProxy)
	}
}

func TestNoHooksNoPrograms(t *testing.T) {
	if s := decide(t, input()); len(s.Commands)+len(s.Why) > 0 {
		t.Errorf("got %+v", s)
	}
}

func TestAFactThatNobodyHasToldHasNoVariable(t *testing.T) {
	in := input(warm())
	in.Instance = node.Instance{}
	c := decide(t, in).Commands[0]
	if got := slices.Sorted(maps.Keys(c.Env)); !slices.Equal(got, []string{"EKSNODE_CLUSTER", "EKSNODE_STAGE"}) {
		t.Errorf("got %v", got)
	}
}

func TestAChangedHookRunsAgain(t *testing.T) {
	digest := func(in node.Input) string { return decide(t, in).Commands[0].Digest }
	plain := digest(input(warm()))
	seen := map[string]string{plain: "plain"}
	for name, change := range map[string]func(*api.Hook){
		"argument": func(h *api.Hook) { h.Command = []string{"/opt/warm", "all two words"} },
		"variable": func(h *api.Hook) { h.Env = map[string]api.Secret{"A": "1"} },
		"value":    func(h *api.Hook) { h.Env = map[string]api.Secret{"A": "2"} },
		"timeout":  func(h *api.Hook) { h.Timeout = "2m" },
		"policy":   func(h *api.Hook) { h.OnFailure = api.HookWarn },
		"stage":    func(h *api.Hook) { h.Stage = api.HookPostReady },
		"often":    func(h *api.Hook) { h.Run = api.HookOnce },
	} {
		h := warm()
		change(&h)
		d := digest(input(h))
		if other, taken := seen[d]; taken {
			t.Errorf("%s is no change from %s", name, other)
		}
		seen[d] = name
	}
	// What is said in other words, and what the machine says of itself, is none.
	same := warm()
	same.Timeout, same.OnFailure, same.Run = "60s", api.HookFail, api.HookEveryBoot
	if digest(input(same)) != plain {
		t.Error("defaults that are written out are a change")
	}
	moved := input(warm())
	moved.Instance.ID, moved.Instance.NodeName = "i-2", "n2"
	if digest(moved) != plain {
		t.Error("another machine is a change for a hook of every boot")
	}
}

func TestAHookThatRunsOnceRunsAnewInAMachineImage(t *testing.T) {
	once := warm()
	once.Run = api.HookOnce
	a, b := input(once), input(once)
	b.Instance.ID = "i-another"
	if decide(t, a).Commands[0].Digest == decide(t, b).Commands[0].Digest {
		t.Error("the note of one instance counts for another")
	}
	b.Problems = []node.Problem{{Fact: "instance.id", Code: fault.IMDSUnreachable, Message: "no route", Remedy: "Mend it."}}
	if _, err := Decide(b); fault.CodeOf(err) != fault.IMDSUnreachable {
		t.Errorf("got %v", err)
	}
}

func TestHooksThatCannotBeRunAreRefusedAtOnce(t *testing.T) {
	broken := map[string]func(*api.Hook){
		"has no name":              func(h *api.Hook) { h.Name = "" },
		"absolute path":            func(h *api.Hook) { h.Command = []string{"warm"} },
		"does not begin with":      func(h *api.Hook) { h.Command = nil },
		"NUL":                      func(h *api.Hook) { h.Command = []string{"/opt/warm", "a\x00b"} },
		`stage is "boot"`:          func(h *api.Hook) { h.Stage = "boot" },
		`stage is ""`:              func(h *api.Hook) { h.Stage = "" },
		`"soon" is no duration`:    func(h *api.Hook) { h.Timeout = "soon" },
		`"0s" is not above zero`:   func(h *api.Hook) { h.Timeout = "0s" },
		`"-1s" is not above zero`:  func(h *api.Hook) { h.Timeout = "-1s" },
		`onFailure is "ignore"`:    func(h *api.Hook) { h.OnFailure = "ignore" },
		`run is "daily"`:           func(h *api.Hook) { h.Run = "daily" },
		`variable "A=B" cannot be`: func(h *api.Hook) { h.Env = map[string]api.Secret{"A=B": "hunter2"} },
		`variable "A" cannot be`:   func(h *api.Hook) { h.Env = map[string]api.Secret{"A": "hunter2\x00"} },
	}
	var hooks []api.Hook
	for _, says := range slices.Sorted(maps.Keys(broken)) {
		h := warm()
		h.Name = fmt.Sprintf("h%d", len(hooks))
		broken[says](&h)
		hooks = append(hooks, h)
	}
	hooks = append(hooks, warm(), warm())
	_, err := Decide(input(hooks...))
	if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || f.Remedy == "" {
		t.Fatalf("got %v", err)
	}
	for says := range broken {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%q is not in\n%v", says, err)
		}
	}
	if !strings.Contains(err.Error(), "two of that name") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestSettingsShowNoSecret(t *testing.T) {
	h := warm()
	h.Env = map[string]api.Secret{"TOKEN": "hunter2"}
	in := input(h)
	b, err := json.Marshal(decide(t, in))
	if err != nil || strings.Contains(string(b), "hunter2") || !strings.Contains(string(b), "/opt/warm") {
		t.Errorf("got %s, %v", b, err)
	}
	if rs, err := Desired(in); err != nil || len(rs) != 1 || rs[0].(host.Command).Env["TOKEN"] != "hunter2" {
		t.Errorf("got %v, %v", rs, err)
	}
}
