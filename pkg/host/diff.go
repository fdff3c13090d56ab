package host

import (
	"fmt"
	"slices"
)

// Verb is what a step does.
type Verb string

// The verbs. Owe records that a service must restart before something it reads
// changes; it is what makes a crash between write and restart harmless.
const (
	Create  Verb = "create"
	Update  Verb = "update"
	Owe     Verb = "owe-restart"
	Start   Verb = "start"
	Restart Verb = "restart"
	Stop    Verb = "stop"
	Remove  Verb = "remove"
	Restore Verb = "restore"
	// Run runs a program.
	Run Verb = "run"
	// Clear deletes a file that is not the agent's; see Absent.
	Clear Verb = "clear"
)

// Impact is how much a step disturbs what runs on the machine.
type Impact int

// Impacts, in rising order.
const (
	// Quiet disturbs nothing that runs.
	Quiet Impact = iota
	// Restarts restarts a daemon; pods keep running.
	Restarts
	// Disruptive may end pods or cut the node off.
	Disruptive
)

// String returns quiet, restarts or disruptive.
func (i Impact) String() string {
	switch i {
	case Quiet:
		return "quiet"
	case Restarts:
		return "restarts"
	case Disruptive:
		return "disruptive"
	}
	return fmt.Sprintf("impact(%d)", int(i))
}

// MarshalText writes the word of String.
func (i Impact) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// Step is one change to the machine. Want is nil for Remove, Have is nil for
// what does not exist.
type Step struct {
	Verb  Verb
	ID    ID
	Owner string
	Want  Resource
	Have  Resource
	// Why is one phrase for people: what differs.
	Why    string
	Impact Impact
	// Causes are, for Owe, all changes of this plan that make the restart
	// necessary; the step comes before the first of them.
	Causes []ID
}

// Plan is the ordered list of steps from what is there to what is wanted.
type Plan struct{ Steps []Step }

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool { return len(p.Steps) == 0 }

// Impact returns the largest impact of any step.
func (p Plan) Impact() Impact {
	max := Quiet
	for _, s := range p.Steps {
		if s.Impact > max {
			max = s.Impact
		}
	}
	return max
}

// Owned records one resource that the agent has taken charge of.
type Owned struct {
	ID    ID     `json:"id"`
	Owner string `json:"owner"`
	// Readers are the services that read it at start, so that they owe a
	// restart when it is removed.
	Readers []ID `json:"readers,omitempty"`
	// Original is what was there before the agent, to be given back when the
	// resource is no longer wanted; null when nothing was.
	Original Stored `json:"original"`
}

// Diff compares what is wanted with what is there and with what the agent
// owns, and returns the steps in the order in which they must be taken. It is
// total: it never fails, and equal arguments give equal plans.
//
// have holds an observation for every wanted and every owned ID; a missing or
// nil entry means absent. Steps follow the order of want. A change of
// something that a service reads comes after a step which records that the
// service owes a restart, and before the restart. What is owned and no longer
// wanted is removed, or given back as it was found: pools of huge pages before
// anything is made, other things before the restart of a service which reads
// them, the rest at the end in reverse order of ownership. Last of all, services
// that ran before the agent came run again with what they had.
func Diff(want State, have map[ID]Resource, owned []Owned) Plan {
	d := differ{want: want, have: have, indebted: map[ID]int{}}
	d.removals, d.returns = removals(want, have, owned)
	// A pool over all nodes is the sum of theirs: what goes is given back before what
	// comes is made, or it would take the new pages away again.
	d.removals = slices.DeleteFunc(d.removals, func(r removal) bool {
		pool := r.step.ID.Kind == KindHugePages
		if pool {
			d.remove(r)
		}
		return pool
	})
	for _, e := range want.entries {
		switch r := e.Resource.(type) {
		case Service:
			d.service(e.Owner, r)
		case Command:
			d.command(e.Owner, r)
		default:
			d.thing(e)
		}
	}
	for _, r := range d.removals {
		d.remove(r)
	}
	for _, e := range d.returns {
		d.giveBack(e)
	}
	return Plan{Steps: d.steps}
}

type differ struct {
	want     State
	have     map[ID]Resource
	removals []removal
	// returns are services that ran before the agent and are wanted no more.
	returns []Entry
	// indebted are the services which a step of this plan makes owe a restart,
	// with the place of their Owe step, or -1 where none is needed.
	indebted map[ID]int
	steps    []Step
}

// removal is a step for something owned and not wanted any more.
type removal struct {
	step    Step
	readers []ID
}

