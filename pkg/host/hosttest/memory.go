// Package hosttest is a machine in memory for tests of everything that plans
// and applies. It keeps a logical clock, so that a test can ask whether a
// service started after the last write to what it reads, and it can die at
// any write.
package hosttest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/eksnode/eksnode/pkg/host"
)

// ErrCrash is what every write returns once the agent has been killed, until
// Reboot or CrashAfter(-1).
var ErrCrash = errors.New("the agent was killed")

// Memory is a machine in memory. It is safe for concurrent use.
type Memory struct {
	mu     sync.Mutex
	things map[host.ID]host.Resource
	debts  map[host.ID]bool
	// written and started are logical times of the last change of a thing and
	// of the last start of a service.
	written, started map[host.ID]int
	clock            int
	writesLeft       int // -1: no limit
	fail             map[host.ID]error
	writes           []string
	runs             []string
}

// New returns an empty machine with the given things on it.
func New(things ...host.Resource) *Memory {
	m := &Memory{
		things: map[host.ID]host.Resource{}, debts: map[host.ID]bool{}, fail: map[host.ID]error{},
		written: map[host.ID]int{}, started: map[host.ID]int{}, writesLeft: -1,
	}
	for _, r := range things {
		m.Put(r)
	}
	return m
}

// Put places a thing as someone other than the agent would.
func (m *Memory) Put(r host.Resource) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.set(r)
}

// Delete takes a thing away as someone other than the agent would.
func (m *Memory) Delete(id host.ID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.things, id)
}

// Get returns the thing of an ID, nil when absent.
func (m *Memory) Get(id host.ID) host.Resource {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.things[id]
}

// CrashAfter lets n writes succeed and kills the agent at the next one: it and
// every later write return ErrCrash. A negative n never crashes.
func (m *Memory) CrashAfter(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writesLeft = n
}

// FailOn makes every write to an ID fail with err until err is nil.
func (m *Memory) FailOn(id host.ID, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail[id] = err
}

// Reboot starts the machine anew: no service runs, debts and the programs that
// have run in this boot are forgotten with /run, what the kernel was told is gone,
// and the agent is alive again.
func (m *Memory) Reboot() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writesLeft = -1
	m.debts = map[host.ID]bool{}
	for id, r := range m.things {
		switch r := r.(type) {
		case host.Service:
			r.Running, r.Current = false, true
			m.things[id] = r
		case host.Sysctl, host.Module, host.HugePages:
			delete(m.things, id)
		case host.SwapFile:
			r.Active = false
			m.things[id] = r
		case host.Command:
			if !r.Once {
				delete(m.things, id)
			}
		}
	}
}

// Runs returns the names of the programs that were run so far, in order, each as
// often as it was run.
func (m *Memory) Runs() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.runs)
}

// Writes returns the successful writes so far, one line each.
func (m *Memory) Writes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.writes)
}

// Things returns all that is on the machine, sorted by ID.
func (m *Memory) Things() []host.Resource {
	m.mu.Lock()
	defer m.mu.Unlock()
	ids := slices.SortedFunc(maps.Keys(m.things), func(a, b host.ID) int {
		if a.String() < b.String() {
			return -1
		}
		return 1
	})
	var out []host.Resource
	for _, id := range ids {
		out = append(out, m.things[id])
	}
	return out
}

// Stale returns an error when a running service has started before the last
// write to any of the given things: it works with old inputs.
func (m *Memory) Stale(service host.ID, reads []host.ID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range reads {
		if m.written[id] > m.started[service] {
			return fmt.Errorf("%s started at %d, %s was written at %d", service, m.started[service], id, m.written[id])
		}
	}
	return nil
}

// Host returns drivers for every kind of resource, all on this machine.
func (m *Memory) Host() host.Host {
	d := &driver{m}
	return host.Host{
		host.KindFile: d, host.KindDir: d, host.KindLink: d,
		host.KindService: d, host.KindSysctl: d, host.KindImage: d,
		host.KindModule: d, host.KindHugePages: d, host.KindSwapFile: d, host.KindCommand: d, host.KindAbsent: d,
	}
}

func (m *Memory) set(r host.Resource) {
	m.clock++
	m.things[r.ID()] = r
	m.written[r.ID()] = m.clock
}

// write accounts for one write; it must be called with the lock held.
func (m *Memory) write(id host.ID, what string) error {
	if m.writesLeft == 0 {
		return ErrCrash
	}
	if err := m.fail[id]; err != nil {
		return err
	}
	m.spend(id, what)
	return nil
}

// spend is one write that has succeeded.
func (m *Memory) spend(id host.ID, what string) {
	if m.writesLeft > 0 {
		m.writesLeft--
	}
	m.writes = append(m.writes, what+" "+id.String())
}

