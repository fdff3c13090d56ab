package system

import (
	"fmt"
	"path"
	"strings"

	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// chronyUnits are the names of chrony's unit: Debian's first, which also has the
// other one for an alias.
func chronyUnits() []string { return []string{"chrony.service", "chronyd.service"} }

// chronyConfigs are the places of its configuration: that of chrony itself, which
// Amazon Linux, Fedora and their kin use, and Debian's.
func chronyConfigs() []string { return []string{"/etc/chrony.conf", "/etc/chrony/chrony.conf"} }

// chronyLimit bounds its configuration, of which the longest known has 10 KiB.
const chronyLimit = 1 << 20

// chronyFile is the name of the file that the agent may write for it, without the
// extension that its directory asks for.
const chronyFile = "eksnode"

// chrony returns chrony's unit, and the path of a file of the agent's own from
// which it takes time sources; each empty when there is none.
func (p *presence) chrony() (unit, sources string) {
	for _, name := range chronyUnits() {
		if p.unit(name) {
			unit = name
			break
		}
	}
	if unit == "" {
		return "", ""
	}
	for _, name := range chronyConfigs() {
		if p.file(name) == nil {
			continue
		}
		text, err := p.root.ReadFile(name, chronyLimit)
		if err != nil && !rootfs.Absent(err) {
			p.errs = append(p.errs, fmt.Errorf("cannot tell where chrony takes time sources from: %w", err))
		}
		return unit, chronySources(string(text))
	}
	return unit, ""
}

// chronySources picks, from the text of chrony.conf, the directory to put a file
// of sources into: one for sources (sourcedir, *.sources) before one for any
// directive (confdir, *.conf; or include of DIR/*.conf), and of these one that
// lasts longer than a boot before one in /run, which is all that Amazon Linux has.
func chronySources(text string) string {
	var found [4]string // by falling preference
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		rank, extension := 0, ".sources"
		switch strings.ToLower(words[0]) { // directives are not case-sensitive
		case "sourcedir":
		case "confdir":
			rank, extension = 2, ".conf"
		case "include":
			dir, pattern := path.Split(words[1])
			if pattern != "*.conf" || strings.ContainsAny(dir, "*?[") {
				continue
			}
			words[1], rank, extension = dir, 2, ".conf"
		default:
			continue
		}
		for _, dir := range words[1:] { // the first of several has precedence for equal names, and is as good as any
			at := rank
			if strings.HasPrefix(dir, "/run/") || strings.HasPrefix(dir, "/var/run/") {
				at++
			}
			if path.IsAbs(dir) && found[at] == "" {
				found[at] = path.Join(dir, chronyFile+extension)
			}
		}
	}
	for _, f := range found {
		if f != "" {
			return f
		}
	}
	return ""
}
