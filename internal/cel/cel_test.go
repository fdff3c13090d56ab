package cel

import (
	_ "embed"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

//go:embed testdata/reference.tsv
var reference string

// vars are the variables with which the reference answers were made.
var vars = map[string]int64{"default_enis": 3, "ips_per_eni": 10, "max_pods": 29}

func TestAnswersAreThoseOfTheReferenceImplementation(t *testing.T) {
	rows := 0
	for line := range strings.Lines(reference) {
		text, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok {
			t.Fatalf("no tab in %q", line)
		}
		rows++
		got, err := Int(text, vars)
		switch {
		case want == "error" && err == nil:
			t.Errorf("%s: got %d, want an error", text, got)
		case want != "error" && err != nil:
			t.Errorf("%s: got %v, want %s", text, err, want)
		case want != "error" && strconv.FormatInt(got, 10) != want:
			t.Errorf("%s: got %d, want %s", text, got, want)
		}
	}
	if rows < 100 {
		t.Errorf("only %d rows: the file was not read rightly", rows)
	}
}

func TestErrorsNameTheColumnAndWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "column 1: the expression ends where a value should be",
		"   ":                           "column 4: the expression ends where a value should be",
		"max_pods +":                    "column 11: the expression ends where a value should be",
		"max_pods 2":                    "column 10: a literal stands where an operator should be",
		"max_pod":                       "column 1: there is no variable max_pod",
		"max_pods * 0.8":                "column 10: * does not work on int and double; convert with int() or double()",
		"min(1, 2)":                     "column 1: there is no function min here; there are double, int, size, string, uint",
		"math.least(1, 2)":              "column 6: there is no function least on a value here",
		"max_pods.field":                "column 10: fields are not supported here",
		"max_pods / 0":                  "column 10: / by zero",
		"9223372036854775807 + 1":       "column 21: + overflows",
		"{1: 2}[1]":                     "column 1: maps and messages are not supported here",
		"timestamp('2020')":             "column 1: there is no function timestamp here; there are double, int, size, string, uint",
		"'é' + max_pods":                "column 5: + does not work on string and int; convert with int() or double()",
		"b'x'":                          "column 1: strings with the prefix b are not supported here",
		"'''x'''":                       "column 1: strings in triple quotes are not supported here",
		"'\\n'":                         "column 1: this escape is not supported here",
		"[1, 'a']":                      "column 5: string stands in a list of int",
		"[1].map(2, 3)":                 "column 5: map needs a variable and an expression",
		"[1].all(x, x)":                 "column 12: the expression of all is int, not bool",
		"max_pods > 1":                  "column 10: a result of type bool is no number",
		"[max_pods]":                    "column 1: a result of type list is no number",
		"max_pods > 1 ? 1.0 : 'x'":      "column 14: the two sides of ?: are double and string",
		"[1][1]":                        "column 4: the list of 1 has no item 1",
		"9223372036854775808":           "column 1: the number is too large",
		"99999999999999999999":          "column 1: 99999999999999999999 is no number, or too large a one",
		"\x00":                          `column 1: '\x00' has no meaning here`,
		strings.Repeat("(", 200):        "column 101: the expression is nested deeper than 100",
		strings.Repeat("-", 200):        "column 100: the expression is nested deeper than 100",
		strings.Repeat("1+", 200) + "1": "column 200: the expression is nested deeper than 100",
		strings.Repeat(" ", 5000):       "column 1: the expression is longer than 4096 bytes",
	} {
		_, err := Int(text, vars)
		if err == nil || err.Error() != want {
			t.Errorf("%.40s: got %v, want %s", text, err, want)
		}
	}
}

func TestAnExpressionThatWouldRunForeverIsStopped(t *testing.T) {
	list := "[1,1,1,1,1,1,1,1,1,1]"
	text := "size(" + list + strings.Repeat(".map(a, "+list, 5) + strings.Repeat(")", 5) + ")"
	_, err := Int(text, nil)
	if err == nil || !strings.Contains(err.Error(), "takes more than 100000 steps") {
		t.Fatalf("got %v", err)
	}
}

func FuzzInt(f *testing.F) {
	for line := range strings.Lines(reference) {
		text, _, _ := strings.Cut(line, "\t")
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		first, errFirst := Int(text, vars)
		second, errSecond := Int(text, vars)
		if first != second || (errFirst == nil) != (errSecond == nil) {
			t.Fatalf("%q gives %d, %v and then %d, %v", text, first, errFirst, second, errSecond)
		}
		if errFirst != nil && utf8.ValidString(text) && !strings.HasPrefix(errFirst.Error(), "column ") {
			t.Fatalf("%q: no column in %q", text, errFirst)
		}
	})
}
