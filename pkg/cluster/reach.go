package cluster

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

// maxAddresses bounds how many addresses of one name are tried: an EKS endpoint
// has two or three.
const maxAddresses = 8

// addresses returns the addresses of a host name, or the address that host is.
func (p *prober) addresses(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	found, err := p.Resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, a := range found {
		if a = a.Unmap(); !slices.Contains(addrs, a) && len(addrs) < maxAddresses {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

func (p *prober) checkDNS(ctx context.Context) health.Finding {
	h, err := p.firstHop()
	if err != nil {
		return health.Bad(err)
	}
	if _, err := netip.ParseAddr(h.host); err == nil {
		return health.Good(h.what() + " is given by address")
	}
	addrs, err := p.addresses(ctx, h.host)
	if err != nil {
		return p.dnsFinding(h, err)
	}
	return health.Good(h.what() + " resolves to " + join(addrs))
}

func (p *prober) dnsFinding(h hop, err error) health.Finding {
	asked := p.Nameservers()
	var dns *net.DNSError
	if errors.As(err, &dns) && len(asked) == 0 && dns.Server != "" {
		asked = []string{dns.Server}
	}
	seen := "cannot resolve " + h.what() + ": " + p.reason(err)
	if len(asked) > 0 {
		seen += " (resolvers asked: " + strings.Join(asked, ", ") + ")"
	}
	switch {
	case h.proxy != nil:
		return bad(fault.EndpointDNS, seen, "Correct HTTPS_PROXY, or add the API server's host to NO_PROXY if it is reached without the proxy.")
	case dns != nil && dns.IsNotFound:
		return bad(fault.EndpointDNS, seen, "Compare spec.cluster.apiServerEndpoint with `"+p.describeCluster()+
			"`. If it is right, the VPC needs DNS support and DNS host names switched on, and the resolver must be, or forward to, the VPC's own.")
	}
	return bad(fault.EndpointDNS, seen, "The resolvers do not answer as they should: check the VPC's DHCP options, and that port 53 to them is open over UDP and TCP.")
}

// describeCluster is the command that prints endpoint and CA.
func (p *prober) describeCluster() string {
	return "aws eks describe-cluster --name " + or(p.ClusterName, "CLUSTER") + p.regionFlag()
}

func (p *prober) regionFlag() string {
	if p.Region == "" {
		return ""
	}
	return " --region " + p.Region
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func join(addrs []netip.Addr) string {
	sorted := slices.SortedFunc(slices.Values(addrs), netip.Addr.Compare) // resolvers rotate; messages should not
	texts := make([]string, len(sorted))
	for i, a := range sorted {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// attempt is one try to connect to one address.
type attempt struct {
	address string
	err     error
}

// checkTCP connects to every address, since kubelet may get any of them.
func (p *prober) checkTCP(ctx context.Context) health.Finding {
	h, err := p.firstHop()
	if err != nil {
		return health.Bad(err)
	}
	addrs, err := p.addresses(ctx, h.host)
	if err != nil {
		return p.dnsFinding(h, err)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	attempts := make([]attempt, len(addrs))
	var wg sync.WaitGroup
	for i, a := range addrs {
		wg.Go(func() {
			attempts[i].address = net.JoinHostPort(a.String(), h.port)
			conn, err := p.Dial(ctx, "tcp", attempts[i].address)
			if err != nil {
				attempts[i].err = err
				return
			}
			_ = conn.Close() // it was opened only to see whether it opens
		})
	}
	wg.Wait()
	return p.tcpFinding(h, attempts)
}

func (p *prober) tcpFinding(h hop, attempts []attempt) health.Finding {
	var open, closed []string
	var errs []error
	for _, a := range attempts {
		switch {
		case a.err == nil:
			open = append(open, a.address)
		default:
			closed = append(closed, a.address+": "+p.reason(a.err))
			errs = append(errs, a.err)
		}
	}
	good := h.what() + " accepts connections at " + strings.Join(open, ", ")
	if len(closed) == 0 {
		return health.Good(good)
	}
	if len(open) == 0 {
		return bad(fault.EndpointTCP, "cannot connect to "+h.what()+": "+strings.Join(closed, "; "), tcpRemedy(h, errs))
	}
	seen := good + "; but not at " + strings.Join(closed, "; ")
	if allAre(errs, unreachable) {
		// The other family of a dual-stack name, on a node that has one.
		return health.Good(seen)
	}
	return warn(fault.EndpointTCP, seen, "Connections go to any of the addresses, so some will fail: "+lowerFirst(tcpRemedy(h, errs)))
}

func tcpRemedy(h hop, errs []error) string {
	switch {
	case h.proxy != nil:
		return "Correct HTTPS_PROXY, or add the API server's host to NO_PROXY if it is reached without the proxy."
	case allAre(errs, func(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }):
		return "Packets arrive and nothing listens: the control plane is starting or down, or the endpoint is another machine's."
	case allAre(errs, unreachable):
		return "This node has no route there: check the subnet's route table, and for IPv6 addresses that the node has IPv6."
	}
	return "Packets are dropped: the cluster's security group must let port 443 in from this node, the subnet's routes and network ACLs must lead there, " +
		"and for a public endpoint this node's public address must be in its list of allowed CIDRs."
}

func unreachable(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EHOSTUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

func allAre(errs []error, is func(error) bool) bool {
	return !slices.ContainsFunc(errs, func(err error) bool { return !is(err) })
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
