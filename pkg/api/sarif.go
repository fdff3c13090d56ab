package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The format that SARIF writes, and the schema that describes it: OASIS, "Static
// Analysis Results Interchange Format (SARIF) Version 2.1.0", errata 01.
const (
	sarifVersion = "2.1.0"
	sarifSchema  = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	// sarifFingerprint names how fingerprints are made. A change to that needs a new
	// number, or code scanners would take every finding for a new one.
	sarifFingerprint = "eksnodeProblem/v1"
)

// Rule says what a [Code] means and what usually helps, in one sentence each.
type Rule struct {
	Code        Code
	Short, Help string
}

// SARIF writes problems as a SARIF 2.1.0 log with one run, as code scanners read
// it. version is the program's. Equal problems give equal bytes, which end in a
// line break.
//
// The rules are all [Code]s, whether they were broken or not. Files are URIs:
// relative if the source was named so, else absolute; other sources, such as
// imds://user-data, stand as they are. Columns count characters. A finding keeps its
// fingerprint while its line is moved about and not changed. more explains codes that
// are none of this package's; of those, the ones that were broken are rules.
func SARIF(problems []Problem, version string, more ...Rule) ([]byte, error) {
	driver := sarifDriver{Name: "eksnode", Version: version}
	index := make(map[Code]int)
	for _, r := range sarifRules() {
		index[r.code] = len(driver.Rules)
		driver.Rules = append(driver.Rules, r.rule())
	}
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	seen := make(map[string]int)
	for _, p := range problems {
		i, ok := index[p.Code]
		if !ok {
			i = len(driver.Rules)
			index[p.Code] = i
			help := codeHelp{code: p.Code}
			if at := slices.IndexFunc(more, func(r Rule) bool { return r.Code == p.Code }); at >= 0 {
				help.short, help.help = more[at].Short, more[at].Help
			}
			driver.Rules = append(driver.Rules, help.rule())
		}
		run.Results = append(run.Results, sarifResultOf(p, i, seen))
	}
	run.Tool.Driver = driver
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(sarifLog{Schema: sarifSchema, Version: sarifVersion, Runs: []sarifRun{run}}); err != nil {
		return nil, fmt.Errorf("cannot write problems as SARIF: %w", err)
	}
	return b.Bytes(), nil
}

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"`
}

type sarifDriver struct {
	Name    string      `json:"name"`
	Version string      `json:"version,omitempty"`
	Rules   []sarifRule `json:"rules"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID               string     `json:"id"`
	ShortDescription *sarifText `json:"shortDescription,omitempty"`
	Help             *sarifText `json:"help,omitempty"`
}

type sarifResult struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Level               string            `json:"level"`
	Message             sarifText         `json:"message"`
	Locations           []sarifLocation   `json:"locations,omitempty"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
}

type sarifLocation struct {
	Physical sarifPhysical  `json:"physicalLocation"`
	Logical  []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifPhysical struct {
	Artifact struct {
		URI string `json:"uri"`
	} `json:"artifactLocation"`
	Region *sarifRegion `json:"region,omitempty"`
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`
	StartColumn int `json:"startColumn,omitempty"`
}

type sarifLogical struct {
	FullyQualifiedName string `json:"fullyQualifiedName"`
}

func sarifResultOf(p Problem, rule int, seen map[string]int) sarifResult {
	r := sarifResult{RuleID: string(p.Code), RuleIndex: rule, Level: sarifLevel(p.Severity)}
	r.Message.Text = p.Message
	if p.Path != "" {
		r.Message.Text = p.Path + ": " + p.Message
	}
	if d := p.detail(); d != "" {
		r.Message.Text += " [" + d + "]"
	}
	if p.Remedy != "" {
		r.Message.Text += "\nRemedy: " + p.Remedy
	}
	r.Message.Text = sarifEscape.Replace(r.Message.Text)
	if p.Source != "" {
		l := sarifLocation{}
		l.Physical.Artifact.URI = sourceURI(p.Source)
		if p.Line > 0 {
			l.Physical.Region = &sarifRegion{p.Line, p.Column}
		}
		if p.Path != "" {
			l.Logical = []sarifLogical{{p.Path}}
		}
		r.Locations = []sarifLocation{l}
	}
	r.PartialFingerprints = map[string]string{sarifFingerprint: fingerprint(p, seen)}
	return r
}

// sarifEscape keeps braces, such as those of a reference to a fact, from being taken
// for placeholders (SARIF 2.1.0, 3.11.5).
var sarifEscape = strings.NewReplacer("{", "{{", "}", "}}")

func sarifLevel(s Severity) string {
	if s == Info {
		return "note"
	}
	return s.String()
}

// fingerprint tells a finding from all others by what it is about and the line
// that it stands on, without that line's number. seen counts equal ones.
func fingerprint(p Problem, seen map[string]int) string {
	what := strings.Join([]string{string(p.Code), sourceURI(p.Source), p.Path, strings.TrimSpace(p.excerpt)}, "\x00")
	n := seen[what]
	seen[what]++
	sum := sha256.Sum256([]byte(what + "\x00" + strconv.Itoa(n)))
	return hex.EncodeToString(sum[:16])
}

// sourceURI is a source's name as a URI reference (RFC 3986).
func sourceURI(source string) string {
	name, file := strings.CutPrefix(source, "file://")
	if !file {
		if source == "-" {
			return "stdin:"
		}
		return source
	}
	name = strings.ReplaceAll(name, `\`, "/")
	if len(name) > 2 && name[1] == ':' && name[2] == '/' { // a drive of Windows
		name = "/" + name
	}
	escaped := (&url.URL{Path: name}).EscapedPath()
	if strings.HasPrefix(name, "/") {
		return "file://" + escaped
	}
	// A colon in the first segment would be taken for a scheme's.
	if first, _, _ := strings.Cut(escaped, "/"); strings.Contains(first, ":") {
		return "./" + escaped
	}
	return escaped
}
