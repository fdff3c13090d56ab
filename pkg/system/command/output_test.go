package command

import (
	"slices"
	"testing"
)

func TestWhatIsHiddenInTheOutput(t *testing.T) {
	got := secrets(map[string]string{
		"PATH": "/usr/bin", "no_proxy": "localhost", "EKSNODE_REGION": "us-west-2", markVariable: "0123456789",
		"EKSNODE_TOKEN": "a person's own",
		"HTTPS_PROXY":   "http://robot:pa%40ss@word@proxy.example:3128",
		"ADDRESS":       "http://example.com/a:b@c",
		"KEY":           "first\n second\nabc",
	})
	want := []string{
		"http://robot:pa%40ss@word@proxy.example:3128", "http://example.com/a:b@c", "a person's own",
		"pa%40ss@word", "pa@ss@word", "second", "first",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
