package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTextBecomesOnePrintableLine(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"plain", "eksnode: node is Ready", "eksnode: node is Ready"},
		{"several lines", "a\n  b\r\nc\n", "a b c"},
		{"escape sequence", "a\x1b[2Jb", "a?[2Jb"},
		{"broken UTF-8", "a\xffb", "a\ufffdb"},
		{"too long", strings.Repeat("é", width+1), strings.Repeat("é", width) + "…"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := line(row.in); got != "\r\n"+row.want+"\r\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestALineReachesItsDevice(t *testing.T) {
	device := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(device, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	Say(device, "hello")
	if got, err := os.ReadFile(device); err != nil || string(got) != "\r\nhello\r\n" {
		t.Errorf("got %q (%v)", got, err)
	}
}

func TestAMachineWithoutConsoleIsNoError(t *testing.T) {
	Say(filepath.Join(t.TempDir(), "none"), "hello")
	Say(t.TempDir(), "hello")
}
