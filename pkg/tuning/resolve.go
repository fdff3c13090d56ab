package tuning

import (
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// words refuses items with white space or control characters in them: in the
// resolver's configuration they would be several items, or another line.
func words(path string, items []string) ([]string, error) {
	for i, item := range items {
		if item == "" || strings.ContainsFunc(item, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return nil, fault.New(fault.ConfigInvalid, fmt.Sprintf("Correct %s[%d].", path, i),
				fmt.Errorf("cannot use %s[%d] %q: it is not one word", path, i, item))
		}
	}
	return items, nil
}

// resolver returns the drop-in of systemd-resolved, and resolved itself, which
// reads it when it starts. Nothing is asked of a machine without it that has
// nothing set.
func resolver(s Settings, l node.Layout) []host.Resource {
	if len(s.Nameservers) == 0 && len(s.Domains) == 0 {
		return nil
	}
	text := "[Resolve]\n"
	if len(s.Nameservers) > 0 {
		text += "DNS=" + strings.Join(s.Nameservers, " ") + "\n"
	}
	if len(s.Domains) > 0 {
		text += "Domains=" + strings.Join(s.Domains, " ") + "\n"
	}
	// resolved reads it as its own user.
	file := host.File{Path: l.ResolvedDropIn, Content: []byte(text), Mode: 0o644}
	return []host.Resource{file, host.Service{Name: l.ResolvedUnit, Running: true, Current: true, Reads: []host.ID{file.ID()}}}
}
