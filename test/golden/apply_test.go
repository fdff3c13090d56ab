package golden_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
	"github.com/eksnode/eksnode/pkg/node"
)

// memory is a machine in memory and the agent's record of what it owns there.
type memory struct {
	*hosttest.Memory
	owned []host.Owned
}

func (m *memory) plan(t testing.TB, want host.State) host.Plan {
	t.Helper()
	have, err := m.Host().Observe(t.Context(), want, m.owned)
	if err != nil {
		t.Fatal(err)
	}
	return host.Diff(want, have, m.owned)
}

// apply does what the engine does with a whole plan.
func (m *memory) apply(t testing.TB, want host.State) error {
	t.Helper()
	have, err := m.Host().Observe(t.Context(), want, m.owned)
	if err != nil {
		t.Fatal(err)
	}
	plan := host.Diff(want, have, m.owned)
	m.owned = host.Own(want, have, m.owned, nil)
	for _, s := range plan.Steps {
		if err := m.Host().Do(context.Background(), s); err != nil {
			return err
		}
	}
	m.owned = host.Keep(want, m.owned)
	return nil
}

// settled fails the test unless the machine holds the state, and every service has
// started after the last change of what it reads, now or before.
func (m *memory) settled(t testing.TB, name string, want host.State, before ...host.State) {
	t.Helper()
	if p := m.plan(t, want); !p.Empty() {
		t.Errorf("%s: %d steps are left, the first: %s %s, %s", name, len(p.Steps), p.Steps[0].Verb, p.Steps[0].ID, p.Steps[0].Why)
	}
	for _, e := range want.Entries() {
		service, ok := e.Resource.(host.Service)
		if !ok {
			continue
		}
		reads := allReads(service, want)
		for _, s := range before {
			if e, ok := s.Lookup(service.ID()); ok {
				reads = append(reads, allReads(e.Resource.(host.Service), s)...)
			}
		}
		if err := m.Stale(service.ID(), reads); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// allReads are what a service reads, with the files in the folders that it reads.
func allReads(service host.Service, s host.State) []host.ID {
	reads := slices.Clone(service.Reads)
	for _, e := range s.Entries() {
		id := e.Resource.ID()
		if id.Kind == host.KindFile && slices.Contains(service.Reads, host.Dir{Path: path.Dir(id.Name)}.ID()) {
			reads = append(reads, id)
		}
	}
	return reads
}

// plain is the input without the features: what a document of nodeadm's would give.
func plain(t testing.TB, in node.Input) node.Input {
	t.Helper()
	in.Config = load(t, "situations/cluster")
	in.Instance.NodeName = "ip-10-0-1-23.us-west-2.compute.internal"
	return in
}

func TestAfterApplyingThereIsNothingToDo(t *testing.T) {
	everyFeature(t, func(name string, in node.Input) {
		want := desired(t, in)
		m := &memory{Memory: hosttest.New()}
		if err := m.apply(t, want); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.settled(t, name, want)
		m.Reboot()
		if err := m.apply(t, want); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m.settled(t, name+" after a boot", want)
		for _, e := range want.Entries() {
			c, ok := e.Resource.(host.Command)
			if !ok {
				continue
			}
			often := 2
			if c.Once {
				often = 1
			}
			if n := len(slices.DeleteFunc(m.Runs(), func(n string) bool { return n != c.Name })); n != often {
				t.Errorf("%s: %s has run %d times in two boots", name, c.Name, n)
			}
		}
	})
}

// foreign is what somebody else has in the place of a resource.
func foreign(r host.Resource) host.Resource {
	switch r := r.(type) {
	case host.File:
		return host.File{Path: r.Path, Content: []byte("of the image"), Mode: 0o640, UID: 7, GID: 7}
	case host.Dir:
		return host.Dir{Path: r.Path, Mode: 0o700, UID: 7, GID: 7}
	case host.Link:
		return host.Link{Path: r.Path, Target: "/opt/of-the-image"}
	case host.Sysctl:
		return host.Sysctl{Key: r.Key, Value: "7"}
	case host.HugePages:
		r.Count = 7
		return r
	case host.SwapFile:
		return host.SwapFile{Path: r.Path, Bytes: 7 << 20}
	case host.Service:
		return host.Service{Name: r.Name, Running: true, Enabled: true}
	}
	return nil // modules and images are the same whoever brings them, and programs leave nothing
}

func TestAFeatureThatIsTakenOutLeavesWhatItFound(t *testing.T) {
	for _, start := range []string{"bare", "full"} {
		everyFeature(t, func(name string, in node.Input) {
			name += " on a " + start + " machine"
			without, with := desired(t, plain(t, in)), desired(t, in)
			m := &memory{Memory: hosttest.New()}
			if start == "full" {
				for _, e := range with.Entries() {
					if r := foreign(e.Resource); r != nil {
						m.Put(r)
					}
				}
			}
			if err := m.apply(t, without); err != nil {
				t.Fatal(err)
			}
			things, owned := m.Things(), m.owned
			if err := m.apply(t, with); err != nil {
				t.Fatal(err)
			}
			m.settled(t, name, with)
			if err := m.apply(t, without); err != nil {
				t.Fatal(err)
			}
			m.settled(t, name, without, with)
			if after := m.Things(); !reflect.DeepEqual(after, things) {
				t.Errorf("%s: it leaves another machine: %s", name, differing(things, after))
			}
			if !reflect.DeepEqual(m.owned, owned) {
				t.Errorf("%s: it owns %d resources, and owned %d", name, len(m.owned), len(owned))
			}
		})
	}
}

// differing names the things in which two machines differ.
func differing(before, after []host.Resource) string {
	text := func(rs []host.Resource) (out []string) {
		for _, r := range rs {
			out = append(out, fmt.Sprintf("%s %+v", r.ID(), r))
		}
		return out
	}
	b, a := text(before), text(after)
	lost := slices.DeleteFunc(slices.Clone(b), func(s string) bool { return slices.Contains(a, s) })
	more := slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) })
	return fmt.Sprintf("lost %q, new %q", lost, more)
}

