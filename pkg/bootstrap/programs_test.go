package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/hook"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// hooked is a machine with a hook of every stage, a program of a component's own,
// and a cluster that is asked whether the node is Ready.
type hooked struct {
	*machine
	hooks []api.Hook
	ready error // nil: it is
	// published are the calls of Publish, which answers with publish.
	published int
	publish   error
}

func someHook(name string, stage api.HookStage) api.Hook {
	return api.Hook{Name: name, Stage: stage, Command: []string{"/opt/" + name}, Env: map[string]api.Secret{"TOKEN": "hunter2"}}
}

func newHooked(t *testing.T) *hooked {
	t.Helper()
	m := &hooked{machine: newMachine(t), hooks: []api.Hook{
		someHook("after", api.HookPostReady), someHook("before", api.HookPreConfig), someHook("between", api.HookPreKubelet),
	}}
	m.hooks[1].Run = api.HookOnce
	p := &m.engine.Platform
	p.Gather = func(_ context.Context, q platform.Question) (node.Input, error) {
		q.Config.Spec.Hooks = m.hooks
		return node.Input{Config: q.Config, Instance: node.Instance{NodeName: "n1", ID: "i-1"}, Layout: node.Layout{KubeletUnit: "kubelet.service"}}, nil
	}
	disks := node.Component{Name: "tuning", Desired: func(node.Input) ([]host.Resource, error) {
		return []host.Resource{host.Command{Name: "local-disks", Digest: "raid0", Args: []string{"/usr/bin/setup-local-disks", "raid0"}}}, nil
	}}
	p.Components = append([]node.Component{hook.Component(), disks}, p.Components...)
	p.Checks = func(node.Input) []health.Check {
		return []health.Check{{Name: "node-ready", Run: func(context.Context) health.Finding {
			if m.ready != nil {
				return health.Bad(m.ready)
			}
			return health.Good("Ready")
		}}}
	}
	p.Publish = func(ctx context.Context, in node.Input) error {
		m.published++
		return m.publish
	}
	return m
}

func (m *hooked) hook(name string) *api.Hook {
	return &m.hooks[slices.IndexFunc(m.hooks, func(h api.Hook) bool { return h.Name == name })]
}

func commandID(name string) host.ID { return host.Command{Name: name}.ID() }

// boot is one run of the agent that waits until the node is Ready.
func (m *hooked) boot(t *testing.T, scope Scope) (Report, error) {
	t.Helper()
	return m.engine.Init(t.Context(), InitOptions{Scope: scope, Settle: time.Minute, Load: LoadOptions{Now: m.engine.Now()}})
}

