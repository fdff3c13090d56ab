package cel

import (
	"errors"
	"testing"
)

func TestCheckFindsWhatIsWrongWhateverTheValues(t *testing.T) {
	for text, want := range map[string]string{
		"max_pods":                       "",
		"max_pods / (max_pods - 29)":     "",
		"1.5 * double(max_pods)":         "",
		`"29"`:                           "",
		"max_pods > 5 ? 5 : max_pods":    "",
		"[1, 2][max_pods]":               "",
		"max_pods +":                     "column 11: the expression ends where a value should be",
		"max_pod + 1":                    "column 1: there is no variable max_pod",
		"max_pods * 1.5":                 "column 10: * does not work on int and double; convert with int() or double()",
		"max_pods > 5":                   "column 10: a result of type bool is no number",
		"[max_pods]":                     "column 1: a result of type list(int) is no number",
		"null":                           "column 1: a result of type null is no number",
		"":                               "column 1: the expression ends where a value should be",
		"9223372036854775807 + max_pods": "",
	} {
		err := Check(text, "max_pods")
		got := ""
		if err != nil {
			got = err.Error()
			var p interface {
				Column() int
				Message() string
			}
			if !errors.As(err, &p) || p.Column() < 1 || p.Message() == "" {
				t.Errorf("%s: %v has no place", text, err)
			}
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
