package imds

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/fault"
)

func status(code int) func(http.ResponseWriter, *http.Request, int) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ int) bool {
		w.WriteHeader(code)
		return true
	}
}

func isToken(r *http.Request) bool { return r.Method == http.MethodPut }

func hang(r *http.Request) bool {
	<-r.Context().Done()
	return true
}

// Every way in which the service can stay away, with what the person is told.
func TestEveryFailureIsToldApart(t *testing.T) {
	type row struct {
		fail   func(http.ResponseWriter, *http.Request, int) bool
		dial   func(int) error
		kind   Kind
		code   fault.Code
		token  bool
		remedy string
		// tries is the number of requests that reach the service; 0: not fixed,
		// the call's own deadline ends it.
		tries int
	}
	dialTimeout := &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded}
	for name, r := range map[string]row{
		"nothing listens":         {dial: func(int) error { return awstest.Refused() }, kind: Refused, code: fault.IMDSUnreachable, token: true, remedy: "iptables"},
		"no route":                {dial: func(int) error { return awstest.NoRoute() }, kind: Unreachable, code: fault.IMDSUnreachable, token: true, remedy: "interface is up"},
		"packets dropped":         {dial: func(int) error { return dialTimeout }, kind: Timeout, code: fault.IMDSUnreachable, token: true, remedy: "firewall"},
		"hop limit":               {fail: func(_ http.ResponseWriter, r *http.Request, _ int) bool { return isToken(r) && hang(r) }, kind: Timeout, code: fault.IMDSUnreachable, token: true, remedy: "HttpPutResponseHopLimit"},
		"hangs after the token":   {fail: func(_ http.ResponseWriter, r *http.Request, _ int) bool { return !isToken(r) && hang(r) }, kind: Timeout, code: fault.IMDSUnreachable, remedy: "firewall"},
		"switched off":            {fail: status(403), kind: Forbidden, code: fault.IMDSDenied, token: true, remedy: "--http-endpoint enabled", tries: 3},
		"version 1 only":          {fail: func(w http.ResponseWriter, r *http.Request, n int) bool { return isToken(r) && status(404)(w, r, n) }, kind: NotFound, code: fault.IMDSNotFound, token: true, remedy: "IMDSv2"},
		"token request forbidden": {fail: func(w http.ResponseWriter, r *http.Request, n int) bool { return isToken(r) && status(405)(w, r, n) }, kind: Rejected, code: fault.IMDSInvalid, token: true, remedy: "intercepts", tries: 3},
		"tokens never accepted":   {fail: func(w http.ResponseWriter, r *http.Request, n int) bool { return !isToken(r) && status(401)(w, r, n) }, kind: Unauthorized, code: fault.IMDSDenied, remedy: "same service", tries: 10},
		"throttled for ever":      {fail: status(429), kind: Throttled, code: fault.IMDSThrottled, token: true, remedy: "1024 packets"},
		"broken for ever":         {fail: status(503), kind: Server, code: fault.IMDSUnreachable, token: true, remedy: "route"},
		"redirect to a portal": {fail: func(w http.ResponseWriter, r *http.Request, _ int) bool {
			http.Redirect(w, r, "http://portal.example/", http.StatusFound)
			return true
		}, kind: Rejected, code: fault.IMDSInvalid, token: true, remedy: "intercepts", tries: 3},
		"token with line breaks": {fail: func(w http.ResponseWriter, r *http.Request, _ int) bool {
			w.Header().Set(tokenTTLHeader, "300")
			_, _ = io.WriteString(w, "<html>\n<body>")
			return isToken(r)
		}, kind: Garbage, code: fault.IMDSInvalid, token: true, remedy: "intercepts", tries: 5},
		"token without a life": {fail: func(w http.ResponseWriter, r *http.Request, _ int) bool {
			_, _ = io.WriteString(w, "abc")
			return isToken(r)
		}, kind: Garbage, code: fault.IMDSInvalid, token: true, remedy: "intercepts", tries: 5},
		"endless answer": {fail: func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if isToken(r) {
				return false
			}
			for chunk := make([]byte, 64<<10); ; {
				if _, err := w.Write(chunk); err != nil {
					return true
				}
			}
		}, kind: Garbage, code: fault.IMDSInvalid, remedy: "intercepts", tries: 6},
		"control characters": {fail: func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if isToken(r) {
				return false
			}
			_, _ = io.WriteString(w, "a\x00b")
			return true
		}, kind: Garbage, code: fault.IMDSInvalid, remedy: "intercepts", tries: 6},
		"connection cut in the answer": {fail: func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			panic(http.ErrAbortHandler)
		}, kind: Unreachable, code: fault.IMDSUnreachable, token: true, remedy: "route"},
	} {
		t.Run(name, func(t *testing.T) {
			const within = 90 * time.Second
			inWorld(t, Options{Within: within}, func(w *world) {
				w.imds.Fail = r.fail
				w.net.FailDial(r.dial)
				_, err := w.client.Get(w.Context(), "local-hostname")
				e := w.wantError(err, r.kind, r.code)
				if e.Token != r.token {
					w.Errorf("token %v, want %v: %v", e.Token, r.token, err)
				}
				if !strings.Contains(e.Remedy(), r.remedy) {
					w.Errorf("remedy %q, want %q in it", e.Remedy(), r.remedy)
				}
				if r.tries > 0 && len(w.imds.Requests()) != r.tries {
					w.Errorf("%d requests, want %d", len(w.imds.Requests()), r.tries)
				}
				if w.elapsed() > within {
					w.Errorf("took %v, longer than its bound of %v", w.elapsed(), within)
				}
				if fatal := r.tries > 0; fatal && w.elapsed() > 10*time.Second {
					w.Errorf("took %v for an answer that will not change", w.elapsed())
				}
				for _, private := range []string{"html", "a\x00b"} {
					if strings.Contains(err.Error(), private) {
						w.Errorf("the body is in the error: %v", err)
					}
				}
			})
		})
	}
}

