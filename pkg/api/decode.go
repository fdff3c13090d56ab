package api

import (
	"slices"
	"strings"
)

// Options changes how strictly documents are read.
type Options struct {
	// UnknownFieldsAreWarnings reads as nodeadm does: unknown fields and repeated
	// keys are warnings and not errors. Unknown fields have no effect; of a
	// repeated key the last counts.
	UnknownFieldsAreWarnings bool
}

// Document is one NodeConfig document as it was written.
type Document struct {
	// Source names where it was read from, as in Pos.Source.
	Source string
	// Part describes its MIME part, as in Pos.Part.
	Part string
	// APIVersion is the API group and version that it names.
	APIVersion string

	root     *node           // in the shape of the schema, without unknown fields
	rejected map[string]bool // paths that were given but could not be used
}

// Config returns the document's content alone. Fields with problems are left out.
func (d Document) Config() NodeConfig { return Merge([]Document{d}).Config }

// Decode reads every NodeConfig document in raw, which may be YAML or JSON, a MIME
// message that holds them in its parts, or either in base64 and gzip. source is
// the name that places refer to, such as imds://user-data,
// file:///etc/eks/nodeadm.d/10-x.yaml or - for standard input.
//
// All problems are returned at once, in order of place. Documents are returned
// even if they have problems, holding what could be read, so that one run can
// report on merging and values too; a caller must not use them if [HasErrors].
// Input that holds no NodeConfig, such as a shell script, is not an error here,
// since another source may have one: the problem is a Warning of CodeNoNodeConfig.
func Decode(source string, raw []byte, o Options) ([]Document, []Problem) {
	d := &decoder{options: o, source: source}
	d.input(raw)
	return d.documents, d.report.done()
}

// decoder is the state of one Decode.
type decoder struct {
	options   Options
	source    string
	report    reporter
	documents []Document
	parts     int // MIME parts seen
	found     int // texts that were meant as NodeConfig
}

func (d *decoder) input(raw []byte) {
	out, layers, err := unwrap(raw, "the input")
	if err != nil {
		d.report.errorf(nil, Pos{Source: d.source}, err.code, "", err.remedy, "%s", err.message)
		return
	}
	d.noteLayers(Pos{Source: d.source}, layers)
	body := string(out)
	if rest, ok := strings.CutPrefix(body, byteOrderMark); ok {
		body = rest
		d.report.infof(nil, Pos{Source: d.source, Line: 1, Column: 1}, CodeBadEncoding, "", "", "the byte order mark at the start was left out")
	}
	if strings.TrimSpace(body) == "" {
		d.report.warnf(nil, Pos{Source: d.source}, CodeNoNodeConfig, "", "", "the input is empty")
		return
	}
	if kind := otherUserData(body); kind != "" {
		d.report.warnf(nil, Pos{Source: d.source, Line: 1}, CodeNoNodeConfig, "",
			"to give both, make user data a MIME message with the NodeConfig in a part of type "+MediaType,
			"there is no NodeConfig here: this is %s", kind)
		return
	}
	if len(body) > maxDocumentBytes && !maybeMessage(body) {
		checkText(&text{source: d.source, body: body}, &d.report)
		return
	}
	whole := newText(d.source, body)
	if d.message(whole) {
		if d.found == 0 && !HasErrors(d.report.problems) {
			d.report.warnf(nil, Pos{Source: d.source}, CodeNoNodeConfig, "",
				"give the NodeConfig in a part with the header Content-Type: "+MediaType,
				"there is no NodeConfig here: no part of the MIME message has type %s", MediaType)
		}
		return
	}
	d.text(whole)
}

// noteLayers warns of encodings that were probably not meant.
func (d *decoder) noteLayers(at Pos, layers []string) {
	n := 0
	for _, l := range layers {
		if l == "base64" {
			n++
		}
	}
	if n > 1 {
		d.report.warnf(nil, at, CodeBadEncoding, "",
			"EC2 tools such as the AWS CLI encode user data themselves: give them the plain text",
			"base64 was applied %d times", n)
	}
}

// text reads one text that is meant to be NodeConfig documents.
func (d *decoder) text(t *text) {
	d.found++
	if !checkText(t, &d.report) {
		return
	}
	if strings.TrimSpace(t.body) == "" {
		d.report.warnf(t, t.pos(1, 1), CodeNoNodeConfig, "", "", "there is nothing in this part")
		return
	}
	first := Pos{}
	seen := 0
	for _, root := range d.roots(t) {
		doc, ok := d.document(t, root)
		if !ok {
			continue
		}
		d.documents = append(d.documents, doc)
		switch seen++; seen {
		case 1:
			first = doc.root.pos()
		case 2:
			d.report.warnf(t, doc.root.pos(), CodeSeveralDocuments, "",
				"to serve nodeadm too, give each document a MIME part or a file of its own",
				"a second NodeConfig document in the same text: it is merged over the one at line %d, but nodeadm reads only the first", first.Line)
		}
	}
}

// roots returns the documents of a text as nodes.
func (d *decoder) roots(t *text) []*node {
	if isJSON(t.body) {
		return []*node{d.buildJSON(t)}
	}
	var roots []*node
	for _, y := range d.parseYAML(t) {
		roots = append(roots, d.build(t, y))
	}
	return roots
}

// otherUserData names what user data is when it plainly is not a NodeConfig.
func otherUserData(body string) string {
	head := strings.TrimLeft(body, " \t\r\n")
	head = head[:min(len(head), 4096)]
	for _, k := range []struct{ start, name string }{
		{"#!", "a script"}, {"#cloud-config", "cloud-config"}, {"#cloud-boothook", "a cloud-init boothook"},
		{"#include", "a cloud-init include file"}, {"#part-handler", "a cloud-init part handler"},
		{"## template: jinja", "a cloud-init template"},
		{"<powershell>", "a PowerShell script"}, {"<script>", "a batch script"},
		{"[settings", "Bottlerocket settings in TOML"},
	} {
		if strings.HasPrefix(head, k.start) {
			return k.name
		}
	}
	return ""
}

// looksLikeNodeConfig reports whether a text that is not marked as a NodeConfig
// was probably meant as one.
func looksLikeNodeConfig(body string) bool {
	head := body[:min(len(body), 8192)]
	if otherUserData(head) != "" {
		return false
	}
	named := strings.Contains(head, "node.eks.aws/v1") || strings.Contains(head, "eksnode.dev/v1")
	return named && strings.Contains(head, Kind) && strings.Contains(head, "apiVersion")
}

// knownVersion reports whether an apiVersion is one that is read.
func knownVersion(v string) bool { return slices.Contains([]string{APIVersion, APIVersionSuperset}, v) }
