package host_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
)

func file(path, content string) host.File {
	return host.File{Path: path, Content: []byte(content), Mode: 0o644}
}

func service(name string, reads ...string) host.Service {
	s := host.Service{Name: name, Running: true, Current: true}
	for _, r := range reads {
		kind, n, _ := strings.Cut(r, ":")
		s.Reads = append(s.Reads, host.ID{Kind: host.Kind(kind), Name: n})
	}
	return s
}

func state(t *testing.T, rs ...host.Resource) host.State {
	t.Helper()
	var s host.State
	if err := s.Add("test", rs...); err != nil {
		t.Fatal(err)
	}
	return s
}

// run does what the engine does, without its store on disk: owned is the
// record, kept outside the machine.
func run(t *testing.T, m *hosttest.Memory, want host.State, owned *[]host.Owned) error {
	t.Helper()
	ctx, h := context.Background(), m.Host()
	have, err := h.Observe(ctx, want, *owned)
	if err != nil {
		return err
	}
	plan := host.Diff(want, have, *owned)
	*owned = host.Own(want, have, *owned, nil)
	for _, s := range plan.Steps {
		if err := h.Do(ctx, s); err != nil {
			return err
		}
	}
	*owned = host.Keep(want, *owned)
	return nil
}

func lines(p host.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, fmt.Sprintf("%s %s (%s) %s", s.Verb, s.ID, s.Why, s.Impact))
	}
	return out
}

func plan(t *testing.T, m *hosttest.Memory, want host.State, owned []host.Owned) []string {
	t.Helper()
	have, err := m.Host().Observe(context.Background(), want, owned)
	if err != nil {
		t.Fatal(err)
	}
	return lines(host.Diff(want, have, owned))
}

