package lazyregexp

import (
	"os"
	"testing"
)

func TestAWrongPatternIsFoundByEveryTest(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a wrong pattern went unnoticed")
		}
	}()
	New("(")
}

// Not parallel: it changes os.Args.
func TestTheProgramCompilesAtFirstUse(t *testing.T) {
	name := os.Args[0]
	defer func() { os.Args[0] = name }()
	os.Args[0] = "eksnode"
	r := New("(") // would panic
	defer func() {
		if recover() == nil {
			t.Error("it was not compiled at first use")
		}
	}()
	r.MatchString("")
}

func TestItMatchesAsRegexpDoes(t *testing.T) {
	if r := New(`^a(b+)$`); !r.MatchString("abb") || r.MatchString("a") || r.FindStringSubmatch("abb")[1] != "bb" || r.ReplaceAllString("abb", "$1") != "bb" {
		t.Error("wrong answers")
	}
}
