package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	remoteerrors "github.com/containerd/containerd/v2/core/remotes/errors"
	"github.com/containerd/errdefs"

	"github.com/eksnode/eksnode/pkg/fault"
)

func TestTheFirstFolderThatKnowsARegistryIsUsed(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	for _, dir := range []string{filepath.Join(one, "a.example"), filepath.Join(two, "a.example"), filepath.Join(two, "b.example_5000_")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	find := hostDir([]string{filepath.Join(one, "missing"), one, two})
	for registry, want := range map[string]string{
		"a.example": filepath.Join(one, "a.example"), "b.example:5000": filepath.Join(two, "b.example_5000_"), "c.example": "",
	} {
		got, err := find(registry)
		if got != want || (want == "") != errdefs.IsNotFound(err) {
			t.Errorf("%s: %q (%v), want %q", registry, got, err, want)
		}
	}
}

func TestOnlyWhatMayPassIsTriedAgain(t *testing.T) {
	status := func(code int) error { return remoteerrors.ErrUnexpectedStatus{StatusCode: code} }
	for _, row := range []struct {
		err  error
		want bool
	}{
		{errors.New("dial tcp: i/o timeout"), false},
		{status(500), false},
		{status(503), false},
		{status(429), false},
		{status(403), true},
		{errdefs.ErrNotFound, true},
		{docker.ErrInvalidAuthorization, true},
		{fault.New(fault.ECRDenied, "", errors.New("x")), true},
		{fault.New(fault.ECRUnreachable, "", errors.New("x")), false},
	} {
		if got := permanent(fmt.Errorf("pulling: %w", row.err)); got != row.want {
			t.Errorf("permanent(%v) = %v", row.err, got)
		}
	}
}