func TestDiff(t *testing.T) {
	conf, dropin := file("/etc/k/config", "a"), file("/etc/k/conf.d/40", "x")
	svc := service("kubelet.service", "file:/etc/k/config", "dir:/etc/k/conf.d")
	running := host.Service{Name: "kubelet.service", Running: true, Current: true}
	own := func(rs ...host.Resource) []host.Owned {
		return host.Own(state(t, rs...), nil, nil, nil)
	}
	for _, tt := range []struct {
		name  string
		have  []host.Resource
		want  []host.Resource
		owned []host.Owned
		steps []string
	}{
		{"fresh machine: created in order, then started", nil, []host.Resource{conf, dropin, svc}, nil, []string{
			"create file:/etc/k/config (absent) quiet", "create file:/etc/k/conf.d/40 (absent) quiet",
			"start service:kubelet.service (not running) quiet"}},
		{"nothing to do", []host.Resource{conf, dropin, running}, []host.Resource{conf, dropin, svc}, own(conf, dropin, svc), nil},
		{"a changed input owes a restart before it is written", []host.Resource{file("/etc/k/config", "old"), dropin, running},
			[]host.Resource{conf, dropin, svc}, own(conf, dropin, svc), []string{
				"owe-restart service:kubelet.service (reads file:/etc/k/config) quiet", "update file:/etc/k/config (content differs) quiet",
				"restart service:kubelet.service (something it reads changes) restarts"}},
		{"the debt is noted once for two changes", []host.Resource{running}, []host.Resource{conf, dropin, svc}, nil, []string{
			"owe-restart service:kubelet.service (reads file:/etc/k/config) quiet", "create file:/etc/k/config (absent) quiet",
			"create file:/etc/k/conf.d/40 (absent) quiet", "restart service:kubelet.service (something it reads changes) restarts"}},
		{"a service of the image that systemd may start any moment owes, too", []host.Resource{dropin, host.Service{Name: "kubelet.service", Current: true}},
			[]host.Resource{conf, dropin, svc}, nil, []string{
				"owe-restart service:kubelet.service (reads file:/etc/k/config) quiet", "create file:/etc/k/config (absent) quiet",
				"start service:kubelet.service (not running) quiet"}},
		{"a drop-in no longer wanted goes before the restart of its reader", []host.Resource{conf, dropin, running},
			[]host.Resource{conf, svc}, own(conf, dropin, svc), []string{
				"owe-restart service:kubelet.service (reads file:/etc/k/conf.d/40) quiet", "remove file:/etc/k/conf.d/40 (no longer wanted) quiet",
				"restart service:kubelet.service (something it reads changes) restarts"}},
		{"what nobody reads is left to the end, newest first", []host.Resource{conf, file("/a", ""), file("/b", ""), running},
			[]host.Resource{conf, svc}, own(file("/a", ""), file("/b", ""), conf, svc), []string{
				"remove file:/b (no longer wanted) quiet", "remove file:/a (no longer wanted) quiet"}},
		{"a mode alone is a change", []host.Resource{host.File{Path: "/etc/k/config", Content: []byte("a"), Mode: 0o600}},
			[]host.Resource{conf}, nil, []string{"update file:/etc/k/config (mode is 0600, not 0644) quiet"}},
		{"a service that should not run is stopped", []host.Resource{running},
			[]host.Resource{host.Service{Name: "kubelet.service"}}, nil, []string{"stop service:kubelet.service (should not run) disruptive"}},
		{"a kernel limit raised further by others stays", []host.Resource{host.Sysctl{Key: "fs.x", Value: "9000"}},
			[]host.Resource{host.Sysctl{Key: "fs.x", Value: "8192", AtLeast: true}}, nil, nil},
		{"a kernel parameter printed with tabs is the same", []host.Resource{host.Sysctl{Key: "net.x", Value: "1\t2\t3"}},
			[]host.Resource{host.Sysctl{Key: "net.x", Value: "1 2 3"}}, nil, nil},
		{"a pool of huge pages is as large as is wanted", []host.Resource{pool(3), running}, []host.Resource{pool(4), service("kubelet.service", "hugepages:2048kB")}, nil, []string{
			"owe-restart service:kubelet.service (reads hugepages:2048kB) quiet", "update hugepages:2048kB (count is 3, not 4) quiet",
			"restart service:kubelet.service (something it reads changes) restarts"}},
		{"a swap file is switched on after a reboot", []host.Resource{host.SwapFile{Path: "/swap", Bytes: 1 << 20}}, []host.Resource{swap(1)}, nil, []string{
			"update swapfile:/swap (use is off, not on) quiet"}},
		{"a pool that was there is given back", []host.Resource{pool(8)}, nil,
			[]host.Owned{{ID: pool(0).ID(), Owner: "tuning", Original: host.Stored{Resource: pool(2)}}}, []string{
				"restore hugepages:2048kB (no longer wanted; as it was before) quiet"}},
		{"a source of an image is no property of it", []host.Resource{host.Image{Ref: "pause", Pinned: true}},
			[]host.Resource{host.Image{Ref: "pause", Pinned: true, Source: "registry/pause"}}, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := plan(t, hosttest.New(tt.have...), state(t, tt.want...), tt.owned)
			if !slices.Equal(got, tt.steps) {
				t.Errorf("plan:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(tt.steps, "\n"))
			}
		})
	}
}

func TestAPoolGoesBeforeTheOneThatTakesItsPlace(t *testing.T) {
	all, one := host.HugePages{SizeKiB: 2048, NUMANode: -1, Count: 8}, host.HugePages{SizeKiB: 2048, NUMANode: 0, Count: 8}
	none := all
	none.Count = 0
	kubelet := host.Service{Name: "kubelet.service", Running: true, Current: true, Reads: []host.ID{one.ID()}}
	var want host.State
	if err := want.Add("tuning", one, kubelet); err != nil {
		t.Fatal(err)
	}
	have := map[host.ID]host.Resource{all.ID(): all, kubelet.ID(): kubelet}
	owned := []host.Owned{{ID: all.ID(), Owner: "tuning", Readers: []host.ID{kubelet.ID()}, Original: host.Stored{Resource: none}}}
	var got []string
	for _, s := range host.Diff(want, have, owned).Steps {
		got = append(got, string(s.Verb)+" "+s.ID.String())
	}
	expected := []string{"owe-restart service:kubelet.service", "restore hugepages:2048kB", "create hugepages:2048kB@node0", "restart service:kubelet.service"}
	if !slices.Equal(got, expected) {
		t.Errorf("got %q, want %q", got, expected)
	}
}

