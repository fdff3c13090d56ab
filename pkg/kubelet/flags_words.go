package kubelet

import (
	"strings"
)

// word is one word of a command line: raw as it is written, text as the program
// gets it.
type word struct{ raw, text string }

// words splits text as systemd splits a variable on a command line
// (systemd.service(5), "Command lines"; extract_first_word with
// EXTRACT_UNQUOTE|EXTRACT_RELAX): at blanks, with quotes of both kinds grouping and
// a backslash standing for the next character. A quote without its end holds to
// the end of the text.
func words(text string) []word {
	var out []word
	var b strings.Builder
	start, quote, escaped := -1, rune(0), false
	finish := func(end int) {
		if start >= 0 {
			out = append(out, word{text[start:end], b.String()})
		}
		start = -1
		b.Reset()
	}
	for i, r := range text {
		blank := r == ' ' || r == '\t'
		if start < 0 && !blank {
			start = i
		}
		switch {
		case escaped:
			escaped = false
			b.WriteRune(r)
		case r == '\\':
			escaped = true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			b.WriteRune(r)
		case r == '"' || r == '\'':
			quote = r
		case blank:
			finish(i)
		default:
			b.WriteRune(r)
		}
	}
	finish(len(text))
	return out
}

// given is one occurrence of a flag among words.
type given struct {
	value string
	// first and last are the indices of the flag's words.
	first, last int
}

// occurrences returns where a flag that takes a value is given, in order: as
// --name=value or as two words. kubelet reads _ in a flag's name as - (WordSepNormalizeFunc
// of k8s.io/component-base/cli/flag).
func occurrences(ws []word, name string) []given {
	var out []given
	for i := 0; i < len(ws); i++ {
		flag, ok := strings.CutPrefix(ws[i].text, "--")
		if !ok {
			continue
		}
		if flag == "" { // what follows are no flags any more
			break
		}
		n, value, joined := strings.Cut(flag, "=")
		if strings.ReplaceAll(n, "_", "-") != name {
			continue
		}
		g := given{value: value, first: i, last: i}
		if !joined {
			if i+1 == len(ws) {
				break // kubelet will say that the value is missing
			}
			i++
			g.value, g.last = ws[i].text, i
		}
		out = append(out, g)
	}
	return out
}

// without returns the words, as they are written, that do not belong to the
// occurrences.
func without(ws []word, drop []given) []string {
	var out []string
	for i, w := range ws {
		dropped := false
		for _, g := range drop {
			dropped = dropped || g.first <= i && i <= g.last
		}
		if !dropped {
			out = append(out, w.raw)
		}
	}
	return out
}
