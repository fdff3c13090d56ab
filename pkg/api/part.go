package api

import (
	"fmt"
	"io"
	"mime/quotedprintable"
	"strconv"
	"strings"
)

// part reads one part that is not a multipart. number is "" for a message that is
// a single part.
func (d *decoder) part(whole *text, h partHeader, s span, number string) {
	if h.mediaType != MediaType && h.mediaType != MediaTypeSuperset {
		d.ignorePart(whole, h, s, number)
		return
	}
	d.found++
	name := describePart(number, h)
	raw := trimLastBreak(whole.body[s.from:s.to])
	plain := whole.slice(s.from, s.from+len(raw), name)

	var out []byte
	var layers []string
	decoded, encoded, err := d.transferDecoded(whole, h, raw, number)
	if err == nil {
		out, layers, err = unwrap([]byte(decoded), partName(number))
	}
	if err != nil {
		d.report.errorf(whole, plain.pos(1, 1), err.code, "", err.remedy, "%s", err.message)
		return
	}
	d.noteLayers(plain.pos(1, 1), layers)
	if !encoded && len(layers) == 0 {
		d.text(plain)
		return
	}
	source := d.source
	if number != "" {
		source += "#part" + number
	}
	body := strings.TrimPrefix(string(out), byteOrderMark)
	t := &text{source: source, body: body, part: name}
	if len(body) <= maxDocumentBytes {
		t.starts = lineStarts(body)
	}
	d.text(t)
}

// transferDecoded undoes the Content-Transfer-Encoding. It reports whether the
// result differs from what stands in the message, so that lines count anew.
func (d *decoder) transferDecoded(whole *text, h partHeader, raw, number string) (string, bool, *unwrapError) {
	switch h.encoding {
	case "", "7bit", "8bit", "binary":
	case "base64":
		if looksLikeNodeConfig(raw) {
			d.report.warnf(whole, whole.posAt(h.start), CodeRepairedMIME, "",
				"remove the line Content-Transfer-Encoding: base64, or encode the content",
				"%s says that it is base64, but it is plain text; it was read as it is", partName(number))
			break
		}
		if i := strings.IndexFunc(raw, notBase64); i >= 0 {
			return "", false, &unwrapError{CodeBadEncoding,
				fmt.Sprintf("%s says that it is base64, but holds the character %q", partName(number), []rune(raw[i:])[0]),
				"encode the content, or remove the line Content-Transfer-Encoding: base64"}
		}
		out, err := unbase64([]byte(raw), partName(number))
		return string(out), true, err
	case "quoted-printable":
		out, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(raw)))
		if err != nil {
			d.report.warnf(whole, whole.posAt(h.start), CodeRepairedMIME, "",
				"encode the content, or remove the line Content-Transfer-Encoding: quoted-printable",
				"%s says that it is quoted-printable, but it is not; it was read as it is", partName(number))
			break
		}
		return string(out), string(out) != raw, nil
	default:
		d.report.warnf(whole, whole.posAt(h.start), CodeRepairedMIME, "",
			"use base64, quoted-printable, or none", "%s has the unknown Content-Transfer-Encoding %q; it was read as it is", partName(number), h.encoding)
	}
	return raw, false, nil
}

// ignorePart tells that a part is not a NodeConfig, or that it should have been.
func (d *decoder) ignorePart(whole *text, h partHeader, s span, number string) {
	at := whole.posAt(h.start)
	typeName := h.mediaType
	if typeName == "" {
		typeName = "no Content-Type"
	}
	if looksLikeNodeConfig(whole.body[s.from:s.to]) {
		d.found++
		d.report.warnf(whole, at, CodeMissedPart, "", "give the part the header Content-Type: "+MediaType,
			"%s looks like a NodeConfig but has %s, so it is ignored", partName(number), typePhrase(h))
		return
	}
	if strings.TrimSpace(whole.body[s.from:s.to]) == "" && h.mediaType == "" {
		d.report.infof(whole, at, CodeIgnoredPart, "", "", "%s is empty and ignored", partName(number))
		return
	}
	d.report.infof(whole, at, CodeIgnoredPart, "", "", "%s is not a NodeConfig and is left to others: %s", partName(number), typeName)
}

func typePhrase(h partHeader) string {
	if h.mediaType == "" {
		return "no Content-Type"
	}
	return "type " + h.mediaType
}

// describePart is Pos.Part of a part.
func describePart(number string, h partHeader) string {
	s := "part " + number
	if number == "" {
		s = "message"
	}
	s += ", " + visible(h.mediaType)
	if h.fileName != "" {
		s += ", " + strconv.Quote(h.fileName)
	}
	return s
}

// trimLastBreak drops the line break before a delimiter, which belongs to the
// delimiter.
func trimLastBreak(s string) string {
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r")
}
