package api

import (
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// shapeRemedy says how a value is written that was given in another shape than its
// field has: a list for a mapping, a word for a list, a word for a mapping. It is ""
// where nothing better than the message can be said. Secrets are not repeated.
func shapeRemedy(n *node, s schema, path string) string {
	switch s.typ {
	case structType:
		return structRemedy(n, s, path)
	case listType, flagsType:
		return listRemedy(n, path)
	case keyedType, structListType:
		return entriesRemedy(n, s)
	case stringMapType, scalarMapType, secretMapType, gatesType, environmentType, structMapType:
		return namesRemedy(n, s)
	case freeType:
		return freeRemedy(n, path)
	}
	return ""
}

// plainWord returns a scalar that may be repeated in a message, or "".
func (n *node) plainWord() string {
	const longest = 200
	if n == nil || n.secret || len(n.scalar) > longest || strings.ContainsAny(n.scalar, "\n\r") || secretURL.MatchString(n.scalar) {
		return ""
	}
	switch n.kind {
	case stringNode, numberNode, boolNode:
		return n.scalar
	}
	return ""
}

// looseForm are words that need no quotes where a number may stand for itself.
var looseForm = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9.]*$`)

// loose writes a value of a field that takes numbers and strings alike.
func loose(value string) string {
	if looseForm.MatchString(value) {
		return value
	}
	return yamlString(value)
}

// flow writes words as a list in brackets, each in quotes.
func flow(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// mainFields are the fields that people mean when they give a word in place of a
// mapping.
func mainFields() map[string]string {
	return map[string]string{
		"cni": "profile", "nodeName": "source", "reserved": "model", "localStorage": "strategy", "timeSync": "servers",
		"credentials": "source", "cluster": "name", "proxy": "https", "network": "nameservers",
	}
}

func structRemedy(n *node, s schema, path string) string {
	if strings.HasPrefix(path, "spec.ulimits.") {
		return limitRemedy(n)
	}
	main, value := mainFields()[s.name], n.plainWord()
	field, known := s.child(main)
	switch {
	case s.name == "swap" && value != "":
		return "write {behavior: LimitedSwap, size: " + loose(value) + "}"
	case known && n.kind == listNode && (field.typ == listType || field.typ == flagsType):
		return "write " + main + ": and the list below it"
	case n.kind == listNode && len(n.items) == 1 && n.items[0].kind == objectNode:
		return `write its fields without "- "`
	case known && n.kind == stringNode && value == "" || known && field.typ == secretType:
		return "write " + main + ": VALUE below it"
	case known && value != "" && field.typ == listType:
		return "write {" + main + ": " + flow([]string{value}) + "}"
	case known && value != "":
		return "write {" + main + ": " + yamlString(value) + "}"
	case s.name == "":
		return ""
	}
	return "write its fields below it: " + strings.Join(visibleFields(s), ", ")
}

// limitRemedy writes a limit as docker and ulimit(1) have it, SOFT:HARD or one for
// both.
func limitRemedy(n *node) string {
	value := n.plainWord()
	if value == "" {
		return "write {hard: LIMIT} or {soft: LIMIT, hard: LIMIT}"
	}
	if soft, hard, both := strings.Cut(value, ":"); both {
		return "write {soft: " + loose(soft) + ", hard: " + loose(hard) + "}"
	}
	return "write {hard: " + loose(value) + "}"
}

func listRemedy(n *node, path string) string {
	if n.kind == objectNode {
		return flagsRemedy(n, path)
	}
	value := n.plainWord()
	if value == "" {
		return `write each on a line of its own, beginning with "- "`
	}
	words := []string{value}
	switch {
	case strings.HasSuffix(path, ".command"):
		words = commandWords(value)
	case strings.HasSuffix(path, ".args"), path == "spec.kubelet.flags":
		words = strings.Fields(value)
	case strings.ContainsAny(value, ", "):
		words = strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return "write a list: " + flow(words)
}

// flagsRemedy writes a mapping as kubelet's flags.
func flagsRemedy(n *node, path string) string {
	if path != "spec.kubelet.flags" {
		return ""
	}
	var words []string
	for _, f := range n.fields {
		value := f.value.plainWord()
		if value == "" || len(words) == 4 {
			return `write each as an item: - "--FLAG=VALUE"`
		}
		words = append(words, "--"+strings.TrimLeft(f.name, "-")+"="+value)
	}
	return "write a list: " + flow(words)
}

// shellLine is a line that a shell is called with, in quotes of one kind.
var shellLine = lazyregexp.New(`^(?:/(?:usr/)?bin/)?(sh|bash) -c ['"]([^'"]*)['"]$`)

// commandWords splits a command as it would be typed, or gives it to a shell if that
// is what it was written for.
func commandWords(line string) []string {
	if m := shellLine.FindStringSubmatch(line); m != nil {
		return []string{"/bin/" + m[1], "-c", m[2]}
	}
	if strings.HasPrefix(line, "/") && !strings.ContainsAny(line, "|&;<>()$`\\\"'*?~#") {
		return strings.Fields(line)
	}
	return []string{"/bin/sh", "-c", line}
}

