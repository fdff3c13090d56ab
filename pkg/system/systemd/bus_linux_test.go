package systemd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
)

// listen returns the path of a socket that does with its connections what
// serve does.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd") // socket paths must be short
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "private")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
		}
	}()
	return path
}

func TestASystemdThatIsSilentOrAbsentOrBrokenIsUnreachable(t *testing.T) {
	for name, socket := range map[string]func(t *testing.T) string{
		"accepts and says nothing": func(t *testing.T) string { return listen(t, func(net.Conn) {}) },
		"hangs up": func(t *testing.T) string {
			return listen(t, func(c net.Conn) { _ = c.Close() })
		},
		"talks nonsense": func(t *testing.T) string {
			return listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
		},
		"nobody listens": func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "private")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConnection()
			c.socket, c.bound = socket(t), 100*time.Millisecond
			defer c.Close()
			if _, err := c.Unit(t.Context(), kubelet); fault.CodeOf(err) != fault.SystemdGone {
				t.Errorf("got %s: %v", fault.CodeOf(err), err)
			}
		})
	}
}

func TestConnectingEndsWithItsContext(t *testing.T) {
	c := newConnection()
	c.socket = listen(t, func(net.Conn) {})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Unit(ctx, kubelet); !errors.Is(err, context.DeadlineExceeded) || fault.CodeOf(err) == fault.SystemdGone {
		t.Errorf("got %v", err)
	}
}

func TestConnectNeedsNoCall(t *testing.T) {
	accepted := make(chan struct{}, 8)
	c := newConnection()
	c.socket = listen(t, func(conn net.Conn) {
		_ = conn.Close()
		accepted <- struct{}{}
	})
	defer c.Close()
	newDriver(Options{}, c).Connect(t.Context())
	select {
	case <-accepted:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody connected")
	}
	// That it was in vain is told by the first call.
	if _, err := c.Unit(t.Context(), kubelet); fault.CodeOf(err) != fault.SystemdGone {
		t.Errorf("got %s: %v", fault.CodeOf(err), err)
	}
}
