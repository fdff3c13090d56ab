package tuning

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// TimeSync is how the machine's clock is kept right.
type TimeSync struct {
	// Servers are NTP servers.
	Servers []string `json:"servers"`
	// Unit is the service that asks them, and Path the file by which it knows them.
	Unit string `json:"unit"`
	Path string `json:"path"`
	// Chrony says that the service is chrony; else it is systemd-timesyncd.
	Chrony bool `json:"chrony"`
}

// decideTimeSync decides which service is given the servers: chrony where the image
// has it, since systemd-timesyncd does not run beside it. It returns nil when
// nothing is asked for.
func decideTimeSync(in node.Input) (*TimeSync, error) {
	const field = "spec.timeSync.servers"
	t := TimeSync{}
	var errs []error
	for i, server := range in.Config.Spec.TimeSync.Servers {
		if !serverName(server) {
			errs = append(errs, fault.New(fault.ConfigInvalid, fmt.Sprintf("Correct %s[%d].", field, i),
				fmt.Errorf("cannot use %s[%d] %q: it is neither a host name nor an address", field, i, server)))
		}
		if !slices.Contains(t.Servers, server) {
			t.Servers = append(t.Servers, server)
		}
	}
	if len(errs) > 0 || len(t.Servers) == 0 {
		return nil, errors.Join(errs...)
	}
	if err := in.Require("present"); err != nil {
		return nil, err
	}
	refuse := func(remedy, format string, args ...any) (*TimeSync, error) {
		return nil, fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("cannot use "+field+": "+format, args...))
	}
	switch p := in.Present; {
	case p.Chrony != "" && p.ChronySources != "":
		t.Unit, t.Path, t.Chrony = p.Chrony, p.ChronySources, true
	case p.Chrony != "":
		return refuse("Add a line `sourcedir /etc/chrony.d` to the configuration of chrony in the machine image, or leave "+field+" out.",
			"the configuration of %s names no directory (sourcedir, confdir) from which it takes time sources", p.Chrony)
	case p.Timesyncd:
		t.Unit, t.Path = in.Layout.TimesyncdUnit, in.Layout.TimesyncdDropIn
	default:
		return refuse("Install chrony or systemd-timesyncd in the machine image, or leave "+field+" out.",
			"the machine has neither chrony nor systemd-timesyncd, or they are masked")
	}
	return &t, nil
}

// serverName reports whether s is an address or a host name (RFC 1123, section 2.1).
func serverName(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" && !a.IsUnspecified()
	}
	const longest = 253
	if len(s) > longest || strings.Trim(s, "0123456789.") == "" { // an address with a slip of the pen
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "-") != label || strings.ContainsFunc(label, func(r rune) bool { return r != '-' && !alphanumeric(r) }) {
			return false
		}
	}
	return true
}

// amazonTime reports whether a server is the Amazon Time Sync Service. It is next
// door and serves every instance, so it may be asked every 16 seconds, which is
// what EC2's user guide ("Set the time reference on your EC2 instance") has.
func amazonTime(server string) bool { return server == "169.254.169.123" || server == "fd00:ec2::123" }

// resources are the file and the running service, which reads it when it starts.
// The file's parents may be in /run, which is empty at boot: then it is written
// again, as everything is that is not there.
func (t *TimeSync) resources() []host.Resource {
	if t == nil {
		return nil
	}
	var b strings.Builder
	b.WriteString("# Written by eksnode.\n")
	if t.Chrony {
		for _, s := range t.Servers {
			// prefer: sources of the image stay, and are used when these are not there.
			line := "server " + s + " prefer iburst"
			if amazonTime(s) {
				line += " minpoll 4 maxpoll 4"
			}
			b.WriteString(line + "\n")
		}
	} else {
		// The empty assignment takes away what the image has set.
		b.WriteString("[Time]\nNTP=\nNTP=" + strings.Join(t.Servers, " ") + "\n")
	}
	// chrony and timesyncd read it as users of their own.
	file := host.File{Path: t.Path, Content: []byte(b.String()), Mode: 0o644}
	return []host.Resource{file, host.Service{Name: t.Unit, Running: true, Current: true, Reads: []host.ID{file.ID()}}}
}
