//go:build linux

package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/netns"
	"github.com/eksnode/eksnode/test/lab/internal/pki"
)

// StatusError is an answer of the API server that is not a success.
type StatusError struct {
	Code int
	Body string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("the API server answers %d: %s", e.Code, strings.TrimSpace(e.Body))
}

// httpClients makes the client of plain requests inside the VPC and the one that is the cluster's administrator.
func (l *Lab) httpClients(ca *pki.CA, admin pki.Pair) error {
	dial := netns.Dialer(l.vpc.netns)
	l.inside = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	if ca == nil {
		return nil
	}
	cert, err := admin.TLS()
	if err != nil {
		return fmt.Errorf("cannot make the administrator's client: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Cert)
	l.admin = &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}, ServerName: apiServerIP}}}
	return nil
}

// API sends a request to the API server as its administrator. in is sent as JSON (as a merge patch with PATCH) and out is
// filled from the answer, where they are not nil. An answer that is not a success is a [*StatusError].
func (l *Lab) API(ctx context.Context, method, path string, in, out any) error {
	if l.admin == nil {
		return errors.New("cannot ask the API server: this lab has no control plane")
	}
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("cannot %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+apiServerIP+path, body)
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := l.admin.Do(req)
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", method, path, err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", method, path, err)
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("cannot %s %s: %w", method, path, &StatusError{resp.StatusCode, string(data)})
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("cannot %s %s: %w", method, path, err)
	}
	return nil
}

// Kubeconfig is the administrator's, for programs in the VPC.
func (l *Lab) Kubeconfig() string {
	return filepath.Join(l.Dir, "control-plane", "pki", "admin.kubeconfig")
}

// KubectlCommand is how kubectl is called as the cluster's administrator, without arguments of its own.
func (l *Lab) KubectlCommand() []string {
	return []string{"nsenter", "--net=" + netns.Path(l.vpc.netns), l.Program("kubectl"), "--kubeconfig", l.Kubeconfig()}
}

// Kubectl runs the real kubectl as the cluster's administrator, and returns what it printed to its standard output.
func (l *Lab) Kubectl(ctx context.Context, args ...string) (string, error) {
	return l.kubectl(ctx, "", args...)
}

// Apply applies a manifest of one or more objects in YAML.
func (l *Lab) Apply(ctx context.Context, manifest string) error {
	_, err := l.kubectl(ctx, manifest, "apply", "-f", "-")
	return err
}

func (l *Lab) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	if l.admin == nil {
		return "", errors.New("cannot run kubectl: this lab has no control plane")
	}
	full := append(l.KubectlCommand(), args...)
	cmd := exec.CommandContext(ctx, full[0], full[1:]...)
	// A cache of its own, and no plugins or preferences of whoever runs the lab.
	cmd.Env = []string{"HOME=" + filepath.Join(l.Dir, "control-plane"), "PATH=/nonexistent", "KUBERC=off"}
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("cannot kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Wait asks holds until it returns nil, at short intervals, and otherwise fails with what it said last when ctx ends.
func Wait(ctx context.Context, what string, holds func(context.Context) error) error {
	var last error
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err // not the complaint that time is up, which says nothing
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot wait longer until %s (%w): %w", what, context.Cause(ctx), last)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// writeLog appends to a file of the run's log folder.
func (l *Lab) openLog(name string) (*os.File, error) {
	return os.OpenFile(filepath.Join(l.Dir, "logs", name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}
