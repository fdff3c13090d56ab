package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/health"
)

// verdict is the outcome of a run in one line.
func verdict(r bootstrap.Report, configOnly bool, now time.Time) string {
	who := r.Node.Name
	if who == "" {
		who = "node"
	}
	took := round(r.Took(now))
	switch {
	case r.Result == bootstrap.Running:
		return fmt.Sprintf("eksnode: %s: %s for %s", who, r.Doing, took)
	case r.Result == bootstrap.Broken:
		line := fmt.Sprintf("eksnode: %s: FAILED after %s: %s: %s", who, took, r.Error.Code, brief(r.Error.Message))
		if r.Error.Remedy != "" {
			line += " | remedy: " + oneLine(r.Error.Remedy)
		}
		return line
	case configOnly:
		return fmt.Sprintf("eksnode: %s: configured in %s%s", who, took, besides(r))
	case len(r.Findings) > 0:
		return fmt.Sprintf("eksnode: %s: Ready in cluster %s after %s%s", who, r.Node.Cluster, took, besides(r))
	}
	return fmt.Sprintf("eksnode: %s: %s done in %s%s", who, r.Command, took, besides(r))
}

// besides says how many warnings a run has that went well.
func besides(r bootstrap.Report) string {
	switch n := len(r.Warnings); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", with a warning: %s: %s", r.Warnings[0].Code, brief(r.Warnings[0].Message))
	default:
		return fmt.Sprintf(", with %d warnings, the first: %s: %s", n, r.Warnings[0].Code, brief(r.Warnings[0].Message))
	}
}

// brief is a message for one line: of several, the first and the last, which in
// a list of errors are two of them, and with a journal the heading and its end.
// A console is cut off before it comes to the remedy otherwise.
func brief(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	switch n := len(lines); n {
	case 1, 2:
		return oneLine(s)
	default:
		return fmt.Sprintf("%s … +%d … %s", oneLine(lines[0]), n-2, oneLine(lines[n-1]))
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// round shows times as people compare them.
func round(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// printReport shows a report as text.
func printReport(w io.Writer, r bootstrap.Report, now time.Time) error {
	p := &printer{w: w}
	p.line("%s", strings.TrimPrefix(verdict(r, false, now), "eksnode: "))
	p.line("")
	p.table(
		row("node", r.Node.Name, r.Node.NameSource), row("cluster", r.Node.Cluster),
		row("instance", r.Node.InstanceID, r.Node.Type, r.Node.Zone),
		row("kubelet", r.Node.Kubelet), row("containerd", r.Node.Containerd),
		row("config from", strings.Join(r.Sources, ", ")),
		row("started", r.Started.UTC().Format(time.RFC3339)),
	)
	p.line("\nPhases")
	var rows [][]string
	for _, ph := range r.Phases {
		rows = append(rows, []string{"  " + ph.Name, round(ph.Took).String(), ph.Detail})
	}
	if r.Doing != "" {
		rows = append(rows, []string{"  " + r.Doing, "…", ""})
	}
	p.table(rows...)
	p.programs(r.Programs)
	p.findings(r.Findings)
	p.warnings(r.Warnings)
	p.remarks(r)
	if r.Error != nil {
		p.line("\nFailed with %s\n  %s", r.Error.Code, strings.ReplaceAll(r.Error.Message, "\n", "\n  "))
		if r.Error.Remedy != "" {
			p.line("  remedy: %s", oneLine(r.Error.Remedy))
		}
	}
	return p.err
}

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) table(rows ...[]string) {
	if p.err != nil {
		return
	}
	tw := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		if r != nil {
			fmt.Fprintln(tw, strings.TrimRight(strings.Join(r, "\t"), "\t"))
		}
	}
	p.err = tw.Flush()
}

// programs shows hooks and other programs with their outcome. What they print is in
// the journal alone.
func (p *printer) programs(all []bootstrap.ProgramRun) {
	if len(all) == 0 {
		return
	}
	p.line("\nPrograms")
	var rows [][]string
	for _, r := range all {
		said := string(r.Stage)
		if r.Outcome != bootstrap.Succeeded && r.ExitCode >= 0 {
			said = strings.TrimSpace(fmt.Sprintf("%s  exit code %d", said, r.ExitCode))
		}
		rows = append(rows, []string{"  " + string(r.Outcome), r.Name, round(r.Took).String(), said})
	}
	p.table(rows...)
}

// warnings shows failures that did not end the run.
func (p *printer) warnings(all []bootstrap.Failure) {
	if len(all) == 0 {
		return
	}
	p.line("\nWarnings")
	for _, w := range all {
		p.line("  %s: %s", w.Code, oneLine(w.Message))
		if w.Remedy != "" {
			p.line("    remedy: %s", oneLine(w.Remedy))
		}
	}
}

func (p *printer) findings(all []health.Finding) {
	if len(all) == 0 {
		return
	}
	p.line("\nChecks")
	var rows [][]string
	for _, f := range all {
		rows = append(rows, []string{"  " + string(f.Status), f.Check, round(f.Took).String(), oneLine(f.Seen)})
	}
	p.table(rows...)
	for _, f := range all {
		if f.Remedy != "" {
			p.line("  remedy for %s: %s", f.Check, oneLine(f.Remedy))
		}
	}
}

// remarks shows what did not stop the run.
func (p *printer) remarks(r bootstrap.Report) {
	if len(r.ConfigProblems)+len(r.FactProblems)+len(r.Notes) > 0 {
		p.line("\nRemarks")
	}
	for _, n := range r.Notes {
		p.line("  %s", n)
	}
	for _, c := range r.ConfigProblems {
		p.line("  %s", c.String())
	}
	for _, f := range r.FactProblems {
		p.line("  fact missing: %s: %s", f.Fact, f.Message)
		if f.Remedy != "" {
			p.line("    remedy: %s", oneLine(f.Remedy))
		}
	}
}

// row is a labelled line; nil when it has nothing to say.
func row(label string, values ...string) []string {
	var said []string
	for _, v := range values {
		if v != "" {
			said = append(said, v)
		}
	}
	if len(said) == 0 {
		return nil
	}
	return []string{label, strings.Join(said, "  ")}
}

// progress shows phases as they go on a terminal; elsewhere the log does.
func (a *app) progress() func(bootstrap.Report) {
	f, ok := a.stdout.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	shown := 0
	return func(r bootstrap.Report) {
		for ; shown < len(r.Phases); shown++ {
			ph := r.Phases[shown]
			fmt.Fprintf(f, "\r\033[K%-8s %8s  %s\n", ph.Name, round(ph.Took), ph.Detail)
		}
		if r.Doing != "" {
			fmt.Fprintf(f, "\r\033[K%-8s …", r.Doing)
		}
	}
}

// isTerminal reports whether f is a character device that is not the null device.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull
}
