package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/eksnode/eksnode/pkg/fault"
)

// reason says in a few words why a network operation failed. The words are the
// same for the same cause: no ephemeral port and no address of ours is in
// them, so that a repeated failure can be told from a new one.
func (p *prober) reason(err error) string {
	var dns *net.DNSError
	var errno syscall.Errno
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case errors.As(err, &dns):
		return dnsReason(dns, p.Timeout)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return noAnswer(p.Timeout)
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the other side closed the connection"
	}
	return oneLine(innermost(err).Error())
}

func noAnswer(within time.Duration) string { return "no answer within " + within.String() }

func dnsReason(err *net.DNSError, within time.Duration) string {
	switch {
	case err.IsNotFound:
		return "no such host"
	case err.IsTimeout:
		return noAnswer(within)
	}
	return oneLine(err.Err)
}

// innermost takes off what packages url and net add: the URL or the addresses,
// which our own messages name where they matter.
func innermost(err error) error {
	for {
		var u *url.Error
		var op *net.OpError
		switch {
		case errors.As(err, &u):
			err = u.Err
		case errors.As(err, &op):
			err = op.Err
		default:
			return err
		}
	}
}

// transportFault classifies an error of a request that got no answer. The
// checks of the way there say more; this is for what breaks after they held.
func (p *prober) transportFault(doing string, err error) error {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var errno syscall.Errno
	code := fault.EndpointHTTP
	switch {
	case errors.As(err, &dns):
		code = fault.EndpointDNS
	case errors.As(err, &errno):
		code = fault.EndpointTCP
	case errors.As(err, &cert):
		code = fault.EndpointCA
	case errors.As(err, &record), errors.As(err, &alert):
		code = fault.EndpointTLS
	}
	return fault.New(code, "If this stays, look for a firewall or proxy on the way that drops or replaces what is said, and at the control plane's health.",
		&said{fmt.Sprintf("cannot %s: %s", doing, p.reason(err)), err})
}

// said is an error with a text of its own that keeps its cause.
type said struct {
	text  string
	cause error
}

func (s *said) Error() string { return s.text }
func (s *said) Unwrap() error { return s.cause }

// oneLine makes text from outside fit for a message: printable, on one line,
// and not long.
func oneLine(text string) string {
	const most = 400 // runes
	var b strings.Builder
	n, blank := 0, false
	for _, r := range strings.TrimSpace(text) {
		if !unicode.IsPrint(r) || r == ' ' {
			blank = n > 0
			continue
		}
		if n++; n > most {
			return b.String() + "…"
		}
		if blank {
			b.WriteByte(' ')
			blank = false
		}
		b.WriteRune(r)
	}
	return b.String()
}
