package api

import (
	"strings"
)

// message reads whole as a MIME message, with the tolerance that hand-written user
// data needs. It returns false if it is not meant as one.
func (d *decoder) message(whole *text) bool {
	start := skipBlankLines(whole.body)
	switch {
	case startsHeader(whole.body[start:]):
		if start > 0 {
			d.repaired(whole, 0, "remove the blank lines: nodeadm does not find the header below them",
				"blank lines before the MIME header were skipped")
		}
	case startsHeader(strings.TrimLeft(whole.body[start:], " \t")):
		d.report.errorf(whole, whole.posAt(start), CodeBadMIME, "", "remove the indentation from every line of the message",
			"the MIME header is indented, so nothing can find it")
		d.found++
		return true
	case startsDelimiter(whole.body[start:]):
		line := firstLine(whole.body[start:])
		d.repaired(whole, start, "put these lines and a blank one before it: MIME-Version: 1.0, Content-Type: multipart/mixed; boundary=\""+strings.TrimSpace(line[2:])+"\"",
			"the MIME header is missing; the parts were found by the boundary %q", strings.TrimSpace(line))
		d.multipart(whole, span{start, len(whole.body)}, strings.TrimSpace(line[2:]), "", 1)
		return true
	default:
		return false
	}
	h, body := d.header(whole, span{start, len(whole.body)}, "")
	at := span{body, len(whole.body)}
	switch {
	case h.broken:
		d.found++
	case h.isMultipart(), h.mediaType == "" && findDelimiter(whole.body[body:]) != "":
		d.enterMultipart(whole, h, at, "", 1)
	default:
		d.part(whole, h, at, "")
	}
	return true
}

// maybeMessage reports whether a text is worth reading as MIME at all.
func maybeMessage(body string) bool {
	head := body[skipBlankLines(body):]
	return startsHeader(strings.TrimLeft(head, " \t")) || startsDelimiter(head)
}

// span is a half-open range of bytes.
type span struct{ from, to int }

// partHeader is what is read of a part's header.
type partHeader struct {
	start     int // offset of its first line
	mediaType string
	params    map[string]string
	encoding  string // Content-Transfer-Encoding, lower case
	fileName  string
	broken    bool // has no end; was reported
}

func (h partHeader) isMultipart() bool { return strings.HasPrefix(h.mediaType, "multipart/") }

// header reads a header from the start of a span and returns where the body
// starts. number is the part's number, or "" for the message itself.
func (d *decoder) header(whole *text, s span, number string) (partHeader, int) {
	h := partHeader{start: s.from}
	var name, value string
	flush := func() { h.set(name, value); name = "" }
	for i, lines := s.from, 0; i < s.to; lines++ {
		line, next := nextLine(whole.body, i, s.to)
		switch {
		case strings.TrimSpace(line) == "":
			flush()
			return h, next
		case lines >= maxHeaderLines:
			return d.brokenHeader(whole, i, s, h, "the header of %s goes on for more than %d lines", partName(number), maxHeaderLines)
		case len(line)+len(value) > maxHeaderBytes:
			return d.brokenHeader(whole, i, s, h, "the header of %s has a field of more than %s", partName(number), mebibytes(maxHeaderBytes))
		case name != "" && (line[0] == ' ' || line[0] == '\t'):
			value += " " + strings.TrimSpace(line)
		case !isHeaderLine(line):
			flush()
			d.repaired(whole, i, "put a blank line above this one: without it nodeadm rejects the whole user data",
				"the blank line between header and content of %s is missing; the content was taken to start here", partName(number))
			return h, i
		default:
			flush()
			key, v, _ := strings.Cut(line, ":")
			name, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(v)
		}
		i = next
	}
	flush()
	return h, s.to
}

// brokenHeader reports a header that has no end, so that the part has no content.
func (d *decoder) brokenHeader(whole *text, at int, s span, h partHeader, format string, args ...any) (partHeader, int) {
	d.report.errorf(whole, whole.posAt(at), CodeBadMIME, "", "put a blank line between header and content", format, args...)
	h.broken = true
	return h, s.to
}

func (h *partHeader) set(name, value string) {
	switch name {
	case "content-type":
		h.mediaType, h.params = parseMediaType(value)
		if h.fileName == "" {
			h.fileName = h.params["name"]
		}
	case "content-transfer-encoding":
		h.encoding = strings.ToLower(strings.TrimSpace(value))
	case "content-disposition":
		if _, params := parseMediaType(value); params["filename"] != "" {
			h.fileName = params["filename"]
		}
	}
}

