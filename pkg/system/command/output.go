package command

import (
	"bytes"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
)

const (
	// lineLimit is how much of one line is logged.
	lineLimit = 4 << 10
	// logLimit is how much of a program's output is logged as it comes; of what is
	// beyond, its end. A journal that is flooded forgets what matters.
	logLimit = 256 << 10
	// tailLimit is how much of the end is kept for that.
	tailLimit = 64 << 10
	// shortest is the length from which a secret is hidden in the output: to hide
	// every 1 and every true would make it unreadable and hide nothing.
	shortest = 4
)

// output logs what a program prints, line by line, with bounded memory.
type output struct {
	log  *slog.Logger
	hide *strings.Replacer
	// longest is the length of the longest secret.
	longest int

	// mu is for a program that cannot be killed, and may still print when nobody
	// waits for it any more.
	mu   sync.Mutex
	line []byte // not ended yet
	cut  bool   // the rest of the line is passed over
	// logged counts bytes up to logLimit; from there lines go to tail, and those
	// that leave it are counted in dropped.
	logged, tailed, dropped int
	tail                    []string
}

// newOutput returns an output that hides secrets, which come longest first.
func newOutput(log *slog.Logger, secrets []string) *output {
	var pairs []string
	for _, s := range secrets {
		pairs = append(pairs, s, "[redacted]")
	}
	o := &output{log: log, hide: strings.NewReplacer(pairs...)}
	if len(secrets) > 0 {
		o.longest = len(secrets[0])
	}
	return o
}

// Write implements io.Writer. It never fails: a program must not end because of
// what it prints.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		part, rest, ended := bytes.Cut(p, []byte{'\n'})
		o.take(part)
		if ended {
			o.end()
		}
		p = rest
	}
	return n, nil
}

// take adds to the line, up to its limit.
func (o *output) take(part []byte) {
	room := lineLimit - len(o.line)
	if len(part) > room {
		part, o.cut = part[:room], true
	}
	o.line = append(o.line, part...)
}

// end is the end of a line.
func (o *output) end() {
	line := o.hide.Replace(strings.TrimRight(strings.ToValidUTF8(string(o.line), "\uFFFD"), "\r"))
	if o.cut { // perhaps within a secret, of which nothing may be left at the end
		line = strings.ToValidUTF8(line[:max(0, len(line)-o.longest)], "") + " […]"
	}
	o.line, o.cut = o.line[:0], false
	if strings.TrimSpace(line) == "" {
		return
	}
	if o.logged < logLimit {
		o.logged += len(line)
		o.log.Info("output", "line", line)
		return
	}
	o.tail = append(o.tail, line)
	for o.tailed += len(line); o.tailed > tailLimit; o.dropped++ {
		o.tailed -= len(o.tail[0])
		o.tail = o.tail[1:]
	}
}

// Close logs what has not been logged yet and is to be.
func (o *output) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.line) > 0 {
		o.end()
	}
	if o.dropped > 0 {
		o.log.Warn("the program prints too much; the middle is left out", "lines", o.dropped)
	}
	for _, line := range o.tail {
		o.log.Info("output", "line", line)
	}
	o.tail = nil
}

// secrets returns the values in an environment that must not be logged, longest
// first: all but what says which node this is and what is no secret by its nature.
// Of a value with several lines each line counts, of a URL the password as well, as
// it is and as it is written there.
func secrets(env map[string]string) []string {
	var out []string
	for name, value := range env {
		switch name {
		case "PATH", "NO_PROXY", "no_proxy", markVariable,
			"EKSNODE_NODE_NAME", "EKSNODE_CLUSTER", "EKSNODE_INSTANCE_ID", "EKSNODE_INSTANCE_TYPE", "EKSNODE_REGION", "EKSNODE_ZONE", "EKSNODE_STAGE":
			continue // others of the prefix are a person's own
		}
		parts := strings.Split(value, "\n")
		if u, err := url.Parse(value); err == nil && u.User != nil {
			password, _ := u.User.Password()
			_, written, _ := strings.Cut(value, "://")
			_, written, _ = strings.Cut(written[:max(0, strings.LastIndex(written, "@"))], ":")
			parts = append(parts, password, written)
		}
		for _, part := range parts {
			if part = strings.TrimSpace(part); len(part) >= shortest {
				out = append(out, part)
			}
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if d := len(b) - len(a); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(out)
}
