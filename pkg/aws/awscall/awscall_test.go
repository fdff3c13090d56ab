package awscall

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/smithy-go"

	"github.com/eksnode/eksnode/pkg/fault"
)

var theCall = Call{
	Verb: "ask for it", Action: "svc:Get", Policy: "ManagedPolicy", Endpoint: "com.amazonaws.us-west-2.svc", Alternative: "Do without.",
	Denied: fault.EC2Denied, Unreachable: fault.EC2Unreachable, Throttled: fault.EC2Throttled,
	Within: time.Minute, Each: 3 * time.Second,
}

func dial(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }

func api(code string) error { return &smithy.GenericAPIError{Code: code, Message: "told so"} }

func TestErrorsAreSortedByWhatMendsThem(t *testing.T) {
	for name, r := range map[string]struct {
		err  error
		kind Kind
		code fault.Code
	}{
		"refused":                     {dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), Refused, fault.EC2Unreachable},
		"refused on Windows":          {dial(os.NewSyscallError("connectex", syscall.Errno(10061))), Refused, fault.EC2Unreachable},
		"no route":                    {dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), Unreachable, fault.EC2Unreachable},
		"reset":                       {fmt.Errorf("read: %w", syscall.ECONNRESET), Unreachable, fault.EC2Unreachable},
		"cut off":                     {io.ErrUnexpectedEOF, Unreachable, fault.EC2Unreachable},
		"name":                        {dial(&net.DNSError{Err: "no such host", Name: "x"}), Name, fault.EC2Unreachable},
		"name server does not answer": {dial(&net.DNSError{Err: "i/o timeout", Name: "x", IsTimeout: true}), Name, fault.EC2Unreachable},
		"dial timeout":                {dial(os.ErrDeadlineExceeded), Timeout, fault.EC2Unreachable},
		"attempt over":                {context.DeadlineExceeded, Timeout, fault.EC2Unreachable},
		"unknown authority":           {x509.UnknownAuthorityError{}, TLS, fault.EC2Unreachable},
		"not verified":                {&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired, Cert: &x509.Certificate{}}}, TLS, fault.EC2Unreachable},
		"not TLS at all":              {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, TLS, fault.EC2Unreachable},
		"TLS alert":                   {tls.AlertError(40), TLS, fault.EC2Unreachable},
		"proxy down":                  {&net.OpError{Op: "proxyconnect", Err: dial(syscall.ECONNREFUSED)}, Proxy, fault.EC2Unreachable},
		"proxy refuses":               {&ProxyError{Status: "403 Forbidden"}, Proxy, fault.EC2Unreachable},
		"denied":                      {api("AccessDenied"), Denied, fault.EC2Denied},
		"opt-in region":               {api("OptInRequired"), Denied, fault.EC2Denied},
		"throttled":                   {api("RequestLimitExceeded"), Throttled, fault.EC2Throttled},
		"clock":                       {api("RequestTimeTooSkewed"), Clock, fault.ClockSkew},
		"expired":                     {api("ExpiredToken"), BadCredentials, fault.CredentialsAbsent},
		"other code":                  {api("InvalidParameterValue"), Rejected, fault.EC2Unreachable},
		"not yet":                     {fmt.Errorf("empty: %w", ErrNotYet), Pending, fault.EC2Unreachable},
		"unusable":                    {fmt.Errorf("empty: %w", ErrUnusable), Garbage, fault.EC2Unreachable},
		"no credentials":              {fmt.Errorf("sign: %w", &CredentialsError{Err: errors.New("none")}), NoCredentials, fault.CredentialsAbsent},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				_, err := Do(t.Context(), theCall, func(context.Context) (int, error) { return 7, r.err })
				var e *Error
				if !errors.As(err, &e) || e.Kind != r.kind || r.kind != NoCredentials && !errors.Is(err, r.err) {
					t.Fatalf("%v, want kind %q of the cause", err, r.kind)
				}
				f, ok := fault.Find(err)
				if !ok || f.Code != r.code {
					t.Errorf("fault %+v, want %s", f, r.code)
				}
				if !strings.HasSuffix(f.Remedy, ". Do without.") || len(f.Remedy) < len("x. Do without.")+10 {
					t.Errorf("remedy %q", f.Remedy)
				}
				if !strings.HasPrefix(err.Error(), "cannot ask for it (svc:Get): ") {
					t.Errorf("error %q", err)
				}
				if time.Since(start) > theCall.Within {
					t.Errorf("took %v", time.Since(start))
				}
			})
		})
	}
}

func TestTheMetadataServicesOwnRemedyIsGivenUnlessItLacksARole(t *testing.T) {
	for code, want := range map[fault.Code]string{
		fault.IMDSUnreachable: "mend it. Do without.",
		fault.IMDSNotFound:    "Give the instance an instance profile",
	} {
		cause := &CredentialsError{Err: fault.New(code, "mend it.", errors.New("x")), Final: true}
		_, err := Do(t.Context(), theCall, func(context.Context) (int, error) { return 0, cause })
		f, ok := fault.Find(err)
		if !ok || f.Code != fault.CredentialsAbsent || !strings.HasPrefix(f.Remedy, want) {
			t.Errorf("%s: %+v", code, f)
		}
	}
}

func TestACallWithoutBoundsIsRefused(t *testing.T) {
	for _, c := range []Call{{}, {Within: time.Second}, {Each: time.Second}} {
		_, err := Do(t.Context(), c, func(context.Context) (int, error) { t.Error("called"); return 0, nil })
		if err == nil || !strings.HasPrefix(err.Error(), "internal error") {
			t.Errorf("%v", err)
		}
	}
}

func TestACallThatSucceedsReturnsItsValue(t *testing.T) {
	got, err := Do(t.Context(), theCall, func(context.Context) (int, error) { return 7, nil })
	if got != 7 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
}

func TestACallThatIgnoresItsContextStillEndsAsATimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Do(ctx, theCall, func(context.Context) (int, error) { return 0, nil })
	var e *Error
	if errors.As(err, &e) || !errors.Is(err, context.Canceled) || fault.CodeOf(err) != fault.EC2Unreachable {
		t.Errorf("%v", err)
	}
}

func TestRepetitionsAreLoggedWithTheirReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b strings.Builder
		c := theCall
		c.Log = slog.New(slog.NewTextHandler(&b, nil))
		n := 0
		_, err := Do(t.Context(), c, func(context.Context) (int, error) {
			if n++; n < 3 {
				return 0, api("Throttling")
			}
			return 1, nil
		})
		if err != nil || !strings.Contains(b.String(), "action=svc:Get") || !strings.Contains(b.String(), "throttled: ") {
			t.Errorf("%v, log %q", err, b.String())
		}
	})
}

func TestEndpointsAreNamedWhereTheNamesAreKnown(t *testing.T) {
	for region, want := range map[string]string{
		"us-west-2": "com.amazonaws.us-west-2.ec2", "us-gov-west-1": "com.amazonaws.us-gov-west-1.ec2", "cn-north-1": "for ec2",
	} {
		if got := VPCEndpoint("ec2", region); got != want {
			t.Errorf("%s: %q", region, got)
		}
	}
}
