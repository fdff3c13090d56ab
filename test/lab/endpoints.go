//go:build linux

package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/netns"
	"github.com/eksnode/eksnode/test/lab/internal/pki"
)

// serveAWS serves the endpoints in the VPC and points their names at them.
func (l *Lab) serveAWS(ctx context.Context) error {
	names := l.Cloud.Names()
	pair, err := l.endpointsCA.Issue(pki.Request{CommonName: "endpoints", Names: names})
	if err != nil {
		return err
	}
	cert, err := pair.TLS()
	if err != nil {
		return fmt.Errorf("cannot serve AWS: %w", err)
	}
	listener, err := netns.Listen(l.vpc.netns, "tcp4", endpointsIP+":443")
	if err != nil {
		return err
	}
	errorLog, err := l.openLog("aws-tls.log")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: l.Cloud.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(errorLog, "", log.LstdFlags|log.Lmicroseconds),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}}
	l.tasks.Go(func() {
		defer errorLog.Close()
		if err := server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
			l.progress("AWS' endpoints ended: %v", err)
		}
	})
	context.AfterFunc(l.background, func() { _ = server.Close() })

	hosts := map[string]string{l.Cluster.Host(): apiServerIP}
	for _, n := range names {
		hosts[n] = endpointsIP
	}
	probe := names[len(names)-1]
	for _, n := range names {
		if !strings.HasPrefix(n, "*.") {
			probe = n
		}
	}
	l.Resolver = l.component("dnsmasq", nil, 10*time.Second, func(ctx context.Context) error { return l.vpc.answers(ctx, probe) },
		l.vpc.dnsmasqArgs(l.Cloud.Config().Region, hosts)...)
	return l.Resolver.Start(ctx)
}

// imdsPort is where instance n's metadata service listens on the router; the router leads the instance's requests to
// 169.254.169.254 there. So each instance has a listener of its own, which can be absent (connection refused) too.
func imdsPort(n int) int { return 20000 + n }

// serveIMDS serves an instance's metadata until ctx ends.
func (l *Lab) serveIMDS(ctx context.Context, i *Instance) error {
	port := strconv.Itoa(imdsPort(i.number))
	if err := l.redirect(ctx, "iptables", imdsIP, port, []string{podCIDR(10 + i.number)}); err != nil {
		return fmt.Errorf("cannot serve the metadata of %s: %w", i.Name, err)
	}
	for _, n := range i.nics {
		if err := l.leadToIMDS(ctx, i, n); err != nil {
			return err
		}
	}
	l.tasks.Go(func() {
		listen := func() (net.Listener, error) { return netns.Listen(l.vpc.netns, "tcp", ":"+port) }
		if err := i.EC2.ServeIMDS(ctx, listen); err != nil {
			l.progress("%v", err)
		}
	})
	return nil
}

// leadToIMDS brings what an interface asks of metadata to the instance's own: it answers on all of them.
func (l *Lab) leadToIMDS(ctx context.Context, i *Instance, n nic) error {
	port := strconv.Itoa(imdsPort(i.number))
	var errs []error
	if n.ipv4 != "" {
		errs = append(errs, l.redirect(ctx, "iptables", imdsIP, port, []string{n.ipv4}))
	}
	if n.ipv6 != "" {
		errs = append(errs, l.redirect(ctx, "ip6tables", imdsIPv6, port, []string{n.ipv6}))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot serve the metadata of %s: %w", i.Name, err)
	}
	return nil
}

func (l *Lab) redirect(ctx context.Context, tool, destination, port string, sources []string) error {
	for _, s := range sources {
		args := []string{"--net=" + netns.Path(l.vpc.netns), tool, "-w", "-t", "nat", "-A", "PREROUTING", "-s", s, "-d", destination, "-p", "tcp", "--dport", "80",
			"-j", "REDIRECT", "--to-ports", port}
		if out, err := exec.CommandContext(ctx, "nsenter", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("cannot lead metadata requests: %w: %s", err, strings.TrimSpace(string(out)))
		}
	}
	return nil
}
