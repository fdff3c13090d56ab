// Package golden compares the output of tests with files. Run tests with
// UPDATE_GOLDEN=1 in the environment to write the files anew; then read the
// difference before committing it.
package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// UpdateVariable is the environment variable that makes Assert rewrite files.
const UpdateVariable = "UPDATE_GOLDEN"

// Assert fails the test unless got equals the content of the file at path, and
// shows the difference. With UPDATE_GOLDEN=1 it writes the file, and folders that
// lead to it, instead of comparing.
func Assert[T ~string | ~[]byte](t testing.TB, path string, got T) {
	t.Helper()
	if os.Getenv(UpdateVariable) == "1" {
		update(t, path, []byte(got))
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Errorf("cannot read golden file: %v\nrun the test with %s=1 to write it; got:\n%s", err, UpdateVariable, abridge(string(got)))
		return
	}
	if string(want) != string(got) {
		t.Errorf("%s differs (- want, + got); run the test with %s=1 to accept it\n%s", path, UpdateVariable, Diff(string(want), string(got)))
	}
}

func update(t testing.TB, path string, got []byte) {
	t.Helper()
	if old, err := os.ReadFile(path); err == nil && string(old) == string(got) {
		return
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatalf("cannot make folder of golden file: %v", err)
	}
	if err := os.WriteFile(path, got, 0o644); err != nil {
		t.Fatalf("cannot write golden file: %v", err)
	}
}

func abridge(s string) string {
	const most = 4000
	if len(s) > most {
		return s[:most] + fmt.Sprintf("\n… %d more bytes", len(s)-most)
	}
	return s
}

// context is how many equal lines Diff shows around a difference.
const context = 3

// Diff returns the lines in which two texts differ, with a few equal lines around
// them and the line number of the first text. Lines of the first are marked with
// "-", of the second with "+"; a missing line break at the end is shown.
func Diff(want, got string) string {
	a, b := lines(want), lines(got)
	start := 0
	for start < len(a) && start < len(b) && a[start] == b[start] {
		start++
	}
	end := 0
	for end < len(a)-start && end < len(b)-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	edits := compare(a[start:len(a)-end], b[start:len(b)-end])

	var out strings.Builder
	before := max(0, start-context)
	fmt.Fprintf(&out, "@@ line %d @@\n", before+1)
	for _, l := range a[before:start] {
		out.WriteString("  " + l + "\n")
	}
	writeEdits(&out, edits, start)
	for _, l := range a[len(a)-end : min(len(a), len(a)-end+context)] {
		out.WriteString("  " + l + "\n")
	}
	return abridge(out.String())
}

// edit is one line of a difference: ' ', '-' or '+'.
type edit struct {
	mark byte
	text string
}

// writeEdits writes edits, leaving out all but the edges of long equal stretches.
func writeEdits(out *strings.Builder, edits []edit, line int) {
	for i := 0; i < len(edits); {
		run := i
		for run < len(edits) && edits[run].mark == ' ' {
			run++
		}
		if n := run - i; n > 2*context {
			for _, e := range edits[i : i+context] {
				out.WriteString("  " + e.text + "\n")
			}
			line += n - context
			fmt.Fprintf(out, "@@ line %d @@\n", line+1)
			i = run - context
		}
		for ; i < run; i++ {
			out.WriteString("  " + edits[i].text + "\n")
			line++
		}
		for i < len(edits) && edits[i].mark != ' ' {
			out.WriteString(string(edits[i].mark) + " " + edits[i].text + "\n")
			if edits[i].mark == '-' {
				line++
			}
			i++
		}
	}
}

// compare finds the fewest changed lines by the longest common subsequence. Very
// long texts are shown as wholly replaced, to bound time and memory.
func compare(a, b []string) []edit {
	const most = 4 << 20 // cells of the table
	if len(a)*len(b) > most {
		return replaceAll(a, b)
	}
	length := make([][]int32, len(a)+1)
	for i := range length {
		length[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out []edit
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, edit{' ', a[i]})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			out = append(out, edit{'-', a[i]})
			i++
		default:
			out = append(out, edit{'+', b[j]})
			j++
		}
	}
	return append(out, replaceAll(a[i:], b[j:])...)
}

func replaceAll(a, b []string) []edit {
	var out []edit
	for _, l := range a {
		out = append(out, edit{'-', l})
	}
	for _, l := range b {
		out = append(out, edit{'+', l})
	}
	return out
}

// lines splits a text; a last line without a line break is marked, so that it
// differs from one with.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	if rest, ok := strings.CutSuffix(s, "\n"); ok {
		return strings.Split(rest, "\n")
	}
	out := strings.Split(s, "\n")
	out[len(out)-1] += " [no line break at the end]"
	return out
}
