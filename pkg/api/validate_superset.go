package api

import (
	"errors"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/eksnode/eksnode/internal/cel"
	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// superset checks the fields that only APIVersionSuperset has.
func (c *checker) superset() {
	c.nodeName()
	c.nodeLabels()
	c.nodeAnnotations()
	c.taints()
	c.cni()
	c.reserved()
	c.registries()
	c.imageCredentials()
	c.proxy()
	c.sysctls()
	c.hugePages()
	c.kernelModules()
	c.ulimits()
	c.swap()
	c.staticPods()
	c.hooks()
	c.timeSync()
	c.readiness()
	c.accelerators()
}

// choice checks a value of an enum, which must be written exactly. It returns false
// if it is another one or none.
func (c *checker) choice(n *node, at string, known []string) bool {
	switch {
	case n.empty():
		return false
	case slices.Contains(known, n.scalar):
		return true
	}
	remedy := ""
	if best, ok := nearest(n.scalar, known); ok {
		remedy = "did you mean " + best + "?"
	}
	c.fail(n, at, orTemplate(n.scalar, remedy), "unknown value %s; known are %s", quoteName(n.scalar), strings.Join(known, ", "))
	return false
}

// required reports a field that an entry of a list or mapping must have. It returns
// false if the field has no value.
func (c *checker) required(entry *node, at, name, remedy string) bool {
	n := entry.get(name)
	if !n.empty() {
		return true
	}
	at = childPath(at, name)
	switch {
	case c.m.rejected[at], c.m.rejected[itemPath(at, 0)]:
	case n != nil:
		c.say(Error, CodeMissingField, n, at, remedy, "required, but empty")
	default:
		c.say(Error, CodeMissingField, entry, at, remedy, "required, but missing")
	}
	return false
}

// failInside reports an error about a place inside a string, at a byte offset.
func (c *checker) failInside(n *node, offset int, path, remedy, format string, args ...any) {
	var at Pos
	if n.src != nil {
		at = n.src.pos(n.inside(offset))
	}
	c.report.errorf(n.src, at, CodeInvalidValue, path, remedy, format, args...)
}

// inside returns the line and column in the node's source of a byte offset of its
// text, or those of the node where the text is written in another way.
func (n *node) inside(offset int) (line, col int) {
	before := n.scalar[:min(offset, len(n.scalar))]
	if n.block {
		row := strings.Count(before, "\n")
		line, col, _ := n.inner().at(row+1, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:])+1)
		return line, col
	}
	rest, col := n.src.line(n.line), n.col
	for range col - 1 {
		_, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
	}
	if strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "'") {
		rest, col = rest[1:], col+1
	}
	if !strings.HasPrefix(rest, before) {
		return n.line, n.col
	}
	return n.line, col + utf8.RuneCountInString(before)
}

// references checks the references to facts in a value. It returns the value with
// each of them replaced by a letter, and their number; ok is false if one of them
// was reported.
func (c *checker) references(n *node, at string) (opaque string, count int, ok bool) {
	refs, err := scanReferences(n.scalar)
	if err != nil {
		last := refs[len(refs)-1]
		c.failInside(n, last.Start, at, "write ${NAME}, or $$ where a dollar sign is meant", "the reference to a fact has no closing brace")
		return "", len(refs), false
	}
	ok = true
	var b strings.Builder
	from := 0
	for _, r := range refs {
		if p := r.problem(); p != "" && !c.report.full() {
			c.failInside(n, r.Start, at, r.remedy(), "%s: %s", quoteName("${"+r.Name+"}"), p)
			ok = false
		}
		b.WriteString(undollar(n.scalar[from:r.Start]) + "x")
		from = r.End
	}
	b.WriteString(undollar(n.scalar[from:]))
	return b.String(), len(refs), ok
}

// expression compiles an expression. It returns false if it reported something.
func (c *checker) expression(n *node, at, remedy string, variables ...string) bool {
	if len(n.scalar) > maxExpressionBytes {
		c.fail(n, at, "", "the expression has %d bytes; at most %d are read", len(n.scalar), maxExpressionBytes)
		return false
	}
	err := cel.Check(n.scalar, variables...)
	if err == nil {
		least := int64(0)
		if strings.HasSuffix(at, ".maxPodsExpression") {
			least = 1
		}
		return c.tried(n, at, remedy, least, variables)
	}
	var place interface {
		Column() int
		Message() string
	}
	if !errors.As(err, &place) {
		c.fail(n, at, remedy, "%s", err)
		return false
	}
	offset := len(string([]rune(n.scalar)[:min(place.Column()-1, utf8.RuneCountInString(n.scalar))]))
	c.failInside(n, offset, at, remedy, "%s", place.Message())
	return false
}