func TestTheCallersDeadlineComesFirst(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.net.FailDial(func(int) error { return awstest.Refused() })
		ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
		defer cancel()
		_, err := w.client.Get(ctx, "mac")
		w.wantError(err, Refused, fault.IMDSUnreachable)
		if !errors.Is(err, context.DeadlineExceeded) {
			w.Errorf("error %v does not say that time was up", err)
		}
		if e := w.elapsed(); e < 15*time.Second || e > 20*time.Second {
			w.Errorf("took %v", e)
		}
	})
}

func TestAHangingServiceIsLeftAtTheOwnDeadline(t *testing.T) {
	inWorld(t, Options{Within: 7 * time.Second}, func(w *world) {
		w.imds.Fail = func(_ http.ResponseWriter, r *http.Request, _ int) bool { return hang(r) }
		_, err := w.client.Get(w.Context(), "mac")
		w.wantError(err, Timeout, fault.IMDSUnreachable)
		if e := w.elapsed(); e > 7*time.Second {
			w.Errorf("took %v", e)
		}
		// 2 s an attempt: three or four fit.
		if n := len(w.imds.Requests()); n < 3 || n > 4 {
			w.Errorf("%d attempts", n)
		}
	})
}

func TestACancelledCallReturnsAtOnce(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Fail = func(_ http.ResponseWriter, r *http.Request, _ int) bool { return hang(r) }
		ctx, cancel := context.WithCancel(w.Context())
		done := make(chan error)
		go func() {
			_, err := w.client.Get(ctx, "mac")
			done <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			w.Errorf("error %v", err)
		}
		if w.elapsed() != 0 {
			w.Errorf("took %v", w.elapsed())
		}
	})
}

func TestPassingFailuresAreWaitedOut(t *testing.T) {
	for name, fail := range map[string]func(http.ResponseWriter, *http.Request, int) bool{
		"throttled":         status(429),
		"internal error":    status(500),
		"starting":          status(503),
		"not yet on":        status(403),
		"young: no token":   status(404),
		"hangs":             func(_ http.ResponseWriter, r *http.Request, _ int) bool { return hang(r) },
		"cut connections":   func(http.ResponseWriter, *http.Request, int) bool { panic(http.ErrAbortHandler) },
		"void token (once)": status(401),
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				w.imds.Fail = func(rw http.ResponseWriter, r *http.Request, n int) bool { return n <= 2 && fail(rw, r, n) }
				got, err := w.client.Get(w.Context(), "mac")
				if err != nil || got != "02:AB:cd:00:00:01" {
					w.Errorf("%q, %v", got, err)
				}
				if len(w.log.lines) != 1 {
					w.Errorf("log %q, want one line", w.log.lines)
				}
			})
		})
	}
}

func TestASlowServiceIsNotGivenUp(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		// Token and key together stay within one attempt.
		w.imds.Fail = func(http.ResponseWriter, *http.Request, int) bool {
			time.Sleep(900 * time.Millisecond)
			return false
		}
		if _, err := w.client.Get(w.Context(), "mac"); err != nil {
			w.Error(err)
		}
		if len(w.imds.Requests()) != 2 {
			w.Errorf("requests %v", w.imds.Requests())
		}
	})
}

