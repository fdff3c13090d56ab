package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// maxBody bounds what is read of an answer. A Node with its fifty images is
// some tens of kB; etcd holds no object above 1.5 MiB.
const maxBody = 2 << 20

// strictTLS trusts the cluster's CA alone and checks with the Target's clock.
func (p *prober) strictTLS() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: p.pool, Time: p.Now}
}

// client returns a client for the API server. It keeps no connections: each
// look must meet the server as it is now, and an idle connection to an address
// that has left the load balancer would be tried first.
func (p *prober) client(config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  p.Proxy,
			DialContext:            p.dial,
			TLSClientConfig:        config,
			TLSHandshakeTimeout:    p.Timeout,
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// An API server does not redirect; following could carry the token
		// to somebody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (p *prober) localClient() *http.Client {
	c := p.client(nil)
	c.Transport.(*http.Transport).Proxy = nil
	return c
}

// dial connects to a host by its addresses in turn, each with its share of the
// time that is left, so that a dead one does not eat it all.
//
// It brings its own bound: net/http takes a request's deadline off the context
// with which it dials, and lets the dial go on when the request is given up.
func (p *prober) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	addrs, err := p.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	var first error
	for i, a := range addrs {
		conn, err := p.dialOne(ctx, network, net.JoinHostPort(a.String(), port), len(addrs)-i)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// dialOne connects to one address within 1/left of the time that ctx leaves.
func (p *prober) dialOne(ctx context.Context, network, address string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	return p.Dial(ctx, network, address)
}

// mergePatch says that a body is a JSON merge patch (RFC 7396): what it names is
// set, null takes away, all else stays.
const mergePatch = "application/merge-patch+json"

// jsonPatch says that a body is a JSON patch (RFC 6902), a list of operations.
const jsonPatch = "application/json-patch+json"

// answer is a response with its body read.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

// ask sends one request and reads the answer. A token is sent only over a
// connection that p.http has verified.
func ask(ctx context.Context, c *http.Client, method, url, token string, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("User-Agent", "eksnode")
	req.Header.Set("Accept", "application/json")
	switch {
	case method == http.MethodPatch && bytes.HasPrefix(body, []byte("[")):
		req.Header.Set("Content-Type", jsonPatch)
	case method == http.MethodPatch:
		req.Header.Set("Content-Type", mergePatch)
	case body != nil:
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }() // the body has been read, or the read's error says more
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(b) > maxBody {
		err = fmt.Errorf("answer is longer than %d bytes", maxBody)
	}
	return answer{resp.StatusCode, resp.Header, b}, err
}

// status says in one line how the server put a refusal: its HTTP status and
// the message of the Status object, where it sent one.
func (a answer) status() string {
	text := fmt.Sprintf("%d %s", a.code, http.StatusText(a.code))
	if m := a.message(); m != "" && m != http.StatusText(a.code) {
		text += ": " + m
	}
	return text
}

// message returns the message of the Status object in the body, or the
// beginning of a body that is none.
func (a answer) message() string {
	var s apiStatus
	if json.Unmarshal(a.body, &s) == nil {
		return oneLine(s.Message)
	}
	return oneLine(string(a.body))
}