// enterMultipart reads the parts of a multipart, whose boundary may be missing.
func (d *decoder) enterMultipart(whole *text, h partHeader, s span, number string, depth int) {
	at := whole.posAt(h.start)
	if depth > maxPartDepth {
		d.report.errorf(whole, at, CodeBadMIME, "", "", "multiparts are nested more than %d deep", maxPartDepth)
		d.found++
		return
	}
	boundary := h.params["boundary"]
	if boundary == "" {
		boundary = findDelimiter(whole.body[s.from:s.to])
		if boundary == "" {
			d.report.errorf(whole, at, CodeBadMIME, "", "write Content-Type: multipart/mixed; boundary=\"BOUNDARY\" and begin each part with a line --BOUNDARY",
				"the multipart header names no boundary, and no line looks like one")
			d.found++
			return
		}
		d.repaired(whole, h.start, "write Content-Type: multipart/mixed; boundary=\""+boundary+"\"",
			"the multipart header names no boundary; the parts were found by %q", "--"+boundary)
	}
	d.multipart(whole, s, boundary, number, depth)
}

// multipart cuts a span at the lines of its boundary and reads each part.
func (d *decoder) multipart(whole *text, s span, boundary, number string, depth int) {
	var parts []span
	open := -1 // where the part now read starts
	closed := -1
	for i := delimiter(whole.body, s.from, s, boundary); i < s.to && closed < 0; {
		line, next := nextLine(whole.body, i, s.to)
		rest := strings.TrimRight(line[len("--"+boundary):], " \t")
		if rest == "" || rest == "--" {
			if open >= 0 && len(parts) <= maxParts {
				parts = append(parts, span{open, i})
			}
			open = next
			if rest == "--" {
				open, closed = -1, next
			}
		}
		i = delimiter(whole.body, next, s, boundary)
	}
	if open < 0 && closed < 0 {
		d.noParts(whole, s, boundary)
		return
	}
	if open >= 0 {
		parts = append(parts, d.unclosed(whole, span{open, s.to}, boundary))
	}
	if closed >= 0 && strings.TrimSpace(whole.body[closed:s.to]) != "" {
		rest := closed + skipBlankLines(whole.body[closed:s.to])
		d.report.warnf(whole, whole.posAt(rest), CodeIgnoredPart, "",
			"move it above the closing line --"+boundary+"--", "what follows the closing boundary is ignored")
	}
	for i, p := range parts {
		if d.parts++; d.parts > maxParts {
			d.report.errorf(whole, whole.posAt(p.from), CodeBadMIME, "", "", "the message has more than %d parts", maxParts)
			return
		}
		sub := itoaPath(number, i+1)
		h, body := d.header(whole, p, sub)
		at := span{body, max(body, p.to)}
		if h.broken {
			d.found++
			continue
		}
		if h.isMultipart() {
			d.enterMultipart(whole, h, at, sub, depth+1)
			continue
		}
		d.part(whole, h, at, sub)
	}
}

// delimiter returns the offset, from i on, of the next line of a span that starts
// with a boundary, or the span's end.
func delimiter(body string, i int, s span, boundary string) int {
	if i < s.to && strings.HasPrefix(body[i:s.to], "--"+boundary) {
		return i
	}
	if n := strings.Index(body[i:s.to], "\n--"+boundary); n >= 0 {
		return i + n + 1
	}
	return s.to
}

// noParts reports a boundary that divides nothing.
func (d *decoder) noParts(whole *text, s span, boundary string) {
	d.found++
	other := findDelimiter(whole.body[s.from:s.to])
	if other == "" {
		d.report.errorf(whole, whole.posAt(s.from), CodeBadMIME, "", "begin each part with the line --"+boundary,
			"no part was found: there is no line %q", "--"+boundary)
		return
	}
	at := s.from + strings.Index(whole.body[s.from:s.to], "--"+other)
	d.report.errorf(whole, whole.posAt(at), CodeBadMIME, "", "write the same boundary in both places",
		"the MIME header names the boundary %q, but the parts are divided by %q", boundary, other)
}

// unclosed repairs the end of a multipart without its closing boundary.
func (d *decoder) unclosed(whole *text, p span, boundary string) span {
	d.repaired(whole, max(p.to-1, p.from), "end the message with the line --"+boundary+"--; if its end was cut off, more may be missing",
		"the closing boundary %q is missing; the last part was taken to end here", "--"+boundary+"--")
	trimmed := strings.TrimRight(whole.body[p.from:p.to], " \t\r\n")
	last := strings.LastIndexByte(trimmed, '\n') + 1
	if line := trimmed[last:]; len(line) > 4 && strings.HasPrefix(line, "--") && strings.HasSuffix(line, "--") {
		p.to = p.from + last // a closing line of some other boundary
	}
	return p
}

func (d *decoder) repaired(whole *text, offset int, remedy, format string, args ...any) {
	d.report.warnf(whole, whole.posAt(offset), CodeRepairedMIME, "", remedy, format, args...)
}
