package golden_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
)

// recorder is a testing.TB that keeps failures to itself.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func TestAssertComparesWithTheFile(t *testing.T) {
	t.Setenv(golden.UpdateVariable, "")
	path := filepath.Join(t.TempDir(), "want.txt")
	if err := os.WriteFile(path, []byte("one\ntwo\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, got string
		failures  int
	}{
		{"equal", "one\ntwo\n", 0},
		{"different", "one\n2\n", 1},
		{"without the last line break", "one\ntwo", 1},
		{"empty", "", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := &recorder{TB: t}
			golden.Assert(r, path, row.got)
			if len(r.failures) != row.failures {
				t.Errorf("%d failures, want %d: %q", len(r.failures), row.failures, r.failures)
			}
		})
	}
}

func TestAssertFailsWithoutAFileAndSaysHowToMakeIt(t *testing.T) {
	t.Setenv(golden.UpdateVariable, "")
	r := &recorder{TB: t}
	golden.Assert(r, filepath.Join(t.TempDir(), "missing.txt"), []byte("x"))
	if len(r.failures) != 1 || !strings.Contains(r.failures[0], golden.UpdateVariable+"=1") {
		t.Errorf("failures: %q", r.failures)
	}
}

func TestAssertWritesTheFileWhenAsked(t *testing.T) {
	t.Setenv(golden.UpdateVariable, "1")
	path := filepath.Join(t.TempDir(), "a", "b", "want.txt")
	golden.Assert(t, path, "new\n")
	raw, err := os.ReadFile(path)
	if err != nil || string(raw) != "new\n" {
		t.Errorf("file holds %q, %v", raw, err)
	}
}

func TestDiffShowsChangedLinesAmongTheirNeighbours(t *testing.T) {
	text := func(from, to int, change map[int]string) string {
		var b strings.Builder
		for i := from; i <= to; i++ {
			if s, ok := change[i]; ok {
				b.WriteString(s)
				continue
			}
			fmt.Fprintf(&b, "line %d\n", i)
		}
		return b.String()
	}
	got := golden.Diff(text(1, 40, nil), text(1, 40, map[int]string{5: "five\n", 30: "", 31: "line 31\nand more\n"}))
	want := `@@ line 2 @@
  line 2
  line 3
  line 4
- line 5
+ five
  line 6
  line 7
  line 8
@@ line 27 @@
  line 27
  line 28
  line 29
- line 30
  line 31
+ and more
  line 32
  line 33
  line 34
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestDiffOfVeryLongTextsIsBounded(t *testing.T) {
	a, b := strings.Repeat("a\nb\n", 10_000), strings.Repeat("b\nc\n", 10_000)
	if d := golden.Diff(a, b); len(d) > 5000 || !strings.Contains(d, "- a") {
		t.Errorf("%d bytes: %.100s", len(d), d)
	}
}
