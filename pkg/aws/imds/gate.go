package imds

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	tokenHeader    = "X-Aws-Ec2-Metadata-Token"
	tokenTTLHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	// maxBody bounds an answer. User data, the largest, has at most 16 KiB on
	// EC2 (25 KiB on some edge devices); the rest is room for emulators.
	maxBody = 1 << 20
	// maxToken bounds a session token; EC2's has 56 bytes.
	maxToken = 4 << 10
	// tokenMargin is how long before its end a token is not used any more.
	tokenMargin = 5 * time.Second
)

// Answers that make no sense, as the gate sees them.
var (
	errTooLarge = fmt.Errorf("the answer is larger than %d bytes", maxBody)
	errNoToken  = errors.New("the answer to the token request is not a token")
	errNoTTL    = errors.New("the answer to the token request does not say how long the token lives")
)

// gate is the transport under the SDK's client. It keeps the session token, so
// that there is one token request however many answers say that an older token
// is void, and notes for the attempt under way what went wrong and where.
type gate struct {
	next http.RoundTripper

	mu      sync.Mutex
	token   string
	expires time.Time // of the monotonic clock: a step of the wall clock does not matter
}

// RoundTrip implements http.RoundTripper. The response's body is in memory.
func (g *gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodPut {
		return g.roundTripToken(req)
	}
	resp, err := g.exchange(req, false)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		g.reject(req.Header.Get(tokenHeader))
	}
	return resp, err
}

// reject forgets a token that the service does not accept, unless it has been
// replaced in the meantime.
func (g *gate) reject(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token == token {
		g.token = ""
	}
}

// roundTripToken answers a token request: from memory while the token lives,
// else from the service. Requests that come meanwhile wait for the same answer.
func (g *gate) roundTripToken(req *http.Request) (*http.Response, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if left := time.Until(g.expires); g.token != "" && left > tokenMargin {
		return tokenResponse(req, g.token, left), nil
	}
	g.token = ""
	resp, err := g.exchange(req, true)
	if err != nil || resp.StatusCode != http.StatusOK {
		return resp, err
	}
	body, _ := io.ReadAll(resp.Body) // in memory
	token, ttl, err := readToken(body, resp.Header.Get(tokenTTLHeader))
	if err != nil {
		note(req.Context(), outcome{token: true, err: err})
		return nil, err
	}
	g.token, g.expires = token, time.Now().Add(ttl)
	return tokenResponse(req, token, ttl), nil
}

// readToken checks that a token can go into a header, and reads its life.
func readToken(body []byte, seconds string) (string, time.Duration, error) {
	token := bytes.TrimSpace(body)
	if len(token) == 0 || len(token) > maxToken {
		return "", 0, errNoToken
	}
	for _, c := range token {
		if c <= ' ' || c > '~' {
			return "", 0, errNoToken
		}
	}
	n, err := strconv.ParseUint(seconds, 10, 31)
	if err != nil || n == 0 {
		return "", 0, errNoTTL
	}
	return string(token), time.Duration(n) * time.Second, nil
}

func tokenResponse(req *http.Request, token string, left time.Duration) *http.Response {
	h := http.Header{}
	h.Set(tokenTTLHeader, strconv.Itoa(int(left/time.Second)))
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Request: req, ContentLength: int64(len(token)),
		Body: io.NopCloser(bytes.NewReader([]byte(token))),
	}
}

// exchange sends the request, reads the whole answer within maxBody, and notes
// a failure in the context's outcome.
func (g *gate) exchange(req *http.Request, token bool) (*http.Response, error) {
	note(req.Context(), outcome{})
	resp, err := g.next.RoundTrip(req)
	if err != nil {
		note(req.Context(), outcome{token: token, err: err})
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	_ = resp.Body.Close()
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	if err != nil {
		note(req.Context(), outcome{token: token, err: err})
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		note(req.Context(), outcome{token: token, status: resp.StatusCode})
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// outcome is what the gate saw go wrong in one attempt.
type outcome struct {
	token  bool // in the token request
	status int  // of an answer that was not 2xx
	err    error
}

type outcomeKey struct{}

func withOutcome(ctx context.Context) (context.Context, *outcome) {
	o := new(outcome)
	return context.WithValue(ctx, outcomeKey{}, o), o
}

// note needs no lock: the SDK makes the requests of one operation one after the
// other, in the caller's goroutine.
func note(ctx context.Context, o outcome) {
	if p, ok := ctx.Value(outcomeKey{}).(*outcome); ok {
		*p = o
	}
}