// namesRemedy is for mappings of names to values.
func namesRemedy(n *node, s schema) string {
	first := n
	if n.kind == listNode {
		if len(n.items) == 0 {
			return "write {} for none, or remove it"
		}
		first = n.items[0]
	}
	without := "write "
	if n.kind == listNode {
		without = `write a mapping, without "- ": `
	}
	if s.typ == environmentType {
		return without + "default: or the name of a service, and below it NAME: value"
	}
	if s.typ == structMapType {
		if name := first.get("name").plainWord(); name != "" {
			return without + yamlString(name) + ": " + strings.TrimPrefix(limitRemedy(first.get("hard").or(first)), "write ")
		}
		return without + "NAME: {hard: LIMIT}"
	}
	if first.kind == objectNode {
		name, value := first.get("name").or(first.get("key")), first.get("value")
		if len(first.fields) == 1 {
			name, value = &node{kind: stringNode, scalar: first.fields[0].name}, first.fields[0].value
		}
		return without + pair(name.plainWord(), value.plainWord(), s)
	}
	text := first.plainWord()
	if text == "" {
		return without + "NAME: value"
	}
	text, _, _ = strings.Cut(text, ",")
	if name, value, ok := strings.Cut(text, "="); ok {
		return without + pair(strings.TrimSpace(name), strings.TrimSpace(value), s)
	}
	if name, value, ok := strings.Cut(text, ":"); ok && n.kind == stringNode && value != "" && !strings.Contains(name, "/") {
		return "put a space after the colon: " + pair(name, value, s)
	}
	return without + pair(text, "", s)
}

// pair writes a name and its value for a mapping.
func pair(name, value string, s schema) string {
	switch {
	case name == "":
		return "NAME: value"
	case s.typ == gatesType:
		if value != "false" {
			value = "true"
		}
		return yamlString(name) + ": " + value
	case s.typ == secretMapType || value == "":
		return yamlString(name) + ": value"
	}
	if s.typ == scalarMapType {
		return yamlString(name) + ": " + loose(value)
	}
	return yamlString(name) + ": " + yamlString(value)
}

func freeRemedy(n *node, path string) string {
	switch {
	case n.block:
		return "remove the | behind the name: what is below it is the mapping"
	case n.empty():
		return "write {} for none, or remove it"
	case path == "spec.staticPods" && n.kind == listNode:
		return `write each under the name of its file, without "- ": NAME: and the manifest below it`
	case n.kind == listNode:
		return `write its fields without "- "`
	}
	return ""
}

// textRemedy says how a value is written where one string or number is wanted.
func textRemedy(n *node, path string) string {
	sysctl := strings.HasPrefix(path, "spec.sysctls")
	switch {
	case n.secret:
	case n.kind == nullNode && !sysctl:
		return `write "" if it is meant to be empty`
	case sysctl && n.kind == objectNode:
		name := strings.TrimPrefix(strings.TrimPrefix(path, "spec.sysctls"), ".")
		for n.kind == objectNode && len(n.fields) > 0 {
			name += "." + n.fields[0].name
			n = n.fields[0].value
		}
		if value := n.plainWord(); value != "" {
			return "write the whole name: " + name + ": " + loose(value)
		}
	case n.kind == listNode && len(n.items) > 0:
		var words []string
		for _, item := range n.items {
			words = append(words, item.plainWord())
		}
		if slices.Contains(words, "") {
			return ""
		}
		if len(words) == 1 {
			return "write " + yamlString(words[0])
		}
		if sysctl {
			return "write " + strconv.Quote(strings.Join(words, " "))
		}
	}
	return ""
}
