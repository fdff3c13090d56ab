package tuning

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func servers(present node.Present, servers ...string) func(*node.Input) {
	return func(in *node.Input) {
		in.Present, in.Config.Spec.TimeSync.Servers = present, servers
	}
}

func TestTheClockFollowsTheServersOfEachImage(t *testing.T) {
	for _, row := range []struct {
		name             string
		present          node.Present
		unit, path, want string
	}{
		{"Amazon Linux 2023", node.Present{Chrony: "chronyd.service", ChronySources: "/run/chrony.d/eksnode.sources"}, "chronyd.service", "/run/chrony.d/eksnode.sources",
			"# Written by eksnode.\nserver 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\nserver ntp.example.com prefer iburst\n"},
		{"Debian with chrony beside a masked timesyncd", node.Present{Chrony: "chrony.service", ChronySources: "/etc/chrony/sources.d/eksnode.sources"}, "chrony.service", "/etc/chrony/sources.d/eksnode.sources",
			"# Written by eksnode.\nserver 169.254.169.123 prefer iburst minpoll 4 maxpoll 4\nserver ntp.example.com prefer iburst\n"},
		{"Ubuntu with systemd-timesyncd", node.Present{Timesyncd: true}, "systemd-timesyncd.service", "/etc/systemd/timesyncd.conf.d/eksnode.conf",
			"# Written by eksnode.\n[Time]\nNTP=\nNTP=169.254.169.123 ntp.example.com\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := desired(t, servers(row.present, "169.254.169.123", "ntp.example.com"))
			if got := content(t, s, row.path); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			e, _ := s.Lookup(host.Service{Name: row.unit}.ID())
			svc, _ := e.Resource.(host.Service)
			if !svc.Running || len(svc.Reads) != 1 || svc.Reads[0] != (host.File{Path: row.path}).ID() {
				t.Errorf("the service is %+v", svc)
			}
		})
	}
}

func TestTheImagesClockIsLeftAlone(t *testing.T) {
	s := desired(t, servers(node.Present{Chrony: "chronyd.service"}))
	if _, ok := s.Lookup(host.Service{Name: "chronyd.service"}.ID()); ok {
		t.Error("chrony is wanted for nothing")
	}
}

func TestAnImageThatCannotFollowServersIsRefused(t *testing.T) {
	for _, row := range []struct {
		name         string
		change       func(*node.Input)
		code         fault.Code
		says, remedy string
	}{
		{"no time service", servers(node.Present{}, "ntp.example.com"), fault.ConfigInvalid, "neither chrony nor systemd-timesyncd", "Install chrony"},
		{"chrony that takes no files", servers(node.Present{Chrony: "chronyd.service"}, "ntp.example.com"), fault.ConfigInvalid, "names no directory", "sourcedir"},
		{"an image that could not be looked at", func(in *node.Input) {
			servers(node.Present{}, "ntp.example.com")(in)
			in.Problems = []node.Problem{{Fact: "present", Code: fault.FactMissing, Message: "input/output error", Remedy: "Mend the disk."}}
		}, fault.FactMissing, "input/output error", "Mend the disk"},
	} {
		_, err := Decide(input(row.change))
		if f, ok := fault.Find(err); !ok || f.Code != row.code || !strings.Contains(err.Error(), row.says) || !strings.Contains(f.Remedy, row.remedy) {
			t.Errorf("%s: got %v", row.name, err)
		}
	}
}

func TestServersAreNamesOrAddresses(t *testing.T) {
	for _, good := range []string{"169.254.169.123", "fd00:ec2::123", "time.aws.com", "ntp", "a-b.example.", "0.amazon.pool.ntp.org", strings.Repeat("a", 63) + ".example"} {
		if !serverName(good) {
			t.Errorf("%q is refused", good)
		}
	}
	for _, bad := range []string{
		"", ".", "a..b", "-a", "a-", "a b", "a\n", "a;b", "a#", "server a", "http://a", "a:123", "[::1]", "fe80::1%eth0", "0.0.0.0", "::", "10.0.0.256", "1.2.3",
		strings.Repeat("a", 64), strings.Repeat("a.", 127) + "ab", "é.example",
	} {
		if serverName(bad) {
			t.Errorf("%q is accepted", bad)
		}
	}
}
