package aws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names of the IMDSv2 protocol (EC2 user guide, "How Instance Metadata Service Version 2 works").
const (
	tokenHeader    = "X-Aws-Ec2-Metadata-Token"
	tokenTTLHeader = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
	tokenItem      = "api/token"
	maxTokenTTL    = 21600 // seconds: six hours
)

// IMDS serves the metadata of every instance, told apart by the source address. A request from an address that no
// instance has is answered 404 and logged.
func (c *Cloud) IMDS() http.Handler {
	return c.IMDSBy(func(r *http.Request) *Machine {
		source, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return nil
		}
		return c.MachineAt(source.Addr())
	})
}

// IMDSBy is [Cloud.IMDS] with another way to tell the instance; nil means that there is none.
func (c *Cloud) IMDSBy(find func(*http.Request) *Machine) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := find(r)
		if m == nil {
			c.log.Warn("metadata request from an unknown source", "source", r.RemoteAddr, "path", r.URL.Path)
			page(w, http.StatusNotFound)
			return
		}
		m.serve(w, r)
	})
}

// IMDS serves the metadata of this instance to whoever asks.
func (m *Machine) IMDS() http.Handler { return http.HandlerFunc(m.serve) }

// ServeIMDS serves the metadata of this instance on listeners that it gets from listen, until ctx ends (nil) or a
// listener cannot be had or fails. While a [Refuse] fault is in force it has no listener open, so that the kernel
// refuses connections, and it ends those that exist.
func (m *Machine) ServeIMDS(ctx context.Context, listen func() (net.Listener, error)) error {
	refused := func() bool {
		_, yes := m.faults.active(func(_ string, f Fault) bool { return f.effect() == Refuse })
		return yes
	}
	for {
		if !m.faults.await(ctx, m.refuseEnd, func() bool { return !refused() }) {
			return nil
		}
		listener, err := listen()
		if err != nil {
			return fmt.Errorf("cannot serve the metadata of %s: %w", m.ID(), err)
		}
		server := &http.Server{
			Handler: m.IMDS(), ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(m.cloud.log.Handler(), slog.LevelDebug),
		}
		failed := make(chan error, 1)
		serving, stop := context.WithCancel(ctx)
		go func() {
			failed <- server.Serve(listener)
			stop()
		}()
		m.faults.await(serving, func() time.Time { return time.Time{} }, refused)
		stop()
		_ = server.Close() // only says that the listener was closed before
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("cannot serve the metadata of %s: %w", m.ID(), err)
		}
		if ctx.Err() != nil {
			return nil
		}
		m.cloud.log.Info("metadata service refuses connections", "instance", m.ID())
	}
}

// refuseEnd is when the Refuse fault in force ends, zero when nobody knows.
func (m *Machine) refuseEnd() time.Time {
	f, _ := m.faults.active(func(_ string, f Fault) bool { return f.effect() == Refuse })
	return f.Until
}

// serve answers a request, with the faults it meets, and logs it.
func (m *Machine) serve(w http.ResponseWriter, r *http.Request) {
	began := m.cloud.now()
	item := itemOf(r.URL.Path)
	_, hasToken := m.tokenLeft(r.Header.Get(tokenHeader))
	faults := m.faults.take(func(pattern string) bool { return matchItem(pattern, item) })
	if f, refuse := m.faults.active(func(_ string, f Fault) bool { return f.effect() == Refuse }); refuse {
		faults = append([]activeFault{{Fault: f}}, faults...)
	}
	entry := Request{Time: began, Method: r.Method, Path: r.URL.Path, Token: hasToken, Fault: Pass, Source: r.RemoteAddr, UserAgent: r.UserAgent()}
	replace := m.requests.begin(entry)
	tracked := &tracker{ResponseWriter: w}
	publish := func() {
		entry.Status, entry.Bytes, entry.Duration = tracked.status, tracked.bytes, m.cloud.now().Sub(began)
		replace(entry)
	}
	tracked.answered = publish
	defer func() { // also when the handler is aborted
		entry.Done = true
		publish()
		m.cloud.log.Debug("metadata request", "instance", m.ID(), "method", entry.Method, "path", entry.Path,
			"status", entry.Status, "fault", entry.Fault)
	}()
	play(m.faults, faults, tracked, r, script{
		note: func(e Effect) {
			entry.Fault = e
			publish()
		},
		answer: answerIMDS,
		next:   func(w http.ResponseWriter) { m.answer(w, r) },
	})
}

// answerIMDS replies as a fault says.
func answerIMDS(w http.ResponseWriter, f Fault) {
	status := f.Status
	if status == 0 {
		status = http.StatusOK
	}
	if f.Body == nil {
		page(w, status)
		return
	}
	imdsHeaders(w, "text/plain")
	w.WriteHeader(status)
	_, _ = w.Write(f.Body) // the client may be gone
}