func (m *hooked) mustBoot(t *testing.T, scope Scope) Report {
	t.Helper()
	r, err := m.boot(t, scope)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func phases(r Report) []string {
	var out []string
	for _, p := range r.Phases {
		out = append(out, p.Name)
	}
	return out
}

func programs(r Report) []string {
	var out []string
	for _, p := range r.Programs {
		out = append(out, fmt.Sprintf("%s %s %d", p.Name, p.Outcome, p.ExitCode))
	}
	return out
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func TestTheOrderOfARunWithHooks(t *testing.T) {
	m := newHooked(t)
	r := m.mustBoot(t, Scope{})
	text := "phases: " + strings.Join(phases(r), ", ") + "\n"
	for _, s := range r.Steps {
		text += fmt.Sprintf("%s %s: %s\n", s.Verb, s.ID, s.Why)
	}
	golden.Assert(t, "testdata/order.txt", text)
	same(t, "programs", programs(r), []string{"hook/before ok 0", "local-disks ok 0", "hook/between ok 0", "hook/after ok 0"})
	for _, p := range r.Programs {
		if p.Took <= 0 || p.Started.IsZero() || p.Name == "hook/after" && p.Stage != host.StagePostReady {
			t.Errorf("%+v", p)
		}
	}
	if m.published != 1 {
		t.Errorf("published %d times", m.published)
	}

	before := m.Writes()
	r = m.mustBoot(t, Scope{})
	if len(r.Steps) != 0 || !slices.Equal(m.Writes(), before) {
		t.Errorf("the second run took steps: %v", steps(r))
	}
	same(t, "phases of the second run", phases(r), []string{"load", "gather", "plan", "apply", "settle", "publish"})
}

func TestTheTwoPhasesOfABootRunEachHookOnce(t *testing.T) {
	m := newHooked(t)
	for _, want := range [][2][]string{
		{{"hook/before"}, {"local-disks", "hook/between", "hook/after"}},
		{nil, {"local-disks", "hook/between", "hook/after"}}, // before is once in the machine's life
	} {
		from := len(m.Runs())
		r := m.mustBoot(t, Scope{ConfigOnly: true})
		same(t, "config phase", m.Runs()[from:], want[0])
		if m.published != 0 || slices.Contains(phases(r), "settle") {
			t.Errorf("the config phase waits for the node: %v", phases(r))
		}
		from = len(m.Runs())
		r = m.mustBoot(t, Scope{})
		same(t, "run phase", m.Runs()[from:], want[1])
		// What the config phase has run is not forgotten when the run phase reports.
		if first := r.Programs[0].Name; want[0] != nil && (first != "hook/before" || len(r.Programs) != 4) {
			t.Errorf("programs %v", programs(r))
		}
		m.Reboot()
		must(os.RemoveAll(m.engine.Store.RunDir))
		m.published = 0
	}
}

func TestOnlyAReadyNodeIsFinished(t *testing.T) {
	m := newHooked(t)
	m.ready = fault.New(fault.NotReady, "look at the CNI", errors.New("NetworkPluginNotReady"))
	r, err := m.engine.Init(t.Context(), InitOptions{Settle: 20 * time.Millisecond, Load: LoadOptions{Now: m.engine.Now()}})
	if fault.CodeOf(err) != fault.NotReady {
		t.Fatalf("got %v", err)
	}
	same(t, "phases", phases(r), []string{"load", "gather", "plan", "apply", "settle"})
	if slices.Contains(m.Runs(), "hook/after") || m.published != 0 {
		t.Errorf("ran %v, published %d times", m.Runs(), m.published)
	}
	m.ready = nil
	r = m.mustBoot(t, Scope{})
	same(t, "once it is Ready", steps(r), []string{"run command:hook/after"})
}

func TestARunThatDoesNotWaitForTheNodeSaysWhatItLeavesOut(t *testing.T) {
	m := newHooked(t)
	r := m.mustInit(t, Scope{})
	same(t, "ran", m.Runs(), []string{"hook/before", "local-disks", "hook/between"})
	if len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "hook/after is not run") || m.published != 0 {
		t.Errorf("notes %v, published %d times", r.Notes, m.published)
	}
	same(t, "the next one that waits", steps(m.mustBoot(t, Scope{})), []string{"run command:hook/after"})
}

func TestAHookThatFailsEndsTheRunBeforeWhatComesAfterIt(t *testing.T) {
	m := newHooked(t)
	m.FailOn(commandID("hook/before"), fault.New(fault.HookFailed, "look", errors.New("failed with exit code 1")))
	r, err := m.boot(t, Scope{})
	if fault.CodeOf(err) != fault.HookFailed || len(m.Things()) != 0 {
		t.Fatalf("got %v, made %v", err, m.Things())
	}
	same(t, "programs", programs(r), []string{"hook/before failed 1"})
	m.FailOn(commandID("hook/before"), nil)
	m.FailOn(commandID("hook/between"), errors.New("no such luck"))
	if r, err = m.boot(t, Scope{}); err == nil || m.Get(host.ID{Kind: host.KindService, Name: "kubelet.service"}) != nil {
		t.Fatalf("got %v, steps %v", err, steps(r))
	}
	if m.Get(host.ID{Kind: host.KindService, Name: "runtime.service"}) == nil || m.Get(host.ID{Kind: host.KindFile, Name: "/etc/kubelet/config"}) == nil {
		t.Errorf("steps %v", steps(r))
	}
	same(t, "programs", programs(r), []string{"hook/before ok 0", "local-disks ok 0", "hook/between failed 1"})
	m.FailOn(commandID("hook/between"), nil)
	same(t, "the next run", steps(m.mustBoot(t, Scope{})), []string{"run command:hook/between", "start service:kubelet.service", "run command:hook/after"})
}

func TestAToleratedFailureIsAWarning(t *testing.T) {
	m := newHooked(t)
	for _, name := range []string{"before", "after"} {
		m.hook(name).OnFailure = api.HookWarn
		m.FailOn(commandID("hook/"+name), fault.New(fault.HookFailed, "look", errors.New("failed with exit code 1")))
	}
	r := m.mustBoot(t, Scope{})
	same(t, "programs", programs(r), []string{"hook/before tolerated 1", "local-disks ok 0", "hook/between ok 0", "hook/after tolerated 1"})
	if len(r.Warnings) != 2 || r.Warnings[0].Code != fault.HookFailed || r.Warnings[0].Remedy != "look" || !strings.Contains(r.Warnings[0].Message, "hook/before") {
		t.Errorf("warnings %+v", r.Warnings)
	}
	if r = m.mustBoot(t, Scope{}); len(r.Steps) != 0 || len(r.Programs) != 4 {
		t.Errorf("tried again in the same boot: %v, programs %v", steps(r), programs(r))
	}
	m.Reboot()
	m.FailOn(commandID("hook/before"), nil)
	if r = m.mustBoot(t, Scope{}); r.Programs[0].Name != "hook/before" || r.Programs[0].Outcome != Succeeded {
		t.Errorf("after a reboot: %v", programs(r))
	}
}

func TestAChangedHookRunsAloneAndOneThatIsGoneIsForgotten(t *testing.T) {
	m := newHooked(t)
	m.mustBoot(t, Scope{})
	m.hook("between").Command = []string{"/opt/between", "more"}
	same(t, "changed", steps(m.mustBoot(t, Scope{})), []string{"run command:hook/between"})
	m.hooks = m.hooks[:2]
	r := m.mustBoot(t, Scope{})
	same(t, "gone", steps(r), []string{"remove command:hook/between"})
	if slices.ContainsFunc(r.Programs, func(p ProgramRun) bool { return p.Name == "hook/between" }) {
		t.Errorf("programs %v", programs(r))
	}
	if _, err := m.engine.Reset(t.Context()); err != nil || len(m.Things()) != 0 {
		t.Errorf("a reset leaves %v, %v", m.Things(), err)
	}
}

func TestHooksOfARunForOneComponent(t *testing.T) {
	for only, want := range map[string][]string{
		"kubelet": nil, "hooks": {"hook/before", "hook/between", "hook/after"}, "tuning": {"local-disks"},
	} {
		m := newHooked(t)
		m.mustBoot(t, Scope{Only: []string{only}})
		same(t, only, m.Runs(), want)
	}
}

func TestKilledAtAnyWriteEveryHookRunsAtLeastOnce(t *testing.T) {
	all := []string{"hook/after", "hook/before", "hook/between", "local-disks"}
	for n := 0; ; n++ {
		m := newHooked(t)
		m.CrashAfter(n)
		_, err := m.boot(t, Scope{})
		if err == nil {
			if n < 12 {
				t.Fatalf("only %d writes: the test is empty", n)
			}
			return
		}
		m.CrashAfter(-1)
		m.mustBoot(t, Scope{})
		if r := m.mustBoot(t, Scope{}); len(r.Steps) != 0 {
			t.Errorf("killed at write %d: still %v", n, steps(r))
		}
		times := map[string]int{}
		for _, name := range m.Runs() {
			times[name]++
		}
		for _, name := range all {
			if times[name] < 1 || times[name] > 2 {
				t.Errorf("killed at write %d: %s ran %d times", n, name, times[name])
			}
		}
		if len(m.Runs()) > len(all)+1 {
			t.Errorf("killed at write %d: more than one program ran twice: %v", n, m.Runs())
		}
		if _, err := m.engine.Reset(t.Context()); err != nil || len(m.Things()) != 0 {
			t.Errorf("killed at write %d: a reset leaves %v, %v", n, m.Things(), err)
		}
	}
}

func TestWhatIsWaitedForIsPublishedWhileItRuns(t *testing.T) {
	m := newHooked(t)
	var seen []string
	m.engine.Progress = func(r Report) {
		if strings.Contains(r.Doing, ": ") {
			seen = append(seen, r.Doing)
		}
	}
	m.mustBoot(t, Scope{})
	same(t, "doing", seen, []string{"apply: hook/before", "apply: local-disks", "apply: hook/between", "post-ready: hook/after"})
}

func TestThatTheClusterCannotBeToldIsAWarning(t *testing.T) {
	m := newHooked(t)
	m.publish = fault.New(fault.Unauthorized, "allow it", errors.New("403"))
	r := m.mustBoot(t, Scope{})
	if len(r.Warnings) != 1 || r.Warnings[0].Code != fault.Unauthorized || r.Result != Done {
		t.Errorf("warnings %+v, result %s", r.Warnings, r.Result)
	}
	if !slices.Contains(m.Runs(), "hook/after") {
		t.Error("hooks of the stage post-ready do not wait for labels")
	}
	m.mustBoot(t, Scope{})
	if m.published != 2 {
		t.Errorf("published %d times: it is not tried again", m.published)
	}
	// But a run that is over is over.
	m = newHooked(t)
	ctx, cancel := context.WithCancel(t.Context())
	m.engine.Platform.Publish = func(ctx context.Context, _ node.Input) error {
		cancel()
		return context.Cause(ctx)
	}
	r, err := m.engine.Init(ctx, InitOptions{Settle: time.Minute, Load: LoadOptions{Now: m.engine.Now()}})
	if fault.CodeOf(err) != fault.Interrupted || slices.Contains(m.Runs(), "hook/after") {
		t.Errorf("got %v, ran %v, result %s", err, m.Runs(), r.Result)
	}
}

func TestNoFileOfTheStoreHasASecretOfAHook(t *testing.T) {
	m := newHooked(t)
	m.FailOn(commandID("hook/after"), &host.RunError{ExitCode: 3, Err: fault.New(fault.HookFailed, "look", errors.New("failed with exit code 3"))})
	if _, err := m.boot(t, Scope{}); err == nil {
		t.Fatal("no error")
	}
	files := 0
	err := filepath.WalkDir(filepath.Dir(m.engine.Store.RunDir), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), "hunter2") {
			t.Errorf("%s shows the secret", path)
		}
		if !json.Valid(b) {
			t.Errorf("%s is no JSON", path)
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestADecisionHasItsReasons(t *testing.T) {
	m := newHooked(t)
	h, closeHost, err := m.engine.Platform.Host(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closeHost()
	in, err := m.engine.Gather(t.Context(), Loaded{})
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.engine.Decide(t.Context(), h, in)
	if err != nil || len(d.Reasons) != 3 || d.Reasons[0].Component != hook.Name || d.Reasons[0].Setting != "hook after" {
		t.Errorf("got %+v, %v", d.Reasons, err)
	}
	compared, err := Compare(t.Context(), in, m.engine.Platform.Components, host.State{})
	if err != nil || !slices.Equal(compared.Reasons, d.Reasons) {
		t.Errorf("without a machine: %+v, %v", compared.Reasons, err)
	}
}
