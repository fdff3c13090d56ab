package convert

import (
	"cmp"
	"fmt"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
)

// Options say what is converted into what.
type Options struct {
	// From is the format of the input. Empty is told by its content.
	From Format
	// To is the format of the output. Empty is [EKSNode].
	To Format
	// Now is the time at which certificates are judged.
	Now time.Time
}

// Result is what a conversion has come to.
type Result struct {
	// Output is the text in the target's format. It holds the input's secrets.
	Output []byte
	// Config is what was read, as NodeConfig of the superset.
	Config api.NodeConfig
	// Report says what became of every field of the input. If it is lossy, the output
	// lacks what the report lists.
	Report Report
}

// Convert translates a text. It fails if the text cannot be read as its format, or
// if the target cannot be written; what the target cannot express is no error, but
// in the report.
func Convert(raw []byte, o Options) (Result, error) {
	r := Report{From: o.From.family(), To: cmp.Or(o.To, EKSNode)}
	if r.From == "" {
		var err error
		if r.From, r.Detected, err = Detect(raw); err != nil {
			return Result{}, err
		}
	}
	d, err := read(raw, r.From, o.Now)
	if err != nil {
		return Result{}, err
	}
	out, entries, err := write(d, r.To)
	if err != nil {
		return Result{}, err
	}
	if r.To == EKSNode || r.To == Nodeadm {
		entries = append(entries, check(out, o.Now)...)
	}
	r.Entries = sorted(entries)
	return Result{Output: out, Config: d.config, Report: r}, nil
}

func read(raw []byte, from Format, now time.Time) (*draft, error) {
	texts, err := unfold(raw)
	if err != nil {
		return nil, err
	}
	switch from {
	case Nodeadm, EKSNode, Hybrid:
		return readNodeConfig(raw, texts, from, now)
	case BootstrapScript:
		return readBootstrap(texts)
	case Windows:
		return readWindows(texts)
	case Bottlerocket:
		return readBottlerocket(texts)
	case Kubeadm:
		return readKubeadm(texts)
	}
	return nil, fmt.Errorf("cannot convert from %q: known are %s", from, names(Formats()))
}

// write returns the target's text, and what became of the fields of the input.
func write(d *draft, to Format) ([]byte, []Entry, error) {
	switch to {
	case EKSNode:
		out, err := api.Encode(d.config, api.EncodeOptions{Secrets: true})
		return out, d.entries, err
	case Nodeadm:
		c, l := toNodeadm(d.config, false)
		l.rest(whyNotNodeadm)
		out, err := api.Encode(c, api.EncodeOptions{Secrets: true})
		return out, compose(d.entries, l.entries), err
	case Hybrid:
		out, entries, err := writeHybrid(d.config)
		return out, compose(withoutNeeds(d.entries), entries), err
	case Bottlerocket:
		c, moved := normal(d.config)
		out, entries, err := writeBottlerocket(c, moved)
		return out, compose(withoutNeeds(d.entries), compose(moved, entries)), err
	case Kubeadm, KubeadmV1beta3, KubeadmV1beta4:
		c, moved := normal(d.config)
		out, entries, err := writeKubeadm(c, to, moved)
		return out, compose(withoutNeeds(d.entries), compose(moved, entries)), err
	}
	return nil, nil, fmt.Errorf("cannot convert to %q: known are %s", to, names(Targets()))
}

// withoutNeeds leaves out what NodeConfig needs and the target may not: it tells
// itself what it needs.
func withoutNeeds(entries []Entry) []Entry {
	var out []Entry
	for _, e := range entries {
		if e.Outcome != Needs || e.From != "" {
			out = append(out, e)
		}
	}
	return out
}

// check returns what is wrong with a NodeConfig that was written, beside what is
// missing.
func check(out []byte, now time.Time) []Entry {
	_, problems := api.Load([]api.Input{{Name: "output", Raw: out}}, api.Options{}, now)
	var entries []Entry
	for _, p := range problems {
		if p.Severity != api.Error || p.Code == api.CodeMissingField {
			continue
		}
		entries = append(entries, Entry{Outcome: Needs, To: p.Path, Message: p.Message, Remedy: p.Remedy})
	}
	return entries
}