// answer replies as the real service does.
func (m *Machine) answer(w http.ResponseWriter, r *http.Request) {
	inst := m.Instance()
	if inst.MetadataOff {
		page(w, http.StatusForbidden)
		return
	}
	if r.Method == http.MethodPut {
		m.answerPut(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		notAllowed(w, "OPTIONS, GET, HEAD")
		return
	}
	if r.URL.Path == "/latest/"+tokenItem {
		notAllowed(w, "OPTIONS, PUT")
		return
	}
	token := r.Header.Get(tokenHeader)
	left, valid := m.tokenLeft(token)
	if !valid && (token != "" || !inst.TokensOptional) {
		page(w, http.StatusUnauthorized)
		return
	}
	if valid {
		w.Header().Set(tokenTTLHeader, strconv.Itoa(int(left/time.Second)))
	}
	body, kind, found := m.lookup(r.URL.Path)
	if !found {
		page(w, http.StatusNotFound)
		return
	}
	imdsHeaders(w, kind)
	w.Header().Set("Last-Modified", inst.LaunchTime.UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write([]byte(body)) // the client may be gone
}

// answerPut gives out a session token.
func (m *Machine) answerPut(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != "/latest/"+tokenItem && itemOf(r.URL.Path) == tokenItem:
		// "Issuing PUT requests to any version-specific path ... will result in the metadata service returning 403
		// Forbidden errors." (EC2 user guide, "Considerations")
		page(w, http.StatusForbidden)
		return
	case r.URL.Path != "/latest/"+tokenItem:
		notAllowed(w, "OPTIONS, GET, HEAD")
		return
	case r.Header.Get("X-Forwarded-For") != "":
		// "PUT requests are rejected if they contain an X-Forwarded-For header."
		page(w, http.StatusForbidden)
		return
	}
	ttl, err := strconv.Atoi(r.Header.Get(tokenTTLHeader))
	if err != nil || ttl < 1 || ttl > maxTokenTTL {
		page(w, http.StatusBadRequest)
		return
	}
	token := m.newToken(time.Duration(ttl) * time.Second)
	imdsHeaders(w, "text/plain")
	w.Header().Set(tokenTTLHeader, strconv.Itoa(ttl))
	w.Header().Set("Content-Length", strconv.Itoa(len(token)))
	_, _ = w.Write([]byte(token)) // the client may be gone
}

// lookup finds what a path stands for: a listing or an item.
func (m *Machine) lookup(path string) (body, contentType string, found bool) {
	if strings.Trim(path, "/") == "" {
		return strings.Join(metadataVersions, "\n"), "text/plain", true
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !slices.Contains(metadataVersions, version) {
		return "", "", false
	}
	item := itemOf(path)
	t := m.tree()
	if body, ok := t[item]; ok {
		if item == "user-data" {
			return body, "application/octet-stream", true
		}
		return body, "text/plain", true
	}
	if item == "meta-data/public-keys" { // listed as number=name
		if key := m.Instance().KeyName; key != "" {
			return "0=" + key, "text/plain", true
		}
	}
	// A directory is listed with and without a slash at the end: the user guide shows tags/instance without one.
	entries, ok := t.list(item)
	return strings.Join(entries, "\n"), "text/plain", ok
}

// itemOf strips the version and the slashes around from a path: /latest/meta-data/iam/ is meta-data/iam.
func itemOf(path string) string {
	_, item, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return strings.TrimSuffix(item, "/")
}

// matchItem tells whether the pattern of a fault covers an item.
func matchItem(pattern, item string) bool {
	if prefix, wild := strings.CutSuffix(pattern, "*"); wild {
		return strings.HasPrefix(item, prefix)
	}
	return strings.TrimSuffix(pattern, "/") == item
}

// imdsHeaders sets what the real service sends with everything; it closes every connection after the answer.
func imdsHeaders(w http.ResponseWriter, contentType string) {
	w.Header().Set("Server", "EC2ws")
	w.Header().Set("Accept-Ranges", "none")
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Type", contentType)
}

// notAllowed answers 405 without a body, as the real service does.
func notAllowed(w http.ResponseWriter, allow string) {
	imdsHeaders(w, "text/plain")
	w.Header().Set("Allow", allow)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusMethodNotAllowed)
}

// page answers with the XHTML page the real service has for errors. Scripts that forget curl -f put it into their
// variables, so its exact form matters.
func page(w http.ResponseWriter, status int) {
	title := strconv.Itoa(status) + " - " + http.StatusText(status)
	body := `<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
	"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>` + title + `</title>
 </head>
 <body>
  <h1>` + title + `</h1>
 </body>
</html>
`
	imdsHeaders(w, "text/html")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client may be gone
}
