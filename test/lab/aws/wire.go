package aws

import (
	"bytes"
	"context"
	"crypto/tls"
	"maps"
	"net"
	"net/http"
	"strconv"
	"time"
)

// script is how a request is answered under faults.
type script struct {
	// note is told what a fault does before it does it.
	note func(Effect)
	// answer writes the reply of an Answer, next the normal one.
	answer func(http.ResponseWriter, Fault)
	next   func(http.ResponseWriter)
}

// play does to a request what its faults say.
func play[T any](set *faultSet[T], faults []activeFault, w http.ResponseWriter, r *http.Request, s script) {
	for _, f := range faults {
		effect := f.effect()
		if effect != Pass || f.Delay > 0 {
			s.note(effect)
		}
		if !sleep(r.Context(), f.Delay) {
			return // the client left
		}
		switch effect {
		case Pass:
		case Hang:
			if !set.await(r.Context(), func() time.Time { return f.Until }, f.ended) {
				return
			}
		case Answer:
			s.answer(w, f.Fault)
			return
		case Reset, Refuse:
			reset(w)
			return
		case Garbage:
			garbage(w)
			return
		case Truncate, Short:
			halve(w, effect, s.next)
			return
		}
	}
	s.next(w)
}

// sleep waits, and returns false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// take gets the connection out of the HTTP server's hands. It aborts the handler where that cannot be done.
func take(w http.ResponseWriter) net.Conn {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // net/http's way to end a connection without an answer
	}
	return conn
}

// reset ends the connection with RST instead of FIN: SO_LINGER zero (socket(7)), below TLS so that there is no close_notify.
func reset(w http.ResponseWriter) {
	conn := take(w)
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // best effort: without it the client sees EOF, which is as good as
	}
	_ = conn.Close()
}

// garbage sends a few bytes that no HTTP client understands.
func garbage(w http.ResponseWriter) {
	conn := take(w)
	_, _ = conn.Write([]byte("\x00\x15\x03\x01 garbage \xff\xfe\r\n\r\n")) // the client may be gone
	_ = conn.Close()
}

// halve sends the headers and the first half of the normal answer.
func halve(w http.ResponseWriter, effect Effect, next func(http.ResponseWriter)) {
	whole := &buffer{header: http.Header{}, status: http.StatusOK}
	next(whole)
	maps.Copy(w.Header(), whole.header)
	half := whole.body.Bytes()[:whole.body.Len()/2]
	length := whole.body.Len()
	if effect == Short {
		length = len(half)
	}
	w.Header().Set("Content-Length", strconv.Itoa(length))
	w.WriteHeader(whole.status)
	_, _ = w.Write(half) // net/http closes the connection when less was written than announced
}

// buffer is a ResponseWriter that keeps the answer.
type buffer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffer) Header() http.Header         { return b.header }
func (b *buffer) WriteHeader(status int)      { b.status = status }
func (b *buffer) Write(p []byte) (int, error) { return b.body.Write(p) }

// tracker notes status and size of what goes through it. Status stays zero when nothing was answered.
type tracker struct {
	http.ResponseWriter
	status int
	bytes  int64
	// answered is called when the status is known, before the client can see it.
	answered func()
}

// Unwrap lets http.ResponseController find the connection.
func (t *tracker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *tracker) WriteHeader(status int) {
	t.note(status)
	t.ResponseWriter.WriteHeader(status)
}

func (t *tracker) note(status int) {
	if t.status == 0 && status >= 200 {
		t.status = status
		t.answered()
	}
}

func (t *tracker) Write(p []byte) (int, error) {
	t.note(http.StatusOK)
	n, err := t.ResponseWriter.Write(p)
	t.bytes += int64(n)
	return n, err
}
