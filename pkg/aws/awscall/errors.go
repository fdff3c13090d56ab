package awscall

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"

	sdkretry "github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
)

// Kind tells failures apart by what mends them.
type Kind string

// The kinds of failure.
const (
	// Denied: an IAM, SCP or endpoint policy says no. Never repeated.
	Denied Kind = "denied"
	// NoCredentials: there is nothing to sign the request with.
	NoCredentials Kind = "no credentials"
	// BadCredentials: the service does not accept the signature or the key.
	BadCredentials Kind = "credentials not accepted"
	// Clock: the request is too old or too new for the service.
	Clock Kind = "clock"
	// Throttled: too many requests.
	Throttled Kind = "throttled"
	// Name: the endpoint's host name does not resolve.
	Name Kind = "name does not resolve"
	// TLS: the handshake failed or the certificate is not trusted.
	TLS Kind = "TLS"
	// Proxy: the proxy could not be reached or refuses.
	Proxy Kind = "proxy"
	// Timeout: no answer in time.
	Timeout Kind = "timeout"
	// Refused: connection refused.
	Refused Kind = "connection refused"
	// Unreachable: no route, connection broken.
	Unreachable Kind = "unreachable"
	// Server: the service failed (5xx).
	Server Kind = "server error"
	// Pending: the service answers that it does not have the thing yet.
	Pending Kind = "pending"
	// Garbage: a success whose body cannot be understood.
	Garbage Kind = "unusable answer"
	// Rejected: any other answer. Never repeated.
	Rejected Kind = "rejected"
)

// Error is one failed attempt.
type Error struct {
	Kind Kind
	// Code is the service's error code, empty without an answer.
	Code string
	Err  error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %v", e.Kind, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CredentialsError marks an error as one of getting credentials. Package
// awsconfig wraps the provider so that it returns these.
type CredentialsError struct {
	Err error
	// Final: waiting does not help, as with an instance that has no role.
	Final bool
}

// Error implements error.
func (e *CredentialsError) Error() string { return "cannot get AWS credentials: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *CredentialsError) Unwrap() error { return e.Err }

// limit returns the number of attempts for failures which time does not or
// rarely mends; 0 means that only the call's bound ends it. A new role's keys
// take seconds to be known everywhere, a clock is being set while a machine
// boots (the SDK itself learns the offset from the first answer).
func limit(e *Error) int {
	switch e.Kind {
	case Denied, Rejected:
		return 1
	case BadCredentials, Clock, TLS, Garbage:
		return 3
	case NoCredentials:
		var ce *CredentialsError
		if errors.As(e.Err, &ce) && ce.Final {
			return 1
		}
	}
	return 0
}

// ProxyError is an answer of a proxy in place of a tunnel.
type ProxyError struct {
	// Status is the proxy's status line: "407 Proxy Authentication Required".
	Status string
}

// Error implements error.
func (e *ProxyError) Error() string { return "the proxy answers CONNECT with " + e.Status }

func classify(err error) *Error {
	var ce *CredentialsError
	var api smithy.APIError
	switch {
	case errors.As(err, &ce):
		return &Error{Kind: NoCredentials, Err: ce}
	case errors.Is(err, ErrNotYet):
		return &Error{Kind: Pending, Err: err}
	case errors.Is(err, ErrUnusable):
		return &Error{Kind: Garbage, Err: err}
	case errors.As(err, &api):
		return &Error{Kind: kindOfAnswer(api.ErrorCode(), statusOf(err)), Code: api.ErrorCode(), Err: err}
	case statusOf(err) != 0:
		return &Error{Kind: kindOfAnswer("", statusOf(err)), Err: err}
	}
	return &Error{Kind: kindOfTransport(err), Err: err}
}

func statusOf(err error) int {
	var s interface{ HTTPStatusCode() int }
	if errors.As(err, &s) {
		return s.HTTPStatusCode()
	}
	return 0
}

// unknownCode is what the SDK makes of an answer without an error code.
const unknownCode = "UnknownError"

// kindOfAnswer sorts the error codes that AWS services share.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
func kindOfAnswer(code string, status int) Kind {
	if _, ok := sdkretry.DefaultThrottleErrorCodes[code]; ok || status == http.StatusTooManyRequests {
		return Throttled
	}
	switch code {
	case "UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "OptInRequired", "UnauthorizedAccess", "NotAuthorized":
		return Denied
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return Clock
	case "AuthFailure", "InvalidClientTokenId", "UnrecognizedClientException", "ExpiredToken", "ExpiredTokenException",
		"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationToken":
		return BadCredentials
	case "InvalidInstanceID.NotFound":
		// EC2 is eventually consistent: a running instance may not be known yet.
		return Pending
	}
	switch {
	case status/100 == 2:
		return Garbage
	case status/100 == 5:
		return Server
	case status == http.StatusForbidden && (code == "" || code == unknownCode):
		return Denied
	}
	return Rejected
}

func kindOfTransport(err error) Kind {
	var (
		proxy   *ProxyError
		dns     *net.DNSError
		op      *net.OpError
		unknown x509.UnknownAuthorityError
		verify  *tls.CertificateVerificationError
		record  tls.RecordHeaderError
		alert   tls.AlertError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &proxy), errors.As(err, &op) && op.Op == "proxyconnect":
		return Proxy
	case errors.As(err, &dns):
		return Name
	case errors.As(err, &unknown), errors.As(err, &verify), errors.As(err, &record), errors.As(err, &alert):
		return TLS
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.Errno(10061)): // WSAECONNREFUSED
		return Refused
	}
	return Unreachable
}