// A crash on the way to everything, on the way back, and on the way to a changed
// whole: the next run ends where an undisturbed one does.
func TestACrashAtAnyWriteOfTheSupersetConverges(t *testing.T) {
	everything := features[len(features)-1]
	for _, minor := range []int{29, 33, 37} {
		in := everything.input(t, minor)
		changed := everything.input(t, minor)
		change(&changed)
		with, without, other := desired(t, in), desired(t, plain(t, in)), desired(t, changed)
		for _, way := range []struct {
			name     string
			from, to host.State
		}{{"to everything", without, with}, {"back", with, without}, {"to another whole", with, other}} {
			for _, reboot := range []bool{false, true} {
				crashes(t, fmt.Sprintf("1.%d %s, reboot %v", minor, way.name, reboot), way.from, way.to, reboot)
			}
		}
	}
}

// change changes every part of the superset.
func change(in *node.Input) {
	s := &in.Config.Spec
	in.Instance.NodeName = "other"
	s.Labels["more"] = "1"
	s.Taints = s.Taints[1:]
	s.Registries = s.Registries[:1]
	s.ImageCredentials[0].Args = nil
	s.Proxy.HTTP = "http://elsewhere:3128"
	s.Sysctls["vm.max_map_count"] = "300000"
	s.KernelModules = s.KernelModules[1:]
	s.HugePages[0].Count++
	s.Swap.Size = "3Gi"
	s.Ulimits["memlock"] = api.Ulimit{Hard: "65536"}
	s.TimeSync.Servers = s.TimeSync.Servers[:1]
	delete(s.StaticPods, "audit")
	s.Hooks = s.Hooks[1:]
	s.Hooks[0].Command = []string{"/opt/bin/other"}
}

func crashes(t *testing.T, name string, from, to host.State, reboot bool) {
	t.Helper()
	for n := 0; ; n++ {
		m := &memory{Memory: hosttest.New()}
		if err := m.apply(t, from); err != nil {
			t.Fatal(err)
		}
		m.CrashAfter(n)
		err := m.apply(t, to)
		if err == nil {
			if n < 20 {
				t.Errorf("%s: %d writes are too few for a test", name, n)
			}
			return
		}
		if !errors.Is(err, hosttest.ErrCrash) {
			t.Fatal(err)
		}
		m.CrashAfter(-1)
		if reboot {
			m.Reboot()
		}
		if err := m.apply(t, to); err != nil {
			t.Fatal(err)
		}
		m.settled(t, fmt.Sprintf("%s, killed at write %d", name, n), to, from)
		if t.Failed() {
			return
		}
	}
}

// Values of secrets are in files that only root reads, and in nothing that people
// are shown: plans, reasons, notes, saved inputs, whatever verb prints them.
func TestSecretsAreInNothingThatPeopleAreShown(t *testing.T) {
	everyFeature(t, func(name string, in node.Input) {
		shown := []string{why(in), fmt.Sprintf("%v %+v %#v", in.Config, in.Config, in.Config)}
		saved, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, string(saved))
		want := desired(t, in)
		m := &memory{Memory: hosttest.New()}
		for _, e := range want.Entries() {
			if r := foreign(e.Resource); r != nil {
				m.Put(r)
			}
		}
		for _, s := range m.plan(t, want).Steps {
			shown = append(shown, s.Why, s.ID.String())
			if f, ok := s.Want.(host.File); ok && f.Secret {
				continue // whoever prints a plan leaves its content out
			}
			text, err := json.Marshal(s.Want)
			if err != nil {
				t.Fatal(err)
			}
			shown = append(shown, string(text))
			if f, ok := s.Want.(host.File); ok {
				shown = append(shown, string(f.Content))
			}
		}
		for _, s := range shown {
			if secret := exposed(s); secret != "" {
				t.Errorf("%s: %s is in %.400s", name, secret, s)
			}
		}
	})
}

// exposed returns the form in which the password of the tests is in a text; "" when
// it is not.
func exposed(text string) string {
	const password = "hunter2"
	forms := []string{password, base64.StdEncoding.EncodeToString([]byte(password))[:8]}
	for _, lead := range []string{"x", "xx"} { // as a part of something longer
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(lead + password))[4:12])
	}
	for _, f := range forms {
		if strings.Contains(text, f) {
			return f
		}
	}
	return ""
}
