package api

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// excerpt returns a source line as it may be shown to anyone, and the column of
// the caret in it, or 0 if the column is not in what is shown.
func excerpt(t *text, line, column int) (string, int) {
	const farthest = 32 << 10 // no one looks for a column beyond
	if column > farthest {
		return "", 0
	}
	full := []rune(visible(cut(t.line(line), column)))
	shown := []rune(hideSecrets(t, line, string(full)))
	if column > len(full)+1 {
		column = 0
	}
	// A caret is right only as far as nothing before it was hidden.
	for i := 0; i < column-1; i++ {
		if i >= len(shown) || shown[i] != full[i] {
			column = 0
			break
		}
	}
	from := 0
	if column > maxExcerpt {
		from = column - maxExcerpt/2
	}
	out := string(shown[min(from, len(shown)):])
	if utf8.RuneCountInString(out) > maxExcerpt {
		out = string([]rune(out)[:maxExcerpt]) + "…"
	}
	if from > 0 {
		return "…" + out, column - from + 1
	}
	return strings.TrimRight(out, " "), column
}

// cut bounds the work on a long line; what follows the column matters little.
func cut(line string, column int) string {
	limit := max(column, 0)*utf8.UTFMax + 4*maxExcerpt
	if len(line) > limit {
		return line[:limit]
	}
	return line
}

// visible replaces each character that a terminal would not show in one column, or
// would obey.
func visible(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return '→'
		case r == 0:
			return '␀'
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '·'
		}
		return r
	}, s)
}

var (
	// userinfo of a URL, as in http://user:password@proxy:3128.
	secretURL = lazyregexp.New(`(://)[^/@\s"']+@`)
	// a key that by its name holds a secret, in YAML, JSON or TOML.
	secretKey = lazyregexp.New(`(?i)((?:(?:password|passwd|secret|token|credential)[a-z_-]*|\bauth)["']?\s*[:=]\s*)\S.*`)
	// spec.instance.environment, or env of a program, or one of their keys in flow
	// style.
	environmentKey = lazyregexp.New(`(^|[\s{,"'])env(?:ironment)?["']?\s*:`)
	// a proxy, which is a secret as a whole, and no URL that begins with the scheme.
	proxyKey = lazyregexp.New(`((?:^|[\s{,"'])https?(?:["']\s*:\s*|:\s+))\S.*`)
)

// hideSecrets blanks what may be secret in a line of a document that may not even
// be well formed: environment values, proxies, URL passwords, values of telling keys.
func hideSecrets(t *text, n int, line string) string {
	if at := environmentKey.FindStringIndex(line); at != nil {
		if rest := strings.TrimSpace(line[at[1]:]); rest != "" && rest != "{}" {
			return line[:at[1]] + " " + redacted
		}
		return line
	}
	if insideEnvironment(t, n) {
		return hideValue(line)
	}
	return hideTelling(proxyKey.ReplaceAllString(line, "${1}"+redacted))
}

// hideTelling blanks what looks like a secret wherever it stands.
func hideTelling(line string) string {
	line = secretURL.ReplaceAllString(line, "${1}"+redacted+"@")
	return secretKey.ReplaceAllString(line, "${1}"+redacted)
}

// hideValue keeps a line's key and hides the rest.
func hideValue(line string) string {
	if strings.TrimSpace(line) == "" {
		return line
	}
	if i := strings.IndexByte(line, ':'); i >= 0 && !strings.ContainsAny(line[:i], "=/@{") {
		if strings.TrimSpace(line[i+1:]) == "" {
			return line
		}
		return line[:i+1] + " " + redacted
	}
	indent := len(line) - len(strings.TrimLeft(line, " →"))
	return line[:indent] + redacted
}

// insideEnvironment reports whether a line belongs to an environment block, going
// by indentation alone: it is asked about documents that do not parse, too.
func insideEnvironment(t *text, n int) bool {
	const reach = 5000 // lines looked back at
	indent := indentation(t.line(n))
	for i := n - 1; i > 0 && i > n-reach && indent > 0; i-- {
		line := t.line(i)
		if strings.TrimSpace(line) == "" {
			continue
		}
		at := indentation(line)
		if at >= indent {
			continue
		}
		if environmentKey.MatchString(line) {
			return true
		}
		indent = at
	}
	return false
}

// indentation counts a tab as eight columns, as most editors show it.
func indentation(line string) int {
	blank := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	return len(blank) + 7*strings.Count(blank, "\t")
}