func TestStateRefuses(t *testing.T) {
	for name, rs := range map[string][]host.Resource{
		"two owners of one file":               {file("/a", "1"), file("/a", "2")},
		"a file declared after its reader":     {service("k.service", "file:/a"), file("/a", "")},
		"a file below a directory read before": {service("k.service", "dir:/d"), file("/d/x", "")},
		"a relative path":                      {file("etc/x", "")},
		"a path with dots":                     {file("/etc/../root/x", "")},
		"a name with a newline":                {file("/etc/a\nb", "")},
		"a running service that may be stale":  {host.Service{Name: "k.service", Running: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var s host.State
			if err := s.Add("test", rs...); err == nil {
				t.Fatal("accepted")
			}
			if len(s.Entries()) != 0 {
				t.Error("something was added all the same")
			}
		})
	}
}

func TestAServiceThatRanBeforeRunsAgainWithWhatItHad(t *testing.T) {
	theirs := file("/etc/k/config", "theirs")
	m := hosttest.New(theirs, host.Service{Name: "k.service", Running: true, Current: true})
	var owned []host.Owned
	svc := service("k.service", "file:/etc/k/config")
	if err := run(t, m, state(t, file("/etc/k/config", "ours"), svc), &owned); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"owe-restart service:k.service (reads file:/etc/k/config) quiet",
		"restore file:/etc/k/config (no longer wanted; as it was before) quiet",
		"restore service:k.service (no longer wanted; as it was before) restarts"}
	if got := plan(t, m, host.State{}, owned); !slices.Equal(got, want) {
		t.Errorf("plan:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if err := run(t, m, host.State{}, &owned); err != nil {
		t.Fatal(err)
	}
	if err := m.Stale(svc.ID(), svc.Reads); err != nil {
		t.Error(err)
	}
	if !host.Equal(m.Get(theirs.ID()), theirs) {
		t.Error("the file is not as it was")
	}
}

func TestApplyThenPlanIsEmpty(t *testing.T) {
	want := state(t, file("/etc/a", "1"), host.Sysctl{Key: "vm.x", Value: "1"}, service("k.service", "file:/etc/a"))
	m, owned := hosttest.New(), []host.Owned(nil)
	if err := run(t, m, want, &owned); err != nil {
		t.Fatal(err)
	}
	if got := plan(t, m, want, owned); got != nil {
		t.Errorf("second plan: %v", got)
	}
}

func TestRemovingConfigGivesBackWhatWasThere(t *testing.T) {
	mine, theirs := file("/etc/new", "mine"), file("/etc/containerd/config.toml", "from the image")
	m := hosttest.New(theirs, host.Sysctl{Key: "vm.x", Value: "0"}, file("/etc/hosts", "untouched"))
	var owned []host.Owned
	want := state(t, mine, file("/etc/containerd/config.toml", "ours"), host.Sysctl{Key: "vm.x", Value: "1"}, service("k.service", "file:/etc/new"))
	if err := run(t, m, want, &owned); err != nil {
		t.Fatal(err)
	}
	// A second, different apply must not take our own file for the original.
	want = state(t, mine, file("/etc/containerd/config.toml", "ours, newer"), host.Sysctl{Key: "vm.x", Value: "2"}, service("k.service", "file:/etc/new"))
	if err := run(t, m, want, &owned); err != nil {
		t.Fatal(err)
	}
	if err := run(t, m, host.State{}, &owned); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range m.Things() {
		got = append(got, fmt.Sprintf("%+v", r))
	}
	for _, w := range []host.Resource{theirs, file("/etc/hosts", "untouched"), host.Sysctl{Key: "vm.x", Value: "0"}} {
		if !host.Equal(m.Get(w.ID()), w) {
			t.Errorf("%s is not as it was:\n%s", w.ID(), strings.Join(got, "\n"))
		}
	}
	if m.Get(mine.ID()) != nil || m.Get(host.ID{Kind: host.KindService, Name: "k.service"}) != nil {
		t.Errorf("something of ours is left:\n%s", strings.Join(got, "\n"))
	}
	if len(owned) != 0 {
		t.Errorf("still owned: %v", owned)
	}
}