type driver struct{ m *Memory }

func (d *driver) Observe(_ context.Context, want host.Resource) (host.Resource, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if want, ok := want.(host.Absent); ok {
		return d.absent(want), nil
	}
	r, ok := d.m.things[want.ID()]
	if !ok {
		return nil, nil
	}
	switch r := r.(type) {
	case host.Service:
		r.Reads, r.Reloads = nil, false
		r.Current = !r.Running || !d.m.debts[r.ID()]
		if !want.(host.Service).Enabled {
			r.Enabled = false
		}
		return r, nil
	case host.File:
		r.Secret = want.(host.File).Secret
		return r, nil
	case host.Sysctl:
		r.AtLeast = want.(host.Sysctl).AtLeast
		return r, nil
	case host.Command:
		return host.Command{Name: r.Name, Digest: r.Digest}, nil
	}
	return r, nil
}

func (d *driver) Apply(_ context.Context, want host.Resource) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	id := want.ID()
	switch want := want.(type) {
	case host.Service:
		return d.apply(want)
	case host.Command:
		return d.run(want)
	case host.Absent:
		if d.absent(want) != nil || want.Digest == "" {
			return nil
		}
		if err := d.m.write(id, "clear"); err != nil {
			return err
		}
		delete(d.m.things, host.File{Path: want.Path}.ID())
		d.m.clock++
		d.m.written[id] = d.m.clock
		return nil
	}
	if err := d.m.write(id, "apply"); err != nil {
		return err
	}
	d.m.set(kept(want))
	return nil
}

// kept is what a machine has of a wish once it is fulfilled: what only a wish has is
// gone.
func kept(want host.Resource) host.Resource {
	switch r := want.(type) {
	case host.File:
		r.Secret, r.RunPhase = false, false
		return r
	case host.Sysctl:
		r.AtLeast = false
		return r
	case host.Image:
		r.Archive, r.Source, r.Snapshotter = "", "", ""
		return r
	}
	return want
}

// absent returns the wish when the file is not there with that content; nil while it
// is, and when nothing is asked for.
func (d *driver) absent(want host.Absent) host.Resource {
	f, ok := d.m.things[host.File{Path: want.Path}.ID()].(host.File)
	if want.Digest == "" || ok && host.ContentDigest(f.Content) == want.Digest {
		return nil
	}
	want.Because = ""
	return want
}

// apply starts or restarts in one write and clears the debt in a second one,
// as a real driver must: the agent can die between the two.
func (d *driver) apply(svc host.Service) error {
	id := svc.ID()
	have, _ := d.m.things[id].(host.Service)
	if svc.Running && (!have.Running || d.m.debts[id]) {
		if err := d.m.write(id, "start"); err != nil {
			return err
		}
		d.m.clock++
		d.m.started[id] = d.m.clock
		d.m.things[id] = host.Service{Name: svc.Name, Running: true, Enabled: svc.Enabled || have.Enabled}
		if d.m.debts[id] {
			if err := d.m.write(id, "settle"); err != nil {
				return err
			}
			delete(d.m.debts, id)
		}
		return nil
	}
	if err := d.m.write(id, "apply"); err != nil {
		return err
	}
	d.m.things[id] = host.Service{Name: svc.Name, Running: svc.Running, Enabled: svc.Enabled || have.Enabled}
	return nil
}

// run runs a program in one write and notes in a second one that it ran, as a real
// driver must: the agent can die between the two. An error of FailOn is the
// program's; where that is tolerated, the run counts until the next boot.
func (d *driver) run(c host.Command) error {
	id := c.ID()
	if d.m.writesLeft == 0 {
		return ErrCrash
	}
	d.m.spend(id, "run")
	d.m.runs = append(d.m.runs, c.Name)
	delete(d.m.things, id)
	failure := d.m.fail[id]
	if failure != nil {
		failure = &host.RunError{ExitCode: 1, Tolerated: c.Tolerate, Err: failure}
		if !c.Tolerate {
			return failure
		}
		c.Once = false
	}
	if d.m.writesLeft == 0 {
		return ErrCrash
	}
	d.m.spend(id, "record")
	d.m.set(c)
	return failure
}

func (d *driver) Remove(_ context.Context, id host.ID) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if err := d.m.write(id, "remove"); err != nil {
		return err
	}
	delete(d.m.things, id)
	d.m.clock++
	d.m.written[id] = d.m.clock
	return nil
}

func (d *driver) Owe(_ context.Context, id host.ID) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if err := d.m.write(id, "owe"); err != nil {
		return err
	}
	d.m.debts[id] = true
	return nil
}
