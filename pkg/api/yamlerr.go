package api

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

var yamlErrorForm = lazyregexp.New(`^yaml: (?:line (\d+): )?(.*)$`)

// bareReference is a value with a reference in a flow list or mapping.
var bareReference = lazyregexp.New(`[\[{,].*?[:,\[{]\s*([^\s"',\[\]{}]*\$\{)`)

// syntaxError reports why a text is not YAML, in words that say what to change.
func (d *decoder) syntaxError(t *text, err error) {
	line, cause := 0, err.Error()
	if m := yamlErrorForm.FindStringSubmatch(cause); m != nil {
		line, _ = strconv.Atoi(m[1])
		cause = m[2]
	}
	line = min(max(line, 1), len(t.starts))
	if at, n := tabIndent(t, line); at > 0 {
		more := ""
		if n > 1 {
			more = "; " + plural(n, "line") + " of this text are"
		}
		d.report.errorf(t, t.pos(at, strings.IndexByte(t.line(at), '\t')+1), CodeBadSyntax, "",
			"use spaces: in vi :set expandtab and :retab", "the line is indented with a tab, which YAML does not allow%s", more)
		return
	}
	at, col, message, remedy := explain(t, line, cause)
	d.report.errorf(t, t.pos(at, col), CodeBadSyntax, "", remedy, "%s", message)
}

// tabIndent finds the line with a tab in its indentation that is nearest to where
// the parser gave up, and how many such lines there are.
func tabIndent(t *text, near int) (line, count int) {
	for n := range len(t.starts) {
		s := t.line(n + 1)
		blank := strings.TrimLeft(s, " \t")
		if blank == "" || !strings.Contains(s[:len(s)-len(blank)], "\t") {
			continue
		}
		count++
		if line == 0 || abs(n+1-near) < abs(line-near) {
			line = n + 1
		}
	}
	if abs(line-near) > 1 {
		return 0, 0 // tabs inside a block of text; the error is another
	}
	return line, count
}

func abs(n int) int { return max(n, -n) }

// explain translates the parser's causes. The parser names only a line, and often
// the one before or after; the place is found by looking for what the cause is
// about.
func explain(t *text, line int, cause string) (at, col int, message, remedy string) {
	has := func(s string) bool { return strings.Contains(cause, s) }
	here := firstColumn(t.line(line))
	if has("expected ':'") || has("expected key") || has("block mapping") || has("mapping values") {
		for _, n := range []int{line, line - 1, line + 1} {
			if col := missingSpace(t.line(n)); col > 0 {
				return n, col, "there is no space after the colon", "write KEY: VALUE, with a space between"
			}
		}
	}
	switch {
	case has("cannot start any token"):
		for _, n := range []int{line, line + 1, line - 1} {
			if col, c := badStart(t.line(n)); col > 0 {
				return n, col, "a value cannot start with " + strconv.Quote(c), "put the value in quotes"
			}
		}
	case has("unknown anchor"):
		name := strings.Trim(strings.TrimSuffix(strings.TrimPrefix(cause, "unknown anchor "), " referenced"), "'")
		at, col = find(t, lazyregexp.New(`(?:^|[\s\[,{])(\*`+regexp.QuoteMeta(name)+`)`))
		return at, col, "the alias *" + name + " names nothing", "a value that starts with * must be in quotes"
	case has("could not find expected ':'"):
		return line, here, "a key without a colon, or text that continues at the wrong indentation", "write key: value, and indent the lines of a text block deeper than its key"
	case has("found unexpected end of stream"), has("found unexpected document indicator"):
		if i := strings.IndexAny(t.line(line), "\"'"); i >= 0 {
			here = utf8.RuneCountInString(t.line(line)[:i]) + 1
		}
		return line, here, "a quoted text is not closed before the document ends", "close the quotes"
	case has("expected ',' or"), has("expected node content"), has("while parsing a flow"):
		for _, n := range []int{line, line + 1, line - 1} {
			if m := bareReference.FindStringSubmatchIndex(t.line(n)); m != nil {
				return n, utf8.RuneCountInString(t.line(n)[:m[2]]) + 1, "a value with \"${\" is not in quotes", "put the value in quotes: between brackets YAML takes { and } for its own"
			}
		}
		if at, col, message = unbalanced(t); message != "" {
			return at, col, message, "check the brackets"
		}
		return line, here, "a list or mapping in brackets is not continued properly here", "check for a missing or superfluous comma or value"
	case has("expected <document start>"):
		return line, here, "there is something after the end of the document", "remove it; documents are divided by a line of three hyphens"
	case has("control characters are not allowed"):
		at, col = controlCharacter(t)
		return at, col, "the text holds a control character", "remove it"
	case has("exceeded max depth"):
		return line, 0, "values are nested too deep", ""
	case has("mapping values are not allowed"):
		for _, n := range []int{line, line + 1} {
			if col := secondColon(t.line(n)); col > 0 {
				return n, col, "there is a second \": \" in this line", "put the value in quotes"
			}
		}
		fallthrough
	case has("expected key"), has("block mapping"), has("expected '-' indicator"):
		if at := misindented(t); at > 0 {
			return at, firstColumn(t.line(at)), "this line is not indented like its neighbours", "give the keys of one mapping, and the items of one list, the same indentation in spaces"
		}
		return line, here, "a key or list item was expected here", "check the indentation and the quotes of this line and the one above"
	}
	return line, here, "not valid YAML: " + cause, ""
}

// badStart finds a value that starts with a character YAML reserves.
func badStart(s string) (col int, char string) {
	for i, r := range s {
		if !strings.ContainsRune("@`%", r) {
			continue
		}
		before := strings.TrimRight(s[:i], " ")
		if before == "" || strings.HasSuffix(before, ":") || strings.HasSuffix(before, "-") || strings.HasSuffix(before, ",") || strings.HasSuffix(before, "[") {
			return utf8.RuneCountInString(s[:i]) + 1, string(r)
		}
	}
	return 0, ""
}

// keyWithoutSpace is a line with a key and its value right behind the colon.
var keyWithoutSpace = lazyregexp.New(`^\s*(?:- )?[A-Za-z][A-Za-z0-9_.-]*:[^\s:/][^:]*$`)

// missingSpace returns the column of a colon without a space behind it, or 0.
func missingSpace(s string) int {
	if !keyWithoutSpace.MatchString(s) {
		return 0
	}
	return utf8.RuneCountInString(s[:strings.IndexByte(s, ':')]) + 1
}

// secondColon returns the column of the second ": " of a line, or 0.
func secondColon(s string) int {
	first := strings.Index(s, ": ")
	if first < 0 {
		return 0
	}
	rest := s[first+2:]
	second := strings.Index(rest, ": ")
	if second < 0 && strings.HasSuffix(strings.TrimRight(rest, " "), ":") {
		second = len(strings.TrimRight(rest, " ")) - 1
	}
	if second < 0 {
		return 0
	}
	return utf8.RuneCountInString(s[:first+2+second]) + 1
}

// firstColumn returns the column of the first character that is not blank.
func firstColumn(s string) int {
	return utf8.RuneCountInString(s[:len(s)-len(strings.TrimLeft(s, " \t"))]) + 1
}
