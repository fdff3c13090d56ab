package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"
)

// maxDatagram is the largest answer that is read; without EDNS, which is not asked
// for, a server sends at most 512 bytes (RFC 1035, 4.2.1).
const maxDatagram = 4096

// lookUp asks one DNS server for the addresses of a complete name. The system's
// resolver would not do: it knows /etc/hosts and search domains, and asks other
// servers than pods do.
func (p *prober) lookUp(ctx context.Context, name string, server netip.Addr) (string, error) {
	var first error
	for _, kind := range []dnsmessage.Type{dnsmessage.TypeA, dnsmessage.TypeAAAA} {
		addr, err := p.question(ctx, name, kind, netip.AddrPortFrom(server, 53))
		if err == nil {
			return addr, nil
		}
		if first == nil {
			first = fmt.Errorf("the cluster's DNS server %s does not resolve %s: %w", server, name, err)
		}
		if !errors.Is(err, errNoAddress) {
			break // the other question would not fare better
		}
	}
	return "", first
}

// errNoAddress is a name without an address of the kind that was asked for.
var errNoAddress = errors.New("the name has no address")

func (p *prober) question(ctx context.Context, name string, kind dnsmessage.Type, server netip.AddrPort) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, nameTimeout)
	defer cancel()
	query, id, err := dnsQuery(name, kind)
	if err != nil {
		return "", err
	}
	conn, err := p.Dial(ctx, "udp", server.String())
	if err != nil {
		return "", innermost(err)
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // ends the read
	defer stop()
	if _, err := conn.Write(query); err != nil {
		return "", innermost(err)
	}
	for buf := make([]byte, maxDatagram); ; {
		n, err := conn.Read(buf)
		switch {
		case err != nil && ctx.Err() != nil:
			return "", errors.New(noAnswer(nameTimeout))
		case err != nil:
			return "", innermost(err)
		}
		addr, ours, err := dnsAnswer(buf[:n], id)
		if ours {
			return addr, err
		}
	}
}

func dnsQuery(name string, kind dnsmessage.Type) (query []byte, id uint16, err error) {
	n, err := dnsmessage.NewName(strings.TrimSuffix(name, ".") + ".")
	if err != nil {
		return nil, 0, fmt.Errorf("%q is no DNS name", name)
	}
	id = uint16(rand.Uint32())
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: kind, Class: dnsmessage.ClassINET}},
	}
	query, err = m.Pack()
	return query, id, err
}

// dnsAnswer reads an answer; ours is false for what answers another question. An
// answer that was cut because it is too long is one that has addresses.
func dnsAnswer(b []byte, id uint16) (addr string, ours bool, err error) {
	var m dnsmessage.Parser
	h, err := m.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return "", false, nil
	}
	switch h.RCode {
	case dnsmessage.RCodeSuccess:
	case dnsmessage.RCodeNameError:
		return "", true, errors.New("there is no such name (NXDOMAIN)")
	default:
		return "", true, fmt.Errorf("the server answers %s", strings.TrimPrefix(h.RCode.String(), "RCode"))
	}
	if h.Truncated {
		return "more addresses than fit into one answer", true, nil
	}
	if err := m.SkipAllQuestions(); err != nil {
		return "", true, fmt.Errorf("cannot understand the answer: %w", err)
	}
	for {
		r, err := m.Answer()
		switch {
		case errors.Is(err, dnsmessage.ErrSectionDone):
			return "", true, errNoAddress
		case err != nil:
			return "", true, fmt.Errorf("cannot understand the answer: %w", err)
		}
		switch body := r.Body.(type) {
		case *dnsmessage.AResource:
			return netip.AddrFrom4(body.A).String(), true, nil
		case *dnsmessage.AAAAResource:
			return netip.AddrFrom16(body.AAAA).String(), true, nil
		}
	}
}