// removals lists the steps for owned IDs that are not wanted, newest first, and
// apart from them the services that are to run as they did before.
func removals(want State, have map[ID]Resource, owned []Owned) (out []removal, returns []Entry) {
	for _, o := range slices.Backward(owned) {
		if _, wanted := want.Lookup(o.ID); wanted {
			continue
		}
		if svc, ok := o.Original.Resource.(Service); ok && svc.Running {
			returns = append(returns, Entry{o.Owner, svc})
			continue
		}
		step := Step{ID: o.ID, Owner: o.Owner, Have: have[o.ID], Impact: removalImpact(have[o.ID])}
		switch {
		case o.Original.Resource != nil:
			if Equal(step.Have, o.Original.Resource) {
				continue
			}
			step.Verb, step.Want, step.Why = Restore, o.Original.Resource, "no longer wanted; as it was before"
		case step.Have == nil:
			continue
		default:
			step.Verb, step.Why = Remove, "no longer wanted"
		}
		out = append(out, removal{step, o.Readers})
	}
	slices.Reverse(returns) // oldest first: the runtime before what needs it
	return out, returns
}

func removalImpact(have Resource) Impact {
	if svc, ok := have.(Service); ok && svc.Running {
		return Disruptive
	}
	return Quiet
}

// command emits the step for a program that has not run as it is wanted. Nothing
// reads a program, so it causes no restart.
func (d *differ) command(owner string, c Command) {
	have := d.have[c.ID()]
	if Satisfies(have, c) {
		return
	}
	d.steps = append(d.steps, Step{Verb: Run, ID: c.ID(), Owner: owner, Want: c, Have: have, Why: c.why(have)})
}

// thing emits the steps for a resource that is no service and no program.
func (d *differ) thing(e Entry) {
	id := e.Resource.ID()
	have := d.have[id]
	if Satisfies(have, e.Resource) {
		return
	}
	verb := Update
	if have == nil {
		verb = Create
	}
	if _, ok := e.Resource.(Absent); ok {
		verb = Clear
	}
	d.owe(id, nil)
	d.steps = append(d.steps, Step{Verb: verb, ID: id, Owner: e.Owner, Want: e.Resource, Have: have, Why: why(have, e.Resource)})
}

// owe emits, once a service, that the services which read id must restart.
// readers names them where want no longer says so.
func (d *differ) owe(id ID, readers []ID) {
	for _, e := range d.want.entries {
		if svc, ok := e.Resource.(Service); ok && (covers(svc.Reads, id) || slices.Contains(readers, svc.ID())) {
			d.debt(e.Owner, svc, id)
		}
	}
	for _, e := range d.returns {
		if slices.Contains(readers, e.Resource.ID()) {
			d.debt(e.Owner, e.Resource.(Service), id)
		}
	}
}

// debt emits that a service must restart because of cause, or adds the cause to
// what has been emitted.
func (d *differ) debt(owner string, svc Service, cause ID) {
	if at, known := d.indebted[svc.ID()]; known {
		if at >= 0 {
			d.steps[at].Causes = append(d.steps[at].Causes, cause)
		}
		return
	}
	d.indebted[svc.ID()] = -1
	// Also one that does not run: someone else, such as systemd at boot, may
	// start it between our look and our write. Not one that is unknown yet or
	// already in debt.
	if have, ok := d.have[svc.ID()].(Service); !ok || !have.Current {
		return
	}
	d.indebted[svc.ID()] = len(d.steps)
	d.steps = append(d.steps, Step{Verb: Owe, ID: svc.ID(), Owner: owner, Want: svc, Have: d.have[svc.ID()], Why: "reads " + cause.String(), Causes: []ID{cause}})
}

// giveBack emits the step for a service that ran before the agent came.
func (d *differ) giveBack(e Entry) {
	svc := e.Resource.(Service)
	have, _ := d.have[svc.ID()].(Service)
	step := Step{Verb: Restore, ID: svc.ID(), Owner: e.Owner, Want: svc, Have: d.have[svc.ID()], Impact: Restarts, Why: "no longer wanted; as it was before"}
	_, changed := d.indebted[svc.ID()]
	if changed || !Equal(have, svc) {
		d.steps = append(d.steps, step)
	}
}

// service emits the removals which the service would otherwise read, then its
// own step.
func (d *differ) service(owner string, svc Service) {
	var later []removal
	for _, r := range d.removals {
		if covers(svc.Reads, r.step.ID) || slices.Contains(r.readers, svc.ID()) {
			d.remove(r)
		} else {
			later = append(later, r)
		}
	}
	d.removals = later

	id := svc.ID()
	have, _ := d.have[id].(Service)
	step := Step{ID: id, Owner: owner, Want: svc, Have: d.have[id]}
	_, indebted := d.indebted[id]
	switch {
	case svc.Running && !have.Running:
		step.Verb, step.Why = Start, "not running"
	case svc.Running && indebted:
		step.Verb, step.Why, step.Impact = Restart, "something it reads changes", Restarts
	case svc.Running && !have.Current:
		step.Verb, step.Why, step.Impact = Restart, "runs with older inputs", Restarts
	case !svc.Running && have.Running:
		step.Verb, step.Why, step.Impact = Stop, "should not run", Disruptive
	case svc.Enabled != have.Enabled:
		step.Verb, step.Why = Update, "should not start at boot by itself"
		if svc.Enabled {
			step.Why = "does not start at boot"
		}
	default:
		return
	}
	d.steps = append(d.steps, step)
}

func (d *differ) remove(r removal) {
	d.owe(r.step.ID, r.readers)
	d.steps = append(d.steps, r.step)
}
