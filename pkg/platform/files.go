package platform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
)

// maxText bounds one configuration text. EC2 user data is at most 16 KiB; a
// file on disk may be larger, but not by this much.
const maxText = 16 << 20

// Open returns the source of a URI: file://PATH for a file or for a folder of
// drop-ins (*.yaml, *.yml and *.json in lexical order, not its subfolders), "-"
// for stdin, and whatever the platform itself knows.
func Open(p Platform, uri string, stdin io.Reader) (Source, error) {
	switch {
	case uri == "-":
		return Source{Name: "-", Read: func(ctx context.Context) ([]Text, error) { return readStdin(ctx, stdin) }}, nil
	case strings.HasPrefix(uri, "file://"):
		path := localPath(strings.TrimPrefix(uri, "file://"))
		if path == "" {
			return Source{}, fault.New(fault.ConfigUnreadable, "Write file:// and a path, such as file:///etc/eksnode/config.d.", fmt.Errorf("cannot open source %q: it names no path", uri))
		}
		return Source{Name: uri, Read: func(context.Context) ([]Text, error) { return readPath(path) }}, nil
	}
	if p.Source != nil {
		if s, ok := p.Source(uri); ok {
			return s, nil
		}
	}
	return Source{}, fault.New(fault.ConfigUnreadable, "Known are file://PATH, - (standard input) and, on EC2, imds://user-data.", fmt.Errorf("cannot open source %q: unsupported scheme", uri))
}

// localPath is the path of a file URI's rest. Windows' own URIs have a slash before
// the drive, as in file:///C:/node.yaml, which is no part of the path; elsewhere no
// path begins with a volume.
func localPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "/"); ok && filepath.VolumeName(rest) != "" {
		return filepath.FromSlash(rest)
	}
	return path
}

// readPath reads a file or the drop-ins of a folder. A path that does not
// exist holds nothing.
func readPath(path string) ([]Text, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	if !info.IsDir() {
		return readFile(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	var names []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".yaml", ".yml", ".json":
			if !e.IsDir() {
				names = append(names, e.Name())
			}
		}
	}
	slices.Sort(names)
	var texts []Text
	for _, n := range names {
		t, err := readFile(filepath.Join(path, n))
		if err != nil {
			return nil, err
		}
		texts = append(texts, t...)
	}
	return texts, nil
}

func readFile(path string) ([]Text, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	return readAll("file://"+path, f)
}

// readStdin waits no longer than ctx for someone who may never type anything. A
// read that has begun cannot be called back; it ends with the program.
func readStdin(ctx context.Context, stdin io.Reader) ([]Text, error) {
	type result struct {
		texts []Text
		err   error
	}
	done := make(chan result, 1)
	go func() {
		texts, err := readAll("-", stdin)
		done <- result{texts, err}
	}()
	select {
	case r := <-done:
		return r.texts, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot read configuration from standard input: %w", context.Cause(ctx))
	}
}

// readAll reads one text, and one byte more than is allowed so that a text
// which is too long is seen.
func readAll(name string, r io.Reader) ([]Text, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxText+1))
	if err != nil {
		return nil, unreadable(name, err)
	}
	if len(b) > maxText {
		return nil, unreadable(name, fmt.Errorf("more than %d MiB", maxText>>20))
	}
	return []Text{{Name: name, Body: b}}, nil
}

func unreadable(name string, err error) error {
	return fault.New(fault.ConfigUnreadable, "Check that the path is right and readable by root.", fmt.Errorf("cannot read configuration %s: %w", name, err))
}
