package bootstrap

import (
	"slices"

	"github.com/eksnode/eksnode/pkg/host"
)

// Scope narrows what of a plan is applied.
type Scope struct {
	// Only names components; all when empty.
	Only []string
	// ConfigOnly leaves services, images and swap files alone, files of the run phase,
	// and all programs but those that are to be run before any configuration: what is
	// done before cloud-init runs. A
	// restart that this makes necessary is owed, not forgotten, and is paid by the
	// next run without it.
	ConfigOnly bool
}

// whole reports whether the scope leaves nothing out.
func (s Scope) whole() bool { return len(s.Only) == 0 && !s.ConfigOnly }

// takes reports whether a resource of an owner is in scope. want is nil where it is
// to be taken away.
func (s Scope) takes(owner string, id host.ID, want host.Resource) bool {
	if len(s.Only) > 0 && !slices.Contains(s.Only, owner) {
		return false
	}
	if !s.ConfigOnly {
		return true
	}
	switch id.Kind {
	case host.KindService, host.KindImage, host.KindSwapFile:
		// A swap file waits for the disks, which are prepared with the daemons.
		return false
	case host.KindFile:
		f, wanted := want.(host.File)
		return !wanted || !f.RunPhase
	case host.KindCommand:
		c, wanted := want.(host.Command)
		return !wanted || c.Stage == host.StagePreConfig
	}
	return true
}

// late reports whether a wanted resource waits until the node is Ready.
func late(want host.Resource) bool {
	c, ok := want.(host.Command)
	return ok && c.Stage == host.StagePostReady
}

// Filter returns the steps of a plan that are in scope, in order. A step that
// notes a restart debt stays with the writes that cause it, and goes with them:
// a write without its note could be forgotten, a note without its write would
// restart a service for nothing.
func (s Scope) Filter(p host.Plan) host.Plan {
	kept := map[host.ID]bool{}
	for _, step := range p.Steps {
		if step.Verb != host.Owe && s.takes(step.Owner, step.ID, step.Want) {
			kept[step.ID] = true
		}
	}
	var out host.Plan
	for _, step := range p.Steps {
		if step.Verb == host.Owe {
			if slices.ContainsFunc(step.Causes, func(id host.ID) bool { return kept[id] }) {
				out.Steps = append(out.Steps, step)
			}
			continue
		}
		if kept[step.ID] {
			out.Steps = append(out.Steps, step)
		}
	}
	return out
}

// split parts a plan into what is applied at once and what waits until the node is
// Ready.
func split(p host.Plan) (now, afterwards host.Plan) {
	for _, step := range p.Steps {
		if late(step.Want) {
			afterwards.Steps = append(afterwards.Steps, step)
		} else {
			now.Steps = append(now.Steps, step)
		}
	}
	return now, afterwards
}
