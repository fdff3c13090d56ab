package system

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

func TestProgramsAreWhatSomebodyMayExecute(t *testing.T) {
	dir := t.TempDir()
	for _, thing := range []string{
		"opt/bin/program", "opt/bin/linked -> program", "opt/bin/text = not executable", "opt/bin/dangling -> nowhere", "opt/bin/dir/x",
	} {
		place(t, dir, thing)
	}
	got, err := Programs(rootfs.At(dir), []string{"/opt/bin/program", "/opt/bin/linked", "/opt/bin/text", "/opt/bin/dangling", "/opt/bin/dir", "/opt/bin/absent"})
	want := map[string]bool{
		"/opt/bin/program": true, "/opt/bin/linked": true, "/opt/bin/text": false, "/opt/bin/dangling": false, "/opt/bin/dir": false, "/opt/bin/absent": false,
	}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	if got, err := Programs(rootfs.At(dir), nil); got != nil || err != nil {
		t.Errorf("of none: %v, %v", got, err)
	}
}

func TestAProgramThatCannotBeLookedForIsNotTakenForAbsent(t *testing.T) {
	dir := t.TempDir()
	place(t, dir, "etc -> etc")
	place(t, dir, "opt/bin/program")
	got, err := Programs(rootfs.At(dir), []string{"/etc/program", "/opt/bin/program", "program"})
	if _, told := got["/etc/program"]; told || !got["/opt/bin/program"] || err == nil || strings.Count(err.Error(), "cannot tell whether the machine has") != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}
