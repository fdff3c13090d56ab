package platform

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
)

// texts opens and reads a URI on a place that knows nothing but files.
func texts(t *testing.T, uri string) ([]Text, error) {
	t.Helper()
	s, err := Open(Platform{}, uri, strings.NewReader("from stdin"))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != uri {
		t.Errorf("%s goes by the name %s", uri, s.Name)
	}
	return s.Read(t.Context())
}

// shown is a text as name and body, with the test's own folder cut off.
func shown(dir string, all []Text) []string {
	var out []string
	for _, x := range all {
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(x.Name, "file://"+dir), string(filepath.Separator))+"="+string(x.Body))
	}
	return out
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderHoldsItsDropInsInLexicalOrder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"20-b.yml", "10-a.yaml", "100.json", "UP.YAML", "readme.md", "10-a.yaml.bak", "yaml", "sub.yaml/30.yaml"} {
		put(t, filepath.Join(dir, name), name)
	}
	got, err := texts(t, "file://"+dir)
	if want := []string{"10-a.yaml=10-a.yaml", "100.json=100.json", "20-b.yml=20-b.yml", "UP.YAML=UP.YAML"}; err != nil || !slices.Equal(shown(dir, got), want) {
		t.Errorf("got %v, %v; want %v", shown(dir, got), err, want)
	}
	// A file that is named is read whatever its name is.
	got, err = texts(t, "file://"+filepath.Join(dir, "readme.md"))
	if want := []string{"readme.md=readme.md"}; err != nil || !slices.Equal(shown(dir, got), want) {
		t.Errorf("got %v, %v; want %v", shown(dir, got), err, want)
	}
}

func TestWhatIsNotThereHoldsNothing(t *testing.T) {
	dir := t.TempDir()
	for _, uri := range []string{"file://" + dir, "file://" + filepath.Join(dir, "none"), "file://" + filepath.Join(dir, "none", "none.yaml")} {
		if got, err := texts(t, uri); err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", uri, got, err)
		}
	}
}

func TestAPathMayBeRelativeAsNodeadmHasIt(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "conf", "1.yaml"), "one")
	t.Chdir(dir)
	for uri, name := range map[string]string{"file://conf/1.yaml": "file://conf/1.yaml", "file://conf": "file://" + filepath.Join("conf", "1.yaml")} {
		got, err := texts(t, uri)
		if err != nil || len(got) != 1 || got[0].Name != name || string(got[0].Body) != "one" {
			t.Errorf("%s: %v, %v", uri, got, err)
		}
	}
}

func TestStandardInputIsOneText(t *testing.T) {
	got, err := texts(t, "-")
	if want := []string{"-=from stdin"}; err != nil || !slices.Equal(shown("", got), want) {
		t.Errorf("got %v, %v", shown("", got), err)
	}
}

func TestNobodyTypingDoesNotHoldUpTheEnd(t *testing.T) {
	silent, typist := io.Pipe()
	defer typist.Close()
	s, err := Open(Platform{}, "-", silent)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("told to stop"))
	done := make(chan error, 1)
	go func() { _, err := s.Read(ctx); done <- err }()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "told to stop") {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("still reading")
	}
}

// failing is a stream that breaks after a while.
func failing() io.Reader {
	return io.MultiReader(strings.NewReader("kind"), io.LimitReader(brokenReader{}, 1))
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestATextIsBounded(t *testing.T) {
	full := make([]byte, maxText)
	got, err := readAll("x", bytes.NewReader(full))
	if err != nil || len(got) != 1 || len(got[0].Body) != maxText {
		t.Errorf("the largest text: %v", err)
	}
	if _, err := readAll("x", io.MultiReader(bytes.NewReader(full), strings.NewReader("1"))); fault.CodeOf(err) != fault.ConfigUnreadable || !strings.Contains(err.Error(), "more than 16 MiB") {
		t.Errorf("one byte more: %v", err)
	}
	if _, err := readAll("x", failing()); fault.CodeOf(err) != fault.ConfigUnreadable || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("a broken stream: %v", err)
	}
}

func TestWhatIsThereAndCannotBeReadEndsTheRun(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a", "1.yaml"), "one")
	large := filepath.Join(dir, "b", "2.yaml")
	put(t, large, "")
	if err := os.Truncate(large, maxText+1); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "b", "1.yaml"), "one")
	for _, uri := range []string{"file://" + large, "file://" + filepath.Join(dir, "b")} {
		got, err := texts(t, uri)
		if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigUnreadable || !strings.Contains(err.Error(), "2.yaml") || got != nil {
			t.Errorf("%s: %v, %v", uri, got, err)
		}
	}
}

func TestADriveOfWindowsHasASlashBeforeItInURIs(t *testing.T) {
	here := runtime.GOOS == "windows"
	for path, drive := range map[string]string{"/C:/node.yaml": `C:\node.yaml`, "/z:/a/b": `z:\a\b`, "/etc/x": "", `C:\node.yaml`: "", "C:/node.yaml": "", "a/b": "", "/": "", "": ""} {
		want := path
		if here && drive != "" {
			want = drive
		}
		if got := localPath(path); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	path := filepath.Join(t.TempDir(), "1.yaml")
	put(t, path, "one")
	uri := "file://" + filepath.ToSlash(path)
	if here {
		uri = "file:///" + filepath.ToSlash(path)
	}
	if got, err := texts(t, uri); err != nil || len(got) != 1 || got[0].Name != "file://"+path || string(got[0].Body) != "one" {
		t.Errorf("%s: %v, %v", uri, got, err)
	}
}

func TestURIsOfOneKindOnlyAreKnownEverywhere(t *testing.T) {
	p := Platform{Source: func(uri string) (Source, bool) {
		return Source{Name: "mine"}, strings.HasPrefix(uri, "moon://")
	}}
	if s, err := Open(p, "moon://base", nil); err != nil || s.Name != "mine" {
		t.Errorf("%v, %v", s, err)
	}
	for _, uri := range []string{"", "file://", "file:/etc/x", "/etc/x", "s3://bucket/key", "FILE:///etc/x", "imds://user-data"} {
		for _, place := range []Platform{p, {}} {
			if _, err := Open(place, uri, nil); fault.CodeOf(err) != fault.ConfigUnreadable {
				t.Errorf("%q: %v", uri, err)
			}
		}
	}
}
