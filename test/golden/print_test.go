package golden_test

import (
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/containerd"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/kubelet"
	"github.com/eksnode/eksnode/pkg/node"
)

// text prints a whole state, resource by resource in its order.
func text(s host.State) string {
	var b strings.Builder
	for _, e := range s.Entries() {
		fmt.Fprintf(&b, "== %s (%s)%s\n", e.Resource.ID(), e.Owner, attributes(e.Resource))
		switch r := e.Resource.(type) {
		case host.File:
			b.WriteString(indent(string(r.Content)))
		case host.Service:
			for _, id := range r.Reads {
				b.WriteString("   reads " + id.String() + "\n")
			}
		}
	}
	return b.String()
}

func attributes(r host.Resource) string {
	switch r := r.(type) {
	case host.File:
		return fmt.Sprintf(" %04o %d:%d%s", r.Mode.Perm(), r.UID, r.GID, flag(" secret", r.Secret)+flag(" in the run phase", r.RunPhase))
	case host.Dir:
		return fmt.Sprintf(" %04o %d:%d", r.Mode.Perm(), r.UID, r.GID)
	case host.Link:
		return " -> " + r.Target
	case host.Sysctl:
		return " = " + flag("at least ", r.AtLeast) + r.Value
	case host.Service:
		return flag(" enabled", r.Enabled) + flag(" running", r.Running)
	case host.Image:
		return flag(" pinned", r.Pinned) + flag(" archive="+r.Archive, r.Archive != "") + flag(" source="+r.Source, r.Source != "") + flag(" snapshotter="+r.Snapshotter, r.Snapshotter != "")
	case host.Module:
		return " loaded"
	case host.HugePages:
		return fmt.Sprintf(" = %d", r.Count)
	case host.SwapFile:
		return fmt.Sprintf(" %d bytes", r.Bytes) + flag(" on", r.Active)
	case host.Command:
		return fmt.Sprintf(" %q stage=%q timeout=%s", r.Args, r.Stage, r.Timeout) + flag(" once", r.Once) + flag(" tolerated", r.Tolerate)
	}
	return " ?"
}

func flag(text string, on bool) string {
	if on {
		return text
	}
	return ""
}

// indent sets content apart, and shows how it ends.
func indent(s string) string {
	if s == "" {
		return "   (empty)\n"
	}
	out := "   | " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n   | ") + "\n"
	if !strings.HasSuffix(s, "\n") {
		out += "   (no newline at the end)\n"
	}
	return out
}

// decisions prints what was decided and why, and the notes.
func decisions(in node.Input) (string, error) {
	k, err := kubelet.Decide(in)
	if err != nil {
		return "", err
	}
	c, err := containerd.Decide(in)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, part := range []struct {
		name  string
		why   []node.Reason
		notes []string
	}{{containerd.Name, c.Why, c.Notes}, {kubelet.Name, k.Why, k.Notes}} {
		fmt.Fprintf(&b, "== decisions of %s\n", part.name)
		for _, r := range part.why {
			fmt.Fprintf(&b, "   %s = %s: %s\n", r.Setting, r.Value, r.From)
		}
		for _, n := range part.notes {
			b.WriteString("   note: " + n + "\n")
		}
	}
	return b.String(), nil
}
