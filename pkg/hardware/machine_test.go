package hardware

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

// machine reads testdata/<name>/tree.txt; testdata/README.md has the format.
func machine(t *testing.T, name string) fstest.MapFS {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name, "tree.txt"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parseTree(string(text))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tree
}

// machines returns the names of all machines in testdata.
func machines(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/*/tree.txt")
	if err != nil || len(paths) < 9 {
		t.Fatalf("found machines %v, %v", paths, err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(filepath.Dir(p)))
	}
	return names
}

func parseTree(text string) (fstest.MapFS, error) {
	parts, own := fstest.MapFS{}, fstest.MapFS{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		if name, ok := strings.CutPrefix(line, "i "); ok {
			text, err := os.ReadFile(filepath.Join("testdata", "parts", name+".txt"))
			if err != nil {
				return nil, err
			}
			part, err := parseTree(string(text))
			if err != nil {
				return nil, err
			}
			maps.Copy(parts, part)
			continue
		}
		for _, l := range expand(line) {
			kind, rest, _ := strings.Cut(l, " ")
			path, value, _ := strings.Cut(rest, " ")
			entry, err := treeEntry(kind, value)
			if err != nil || !strings.HasPrefix(path, "/") || own[path[1:]] != nil {
				return nil, fmt.Errorf("cannot read line %q: %v", l, err)
			}
			own[path[1:]] = entry
		}
	}
	for name, entry := range own {
		if entry.Mode == 0 { // taken out of a part
			delete(parts, name)
			continue
		}
		parts[name] = entry
	}
	return parts, nil
}

func treeEntry(kind, value string) (*fstest.MapFile, error) {
	switch kind {
	case "f":
		content, err := strconv.Unquote(value)
		return &fstest.MapFile{Data: []byte(content), Mode: 0o444}, err
	case "l":
		return &fstest.MapFile{Data: []byte(value), Mode: fs.ModeSymlink | 0o777}, nil
	case "x":
		return &fstest.MapFile{}, nil
	case "d":
		return &fstest.MapFile{Mode: fs.ModeDir | 0o755}, nil
	}
	return nil, fmt.Errorf("no kind %q", kind)
}

var braces = regexp.MustCompile(`\{(\d+)\.\.(\d+)\}`)

// expand writes {1..3} out; equal braces in one line count together, and with an
// offset behind them, {1..3+8}, ahead or behind of them.
func expand(line string) []string {
	m := braces.FindStringSubmatch(line)
	if m == nil {
		return []string{line}
	}
	first, _ := strconv.Atoi(m[1])
	last, _ := strconv.Atoi(m[2])
	shifted := regexp.MustCompile(`\{` + m[1] + `\.\.` + m[2] + `([+-]\d+)\}`)
	var out []string
	for n := first; n <= last; n++ {
		l := strings.ReplaceAll(line, m[0], strconv.Itoa(n))
		l = shifted.ReplaceAllStringFunc(l, func(s string) string {
			offset, _ := strconv.Atoi(shifted.FindStringSubmatch(s)[1])
			return strconv.Itoa(n + offset)
		})
		out = append(out, expand(l)...)
	}
	return out
}

// without returns the tree less the entries at and below the given paths.
func without(tree fstest.MapFS, paths ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for name, file := range tree {
		keep := true
		for _, p := range paths {
			if name == p || strings.HasPrefix(name, p+"/") {
				keep = false
			}
		}
		if keep {
			out[name] = file
		}
	}
	return out
}

// broken is a filesystem in which the entries at and below some paths answer
// with an error, as a dying disk or a strict security module would.
type broken struct {
	fstest.MapFS
	paths []string
	err   error
}

func (b broken) check(op, name string) error {
	for _, p := range b.paths {
		if name == p || strings.HasPrefix(name, p+"/") {
			return &fs.PathError{Op: op, Path: name, Err: b.err}
		}
	}
	return nil
}

func (b broken) Open(name string) (fs.File, error) {
	if err := b.check("open", name); err != nil {
		return nil, err
	}
	return b.MapFS.Open(name)
}

func (b broken) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := b.check("readdir", name); err != nil {
		return nil, err
	}
	return b.MapFS.ReadDir(name)
}

func (b broken) Stat(name string) (fs.FileInfo, error) {
	if err := b.check("stat", name); err != nil {
		return nil, err
	}
	return b.MapFS.Stat(name)
}

func (b broken) ReadLink(name string) (string, error) {
	if err := b.check("readlink", name); err != nil {
		return "", err
	}
	return b.MapFS.ReadLink(name)
}
