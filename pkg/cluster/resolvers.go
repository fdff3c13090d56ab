package cluster

import (
	"io"
	"io/fs"
	"strings"
)

const (
	resolvConf = "etc/resolv.conf"
	// upstreamConf is where systemd-resolved lists the servers that it asks
	// itself (systemd-resolved.service(8)).
	upstreamConf = "run/systemd/resolve/resolv.conf"
	// resolvedStub is the address at which systemd-resolved listens.
	resolvedStub = "127.0.0.53"
)

// nameservers returns the resolvers that this machine asks, for messages.
func nameservers(root fs.FS) []string {
	servers := readResolvConf(root, resolvConf)
	for i, s := range servers {
		if s != resolvedStub {
			continue
		}
		if upstream := readResolvConf(root, upstreamConf); len(upstream) > 0 {
			servers[i] = s + " (systemd-resolved, which asks " + strings.Join(upstream, " and ") + ")"
		}
	}
	return servers
}

// readResolvConf returns the nameserver lines of a file in the format of
// resolv.conf(5); none when it cannot be read.
func readResolvConf(root fs.FS, name string) []string {
	f, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil
	}
	var servers []string
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) >= 2 && f[0] == "nameserver" {
			servers = append(servers, oneLine(f[1]))
		}
	}
	return servers
}
