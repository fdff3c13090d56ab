//go:build unix

package bootstrap

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/command"
)

// With the real driver: what a hook prints is in the log, and in nothing that
// others can read.
func TestWhatAHookPrintsIsInTheLogAlone(t *testing.T) {
	m := newHooked(t)
	var log bytes.Buffer
	m.engine.Log = slog.New(slog.NewTextHandler(&log, nil))
	m.engine.Platform.Components = m.engine.Platform.Components[:1] // the hooks
	script := filepath.Join(t.TempDir(), "hook")
	must(os.WriteFile(script, []byte("#!/bin/sh\necho \"stage $EKSNODE_STAGE on $EKSNODE_NODE_NAME: an-output\"\ntest \"$EKSNODE_STAGE\" != post-ready || exit 7\n"), 0o755))
	for i := range m.hooks {
		m.hooks[i].Command = []string{script}
	}
	m.hook("after").OnFailure = api.HookWarn
	m.engine.Platform.Host = func(context.Context) (host.Host, func() error, error) {
		h := m.Host()
		h[host.KindCommand] = command.New(command.Options{RunDir: m.engine.Store.RunDir, StateDir: m.engine.Store.StateDir, Log: m.engine.Log})
		return h, func() error { return nil }, nil
	}
	r := m.mustBoot(t, Scope{})
	same(t, "programs", programs(r), []string{"hook/before ok 0", "hook/between ok 0", "hook/after tolerated 7"})
	for _, stage := range []string{"pre-config", "pre-kubelet", "post-ready"} {
		if !strings.Contains(log.String(), "stage "+stage+" on n1: an-output") {
			t.Errorf("the log has nothing of %s:\n%s", stage, log.String())
		}
	}
	b, err := os.ReadFile(m.engine.Store.StatusPath())
	if err != nil || strings.Contains(string(b), "an-output") || !strings.Contains(string(b), `"exitCode": 7`) {
		t.Errorf("the status is %s, %v", b, err)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].Code != fault.HookFailed {
		t.Errorf("warnings %+v", r.Warnings)
	}
	if r := m.mustBoot(t, Scope{}); len(r.Steps) != 0 {
		t.Errorf("the second run took %v", steps(r))
	}
	if _, err := m.engine.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(m.engine.Store.RunDir), "*", "commands", "*"))
	if err != nil || len(left) != 0 {
		t.Errorf("a reset leaves %v, %v", left, err)
	}
}
