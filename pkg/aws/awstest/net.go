// Package awstest has the counterparts of the clients in pkg/aws, for tests: a
// network in memory and an instance metadata service that fails on demand.
//
// The network is made of pipes, so a test may run in a bubble of
// testing/synctest, where minutes pass in no time.
package awstest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
)

// Net is a network with one server that answers at every address.
type Net struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu     sync.Mutex
	dialed []string
	fail   func(attempt int) error
}

// Serve starts h on a network of its own, until the test ends.
func Serve(t testing.TB, h http.Handler) *Net {
	t.Helper()
	n := &Net{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(n)
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return n
}

// FailDial makes f decide about every coming attempt to connect, counted from
// 1; a nil error lets it through.
func (n *Net) FailDial(f func(attempt int) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fail = f
}

// Dialed returns the addresses that were dialed, in order.
func (n *Net) Dialed() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.dialed...)
}

// Dial connects to the server, whatever the address.
func (n *Net) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, address)
	attempt, fail := len(n.dialed), n.fail
	n.mu.Unlock()
	if fail != nil {
		if err := fail(attempt); err != nil {
			return nil, err
		}
	}
	client, server := net.Pipe()
	select {
	case n.conns <- server:
		return client, nil
	case <-n.closed:
		return nil, Refused()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Refused is what a dialer says when nothing listens.
func Refused() error { return dialError(syscall.ECONNREFUSED) }

// NoRoute is what a dialer says when the network is not up.
func NoRoute() error { return dialError(syscall.ENETUNREACH) }

func dialError(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

// Accept implements net.Listener.
func (n *Net) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (n *Net) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

// Addr implements net.Listener.
func (n *Net) Addr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// Hang is a handler that never answers. It ends when the client goes.
func Hang(_ http.ResponseWriter, r *http.Request) {
	// The server notices that the client goes only once the body is read.
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}
