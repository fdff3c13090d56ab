package main

import (
	"strings"
	"testing"
)

func TestOnlyRootMayLookAfterLinksAndOnlyAfterLinks(t *testing.T) {
	for _, verb := range []string{"add", "remove"} {
		if c := agent("eni", verb, "ens5").by(1000).run(t); c.code != 1 || !strings.Contains(c.stderr, "not started as root") {
			t.Errorf("%s by a person: %d, %s", verb, c.code, c.stderr)
		}
		if c := agent("eni", verb, "../ens5").run(t); c.code != 1 || !strings.Contains(c.stderr, `cannot use "../ens5" as the name of a network interface`) {
			t.Errorf("%s a path: %d, %s", verb, c.code, c.stderr)
		}
		if c := agent("eni", verb).run(t); c.code != 1 {
			t.Errorf("%s nothing: %d", verb, c.code)
		}
	}
	if c := agent("--help").run(t); strings.Contains(c.stdout, "eni ") {
		t.Errorf("the help lists what units call: %s", c.stdout)
	}
}