func TestAKeyThatAYoungInstanceLacksIsWaitedFor(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Remove("meta-data/mac")
		time.AfterFunc(40*time.Second, func() { w.imds.Set("meta-data/mac", "02:00:00:00:00:07") })
		got, err := w.client.Get(w.Context(), "mac")
		if err != nil || got != "02:00:00:00:00:07" {
			w.Errorf("%q, %v", got, err)
		}
	})
}

func TestAnAbsentOptionalKeyIsAnAnswerAtOnce(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		_, ok, err := w.client.Optional(w.Context(), "outpost-arn")
		if ok || err != nil {
			w.Errorf("%v, %v", ok, err)
		}
		if n := w.imds.Count("GET /latest/meta-data/outpost-arn"); n != 1 || w.elapsed() != 0 {
			w.Errorf("%d requests in %v", n, w.elapsed())
		}
		got, ok, err := w.client.Optional(w.Context(), "placement/availability-zone-id")
		if got != "usw2-az1" || !ok || err != nil {
			w.Errorf("%q, %v, %v", got, ok, err)
		}
	})
}

func TestAMissingTokenIsNotAnAbsentKey(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Fail = func(rw http.ResponseWriter, r *http.Request, n int) bool { return isToken(r) && status(404)(rw, r, n) }
		_, ok, err := w.client.Optional(w.Context(), "outpost-arn")
		if ok {
			w.Error("ok")
		}
		w.wantError(err, NotFound, fault.IMDSNotFound)
	})
}

func TestUserDataComesByteForByte(t *testing.T) {
	gzipped := "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\n \xff\x00 "
	inWorld(t, Options{}, func(w *world) {
		w.imds.Set("user-data", gzipped)
		w.imds.Fail = func(rw http.ResponseWriter, r *http.Request, _ int) bool {
			if ae := r.Header.Get("Accept-Encoding"); ae != "" {
				w.Errorf("Accept-Encoding %q", ae)
			}
			if strings.HasSuffix(r.URL.Path, "user-data") {
				rw.Header().Set("Content-Encoding", "gzip")
			}
			return false
		}
		data, ok, err := w.client.UserData(w.Context())
		if !bytes.Equal(data, []byte(gzipped)) || !ok || err != nil {
			w.Errorf("%q, %v, %v", data, ok, err)
		}
	})
}

func TestAnInstanceWithoutUserDataSaysSo(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		data, ok, err := w.client.UserData(w.Context())
		if data != nil || ok || err != nil {
			w.Errorf("%q, %v, %v", data, ok, err)
		}
	})
}

func TestRequestsGoToTheServiceAndNeverThroughAProxy(t *testing.T) {
	for _, v := range []string{"HTTP_PROXY", "http_proxy", "ALL_PROXY"} {
		t.Setenv(v, "http://proxy.example:3128")
	}
	t.Setenv("NO_PROXY", "")
	// The SDK's own switches must not change where we ask, either.
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://elsewhere.example")
	for address, o := range map[string]Options{
		"169.254.169.254:80":  {},
		"[fd00:ec2::254]:80":  {IPv6: true},
		"192.0.2.1:1338":      {Endpoint: "http://192.0.2.1:1338/"},
		"metadata.example:80": {Endpoint: "http://metadata.example", IPv6: true},
	} {
		inWorld(t, o, func(w *world) {
			if _, err := w.client.Get(w.Context(), "mac"); err != nil {
				w.Error(err)
			}
			if d := cmp.Diff([]string{address}, w.net.Dialed()); d != "" {
				w.Errorf("dialed (-want +got):\n%s", d)
			}
		})
	}
}

func TestEndpointsThatCannotBeAreRefused(t *testing.T) {
	for _, endpoint := range []string{"169.254.169.254", "ftp://x", "http://", "://", "http://[fd00"} {
		if _, err := New(Options{Endpoint: endpoint}); err == nil {
			t.Errorf("%q accepted", endpoint)
		}
	}
}

func TestOptionsComeFromTheSDKsVariables(t *testing.T) {
	env := map[string]string{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://x", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "ipv6"}
	o := OptionsFromEnv(func(k string) string { return env[k] })
	if o.Endpoint != "http://x" || !o.IPv6 {
		t.Errorf("%+v", o)
	}
	if o := OptionsFromEnv(func(string) string { return "" }); o.Endpoint != "" || o.IPv6 {
		t.Errorf("%+v", o)
	}
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		for range 4 {
			if _, err := w.client.Get(w.Context(), "mac"); err != nil {
				w.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
		}
		// The SDK asks for five minutes: requests at 0, 2 and 4 share a token.
		if n := w.imds.Count(awstest.TokenRequest); n != 2 {
			w.Errorf("%d token requests, want 2", n)
		}
	})
}
