package ec2

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"golang.org/x/net/http/httpproxy"

	"github.com/eksnode/eksnode/pkg/node"
)

// route is the way out of the agent itself: one for every request that it makes to
// AWS, to registries and to the API server, and none of those for instance
// metadata. It is that of the configuration which was gathered last; before that,
// and where the configuration names no proxy, that of the agent's own environment.
// The zero route is usable, also by several at the same time.
type route struct {
	mu     sync.Mutex
	choose func(*http.Request) (*url.URL, error)
}

// follow makes what comes go the way of an input.
func (r *route) follow(in node.Input) {
	choose := proxy(in)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.choose = choose
}

// proxy chooses the proxy of a request, as http.Transport asks.
func (r *route) proxy(req *http.Request) (*url.URL, error) {
	r.mu.Lock()
	choose := r.choose
	r.mu.Unlock()
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	return choose(req)
}

// proxy chooses proxies by what the configuration gives to the machine's services,
// so that the agent goes the way that kubelet will go. Without such settings it is
// nil: the agent's own environment. Settings that nobody can use are the error of
// every request, not a way around the proxy.
func proxy(in node.Input) func(*http.Request) (*url.URL, error) {
	p, ok := in.AgentProxy()
	if !ok {
		return nil
	}
	if err := p.Check(); err != nil {
		return func(*http.Request) (*url.URL, error) { return nil, fmt.Errorf("cannot tell the way out: %w", err) }
	}
	c := httpproxy.Config{HTTPProxy: p.HTTP.Reveal(), HTTPSProxy: p.HTTPS.Reveal(), NoProxy: strings.Join(p.NoProxy, ",")}
	choose := c.ProxyFunc()
	return func(r *http.Request) (*url.URL, error) { return choose(r.URL) }
}
