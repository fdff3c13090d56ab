package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/host/hosttest"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// today is the time of all tests.
var today = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// call is one invocation and what came of it.
type call struct {
	app            app
	code           int
	stdout, stderr string
}

// agent returns an invocation by root, on the real platform unless the test
// puts another in its place. IMDS is at an address where nobody listens.
func agent(args ...string) *call {
	return &call{app: app{
		name: "eksnode", args: args, stdin: strings.NewReader(""), now: func() time.Time { return today },
		getenv: func(string) string { return "" }, open: (*app).openPlatform,
	}}
}

// nodeadm returns an invocation under that name.
func nodeadm(args ...string) *call {
	c := agent(args...)
	c.app.name = "nodeadm"
	return c
}

func (c *call) stdin(text string) *call { c.app.stdin = strings.NewReader(text); return c }

func (c *call) by(euid int) *call { c.app.euid = euid; return c }

func (c *call) on(m *machine) *call { c.app.open = m.open; return c }

func (c *call) run(t *testing.T) *call {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.app.stdout, c.app.stderr = &stdout, &stderr
	c.code = c.app.run(t.Context())
	c.stdout, c.stderr = stdout.String(), stderr.String()
	return c
}

// expect fails the test unless the exit status is code and both outputs hold
// what they must; "" is for an output that must be empty.
func (c *call) expect(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if c.code != code {
		t.Errorf("%v: exit status %d, want %d", c.app.args, c.code, code)
	}
	for _, out := range []struct{ name, got, want string }{{"stdout", c.stdout, stdout}, {"stderr", c.stderr, stderr}} {
		if !strings.Contains(out.got, out.want) || out.want == "" && out.got != "" {
			t.Errorf("%v: %s is\n%s\nwant %q", c.app.args, out.name, out.got, out.want)
		}
	}
}

// write makes a file in a new folder and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// machine is a platform in memory of which two components do something: one makes a file, the
// other a service that reads it.
type machine struct {
	*hosttest.Memory
	dir    string
	config string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	return &machine{Memory: hosttest.New(), dir: t.TempDir(), config: read(t, "testdata/valid.yaml")}
}

func (m *machine) open(*app, string) (platform.Platform, error) {
	file := host.File{Path: "/etc/runtime", Content: []byte("one\ntwo\n"), Mode: 0o644}
	return platform.Platform{
		Name: "test", Layout: node.Layout{StateDir: filepath.Join(m.dir, "state"), RunDir: filepath.Join(m.dir, "run")},
		DefaultSources: []string{"mem://config"},
		Source: func(uri string) (platform.Source, bool) {
			return platform.Source{Name: uri, Read: func(context.Context) ([]platform.Text, error) {
				return []platform.Text{{Name: uri, Body: []byte(m.config)}}, nil
			}}, strings.HasPrefix(uri, "mem://") || uri == "imds://user-data"
		},
		Gather: func(_ context.Context, q platform.Question) (node.Input, error) {
			return node.Input{Config: q.Config, Instance: node.Instance{NodeName: "n1", Type: "m5.large", Zone: "eu-west-1a"}}, nil
		},
		Components: []node.Component{
			{Name: "hooks", Desired: func(node.Input) ([]host.Resource, error) { return nil, nil }},
			{Name: "network", Desired: func(node.Input) ([]host.Resource, error) { return nil, nil }},
			{Name: "tuning", Desired: func(node.Input) ([]host.Resource, error) { return []host.Resource{file}, nil }},
			{Name: "kubelet", Desired: func(in node.Input) ([]host.Resource, error) {
				return []host.Resource{host.Service{Name: "kubelet.service", Running: true, Current: true, Reads: []host.ID{file.ID()}}}, nil
			}},
		},
		Host: func(context.Context) (host.Host, func() error, error) {
			return m.Host(), func() error { return nil }, nil
		},
	}, nil
}

// password is what is secret in testdata/valid.yaml.
const password = "hunter2"

func TestTheTestConfigurationHoldsASecret(t *testing.T) {
	merged, problems := api.Load([]api.Input{{Name: "valid", Raw: []byte(read(t, "testdata/valid.yaml"))}}, api.Options{}, today)
	if api.HasErrors(problems) || !strings.Contains(merged.Config.Spec.Instance.Environment["default"]["HTTPS_PROXY"].Reveal(), password) {
		t.Errorf("%v, %v", merged.Config, problems)
	}
}
