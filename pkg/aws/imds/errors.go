package imds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/fault"
)

// Kind tells failures apart by what mends them.
type Kind string

// The kinds of failure.
const (
	// Timeout: connected or not, no answer came in time.
	Timeout Kind = "timeout"
	// Refused: the address is there and nothing listens.
	Refused Kind = "connection refused"
	// Unreachable: no route, network down, connection broken.
	Unreachable Kind = "unreachable"
	// Unauthorized: HTTP 401, the session token is not accepted.
	Unauthorized Kind = "unauthorized"
	// Forbidden: HTTP 403, the service is switched off for this caller.
	Forbidden Kind = "forbidden"
	// NotFound: HTTP 404.
	NotFound Kind = "not found"
	// Throttled: HTTP 429.
	Throttled Kind = "throttled"
	// Server: HTTP 5xx.
	Server Kind = "server error"
	// Rejected: any other status, such as a redirect.
	Rejected Kind = "unexpected status"
	// Garbage: an answer that cannot be what was asked for.
	Garbage Kind = "unusable answer"
)

// Error is one failed request. It holds nothing of the answer's body, which may
// be a credential.
type Error struct {
	Kind Kind
	// Token: it was the request for the session token that failed.
	Token bool
	// URL of the request.
	URL string
	// Status is the HTTP status, 0 without an answer.
	Status int
	// Err is the cause where there was no usable answer; else nil.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	what := "GET " + e.URL
	if e.Token {
		what = "session token: PUT " + e.URL
	}
	switch {
	case e.Err != nil && e.Kind == Timeout:
		return what + ": no answer in time"
	case e.Err != nil:
		return fmt.Sprintf("%s: %v", what, e.Err)
	}
	return fmt.Sprintf("%s: HTTP %d %s", what, e.Status, http.StatusText(e.Status))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// absent says that the service knows the instance and has no such key: not
// being able to get a token is never that.
func (e *Error) absent() bool { return e.Kind == NotFound && !e.Token }

// Remedy says what a person can do about it.
func (e *Error) Remedy() string {
	switch e.Kind {
	case Timeout:
		if e.Token && !dialing(e.Err) {
			return "The service accepts connections and gives no token: the answer does not survive the network hops in between. Raise HttpPutResponseHopLimit to 2 (aws ec2 modify-instance-metadata-options), or run on the host network."
		}
		return "Check that no firewall rule, route or network policy keeps this machine from 169.254.169.254, and that its network interface is up."
	case Refused:
		return "Nothing listens at the metadata address. On EC2 check local redirections of 169.254.169.254 (iptables, kube2iam, kiam); elsewhere this platform has no metadata service."
	case Unreachable, Server:
		return "Check that the primary network interface is up and has a route to 169.254.169.254."
	case Unauthorized:
		return "The service does not accept the session token that it gave: check that every request for 169.254.169.254 reaches the same service, with no proxy or emulator in between."
	case Forbidden:
		return "The metadata service is switched off for this instance: aws ec2 modify-instance-metadata-options --http-endpoint enabled. From behind a proxy it refuses to give tokens, too."
	case NotFound:
		if e.Token {
			return "The service knows no session tokens (IMDSv2). Use one that does."
		}
		return "The instance has no such metadata. A young instance has it a little later; otherwise check that it runs where this key exists."
	case Throttled:
		return "Find what else on this instance asks the metadata service; DNS, NTP and metadata share 1024 packets a second per network interface."
	}
	return "Check that nothing intercepts 169.254.169.254, such as a proxy or a metadata emulator."
}

func (e *Error) code() fault.Code {
	switch e.Kind {
	case Timeout, Refused, Unreachable, Server:
		return fault.IMDSUnreachable
	case Unauthorized, Forbidden:
		return fault.IMDSDenied
	case NotFound:
		return fault.IMDSNotFound
	case Throttled:
		return fault.IMDSThrottled
	}
	return fault.IMDSInvalid
}

// fault gives the end of a call its sentence, code and remedy.
func (c *Client) fault(path string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("cannot read instance metadata %s: %w", path, err)
	var e *Error
	if errors.As(err, &e) {
		return fault.New(e.code(), e.Remedy(), err)
	}
	return fault.New(fault.IMDSUnreachable, (&Error{Kind: Timeout}).Remedy(), err)
}

// explain makes an Error of what the gate saw; err is what the SDK made of it,
// which says less.
func (c *Client) explain(path string, o outcome, err error) *Error {
	e := &Error{URL: c.url(path), Token: o.token, Status: o.status, Err: o.err}
	if o.token {
		e.URL = c.endpoint + "/latest/api/token"
	}
	switch {
	case o.status != 0:
		e.Kind = kindOfStatus(o.status)
	case o.err != nil:
		e.Kind = kindOfError(o.err)
	default:
		e.Kind, e.Err = Garbage, err
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			e.Kind = Timeout
		}
	}
	return e
}

func kindOfStatus(status int) Kind {
	switch {
	case status == http.StatusUnauthorized:
		return Unauthorized
	case status == http.StatusForbidden:
		return Forbidden
	case status == http.StatusNotFound:
		return NotFound
	case status == http.StatusTooManyRequests:
		return Throttled
	case status/100 == 5:
		return Server
	}
	return Rejected
}

// wsaeconnrefused is what Windows says for ECONNREFUSED; the syscall package's
// constant of that name is an invented number there.
const wsaeconnrefused = syscall.Errno(10061)

func kindOfError(err error) Kind {
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errTooLarge), errors.Is(err, errNoToken), errors.Is(err, errNoTTL):
		return Garbage
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, wsaeconnrefused):
		return Refused
	}
	return Unreachable
}

// dialing says that err came before a connection was made.
func dialing(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

// patience decides after each failure of one call whether another attempt can
// help. What has no limit here is limited by the call's deadline.
type patience struct {
	// notFoundFor is how long 404 is taken for youth, from the first 404 on.
	notFoundFor time.Duration
	// absentIsAnswer: a 404 on the key itself is not waited for at all.
	absentIsAnswer bool

	firstNotFound time.Time
	seen          map[Kind]int
}

// limits are the attempts granted to failures which time rarely mends: a void
// token is replaced at once, a service that is being switched on answers 403
// for a moment, and one that starts may answer nonsense.
func limit(k Kind) int {
	switch k {
	case Unauthorized, Garbage:
		return 5
	case Forbidden, Rejected:
		return 3
	}
	return 0
}

// judge returns e, marked with retry.Stop when repeating is no use.
func (p *patience) judge(e *Error, now time.Time) error {
	if e.Kind == NotFound {
		if p.absentIsAnswer && e.absent() {
			return retry.Stop(e)
		}
		if p.firstNotFound.IsZero() {
			p.firstNotFound = now
		}
		if now.Sub(p.firstNotFound) >= p.notFoundFor {
			return retry.Stop(e)
		}
		return e
	}
	if p.seen == nil {
		p.seen = map[Kind]int{}
	}
	p.seen[e.Kind]++
	if n := limit(e.Kind); n > 0 && p.seen[e.Kind] >= n {
		return retry.Stop(e)
	}
	return e
}
