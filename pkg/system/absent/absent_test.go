package absent_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/absent"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

const state = "/var/lib/kubelet/cpu_manager_state"

func machine(t *testing.T, content string) (*absent.Driver, string) {
	t.Helper()
	dir := t.TempDir()
	p := filepath.Join(dir, state)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if content != "" {
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return absent.New(rootfs.At(dir)), p
}

func TestAFileIsDeletedOnlyWithTheContentThatWasJudged(t *testing.T) {
	old := host.Absent{Path: state, Digest: host.ContentDigest([]byte("old")), Because: "too old"}
	for name, row := range map[string]struct {
		content string
		want    host.Absent
		stays   bool
		seen    bool
	}{
		"the judged one":                  {"old", old, false, true},
		"kubelet has written a new one":   {"new", old, true, true},
		"none at all":                     {"", old, false, true},
		"a wish that knows only its path": {"old", host.Absent{Path: state}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			d, p := machine(t, row.content)
			if err := d.Apply(context.Background(), row.want); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(p); (err == nil) != row.stays {
				t.Errorf("stat: %v", err)
			}
			have, err := d.Observe(context.Background(), row.want)
			if err != nil || row.seen != host.Satisfies(have, row.want) {
				t.Errorf("seen %v, %v", have, err)
			}
			if err := d.Remove(context.Background(), row.want.ID()); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(p); (err == nil) != row.stays {
				t.Errorf("Remove changed something: %v", err)
			}
		})
	}
}

func TestWhatCannotBeReadIsAnErrorAndNotAbsent(t *testing.T) {
	d, p := machine(t, "")
	if err := os.Mkdir(p, 0o755); err != nil {
		t.Fatal(err)
	}
	want := host.Absent{Path: state, Digest: "x"}
	if have, err := d.Observe(context.Background(), want); err == nil {
		t.Errorf("seen: %v", have)
	}
	if err := d.Apply(context.Background(), want); err == nil {
		t.Error("applied")
	}
	if _, err := d.Observe(context.Background(), host.File{Path: state}); err == nil {
		t.Error("a file was taken for an absence")
	}
}