// absolute checks a path of the machine. It returns false if it reported something.
func (c *checker) absolute(n *node, at, remedy string) bool {
	p := n.scalar
	switch {
	case strings.ContainsFunc(p, control):
		c.fail(n, at, "", "the path holds a control character")
	case !strings.HasPrefix(p, "/"):
		c.fail(n, at, orTemplate(p, remedy), "%s is not an absolute path", quoteName(p))
	case slices.Contains(strings.Split(p, "/"), ".."):
		c.fail(n, at, "write the file that is meant", "%s holds \"..\"", quoteName(p))
	case path.Clean(p) == "/":
		c.fail(n, at, remedy, "the root directory is no file")
	case path.Clean(p) != p:
		c.fail(n, at, "write "+path.Clean(p), "%s is not a clean path", quoteName(p))
	default:
		return true
	}
	return false
}

// duration checks a Go duration against its bounds, ends included.
func (c *checker) duration(n *node, at string, least, most time.Duration) {
	d, err := time.ParseDuration(n.scalar)
	switch {
	case err != nil && wholeForm.MatchString(n.scalar):
		c.fail(n, at, "write "+n.scalar+"s if seconds are meant", "%s has no unit", quoteName(n.scalar))
	case err != nil:
		remedy := "write a number and a unit: 30s, 5m, 1h30m"
		if meant := durationMeant(n.scalar); meant != "" {
			remedy = "write " + meant
		}
		c.fail(n, at, remedy, "%s is no duration", quoteName(n.scalar))
	case d < least:
		c.fail(n, at, "", "%s is too short; the least is %s", n.scalar, shortDuration(least))
	case d > most:
		c.fail(n, at, "", "%s is too long; the most is %s", n.scalar, shortDuration(most))
	}
}

// durationForm is one number with a unit as people write it.
var durationForm = lazyregexp.New(`(?i)^([0-9]+) *(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)$`)

// durationMeant writes a duration as Go does, or returns "".
func durationMeant(s string) string {
	m := durationForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return ""
	}
	unit := strings.ToLower(m[2][:1])
	if days, err := strconv.Atoi(m[1]); unit == "d" && err == nil {
		return strconv.Itoa(24*days) + "h"
	}
	return m[1] + unit
}

// shortDuration leaves out the minutes and seconds that are zero: 1h0m0s is 1h.
func shortDuration(d time.Duration) string {
	s := d.String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}

// quantity checks a Kubernetes quantity and returns it in thousandths.
func (c *checker) quantity(n *node, at string) (milli int64, ok bool) {
	milli, err := ParseQuantity(n.scalar)
	if err != nil {
		remedy := ""
		if best := quantitySuffix(n.scalar); best != "" {
			remedy = "write " + best
		}
		c.fail(n, at, orTemplate(n.scalar, remedy), "%s", strings.TrimPrefix(err.Error(), "cannot read quantity "))
	}
	return milli, err == nil
}

// quantitySuffix corrects the unit of a quantity as other programs write it, or
// returns "".
func quantitySuffix(s string) string {
	i := strings.LastIndexAny(s, "0123456789.") + 1
	number, unit := s[:i], strings.ToLower(strings.TrimSpace(s[i:]))
	to, ok := map[string]string{
		"k": "k", "kb": "k", "mb": "M", "gb": "G", "tb": "T", "g": "G", "t": "T", "ki": "Ki", "kib": "Ki",
		"mi": "Mi", "mib": "Mi", "gi": "Gi", "gib": "Gi", "ti": "Ti", "tib": "Ti", "b": "",
	}[unit]
	if _, err := ParseQuantity(number + to); err != nil || !ok {
		return ""
	}
	return number + to
}

// environmentNames checks the names of variables that a program is given.
func (c *checker) environmentNames(env *node, at string) {
	for _, v := range env.entries() {
		if !variableNameForm.MatchString(v.name) {
			c.keyFail(v, at, "names have letters, digits and underscores, and do not begin with a digit",
				"%s is no name of an environment variable", quoteName(v.name))
		}
	}
}

var (
	wholeForm = lazyregexp.New(`^[0-9]+$`)
	// names that can be those of files anywhere.
	fileNameForm = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// fileName reports whether a name is safe for a file of its own.
func fileName(s string, longest int) bool { return len(s) <= longest && fileNameForm.MatchString(s) }

const fileNameRemedy = "names have letters, digits, points, hyphens and underscores, and begin with a letter or digit"

func control(r rune) bool { return r < ' ' || r == 0x7f }

// isTrue reports whether a boolean is there and on.
func (n *node) isTrue() bool { return n != nil && n.kind == boolNode && n.scalar == "true" }