// Whatever write the agent dies at, the next run converges, and no running
// service works with inputs older than those on disk.
func TestACrashAtAnyWriteConverges(t *testing.T) {
	reads := []host.ID{{Kind: host.KindFile, Name: "/etc/k/config"}, {Kind: host.KindFile, Name: "/etc/k/conf.d/40"}, {Kind: host.KindFile, Name: "/etc/k/conf.d/50"},
		pool(0).ID(), swap(0).ID()}
	svc := service("k.service", "file:/etc/k/config", "dir:/etc/k/conf.d", "hugepages:2048kB", "swapfile:/swap")
	other := service("c.service", "file:/etc/c/config")
	v1 := []host.Resource{pool(1), swap(1), file("/etc/c/config", "1"), other, file("/etc/k/config", "1"), file("/etc/k/conf.d/40", "1"), svc}
	v2 := []host.Resource{host.Module{Name: "br_netfilter"}, pool(2), swap(2), file("/etc/c/config", "2"), other, file("/etc/k/config", "2"), file("/etc/k/conf.d/50", "2"), svc}
	for _, start := range []string{"fresh", "changed", "drifted", "foreign"} {
		for _, reboot := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, reboot %v", start, reboot), func(t *testing.T) {
				for n := 0; ; n++ {
					m, owned := hosttest.New(), []host.Owned(nil)
					prepare(t, start, m, state(t, v1...), &owned)
					m.CrashAfter(n)
					err := run(t, m, state(t, v2...), &owned)
					if err == nil {
						if n == 0 {
							t.Fatal("nothing was written: the test is empty")
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
					if err := run(t, m, state(t, v2...), &owned); err != nil {
						t.Fatal(err)
					}
					if got := plan(t, m, state(t, v2...), owned); got != nil {
						t.Errorf("killed at write %d: not converged: %v", n, got)
					}
					if err := m.Stale(svc.ID(), reads); err != nil {
						t.Errorf("killed at write %d: %v", n, err)
					}
					if err := m.Stale(other.ID(), other.Reads); err != nil {
						t.Errorf("killed at write %d: %v", n, err)
					}
				}
			})
		}
	}
}

func pool(count int64) host.HugePages {
	return host.HugePages{SizeKiB: 2048, NUMANode: -1, Count: count}
}

func swap(mebibytes int64) host.SwapFile {
	return host.SwapFile{Path: "/swap", Bytes: mebibytes << 20, Active: true}
}

func prepare(t *testing.T, start string, m *hosttest.Memory, v1 host.State, owned *[]host.Owned) {
	t.Helper()
	switch start {
	case "changed", "drifted":
		if err := run(t, m, v1, owned); err != nil {
			t.Fatal(err)
		}
		if start == "drifted" {
			m.Put(file("/etc/k/config", "edited by hand"))
			m.Delete(host.ID{Kind: host.KindFile, Name: "/etc/k/conf.d/40"})
		}
	case "foreign":
		m.Put(file("/etc/k/config", "from another tool"))
		m.Put(host.Service{Name: "k.service", Running: true})
	}
}

func TestOnlyKeepsTheOrderAndTheOwnersAsked(t *testing.T) {
	var s host.State
	for _, add := range []struct {
		owner string
		r     host.Resource
	}{{"containerd", file("/c", "")}, {"kubelet", file("/k", "")}, {"containerd", service("c.service", "file:/c")}} {
		if err := s.Add(add.owner, add.r); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, e := range s.Only("containerd").Entries() {
		got = append(got, e.Resource.ID().String())
	}
	if want := []string{"file:/c", "service:c.service"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAMachineWithoutADriverSaysSoBeforeAnythingIsWritten(t *testing.T) {
	h := hosttest.New().Host()
	delete(h, host.KindSysctl)
	err := h.Supports(state(t, file("/a", ""), host.Sysctl{Key: "vm.x", Value: "1"}))
	if err == nil || !strings.Contains(err.Error(), `no resources of kind "sysctl"`) {
		t.Fatalf("got %v", err)
	}
}
