package hardware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Names of the probes, as Problem.Probe has them. Those of the later groups are
// beside their probes.
const (
	probeCPU    = "cpu"
	probeMemory = "memory"
	probePCI    = "pci"
	probeOS     = "os"
	probeDMI    = "dmi"
)

// probe is one look at the machine: it fills in its own part of the facts and
// returns what it could not see. A probe may read the parts of those before it.
type probe func(root fs.FS, f *Facts) []Problem

// decisive are the probes that the decisions of a node need. Every boot pays for
// them: nothing is added here that some decision does not read.
func decisive() []probe {
	return []probe{
		lookAtCPU,
		lookAtMemory,
		lookAtPCI,
		lookAtOS,
		lookAtDMI,
	}
}

// detailed are the probes that only Inspect makes, in the order in which their
// problems are told. One line a probe.
func detailed() []probe {
	return []probe{
		lookAtTopology,
		lookAtProcessor,
		lookAtAllowance,
		lookAtNUMA,
		lookAtHugePages,
		lookAtSwap,
		lookAtKernel,
		lookAtModules,
		lookAtClock,
		lookAtSecurity,
		lookAtTPM,
		lookAtEnclaves,
		lookAtFirmware,
		lookAtContainer,
		lookAtPlatform, // reads what those above found
		lookAtNUMANodes,
		lookAtNVMe,
		lookAtLinks,
	}
}

// maxFileSize bounds what is read of one file. The kernel's attributes are at
// most a page; only a broken os-release could be longer.
const maxFileSize = 64 << 10

// Detect looks at the machine whose root filesystem is root, in practice
// os.DirFS("/"); arch is Go's name of its architecture, runtime.GOARCH. It
// opens nothing for writing and never fails: what a probe could not see is in
// Problems, and costs the other probes nothing. Equal trees give equal Facts.
//
// It sees what the decisions of a node need and no more, because every boot waits
// for it; Inspect sees everything.
//
// root should follow symbolic links, as os.DirFS does, because sysfs is made of
// them; if it also implements fs.ReadLinkFS, bound drivers can be told.
func Detect(root fs.FS, arch string) Facts {
	f := Facts{CPU: CPU{Architecture: arch}}
	f.look(root, decisive())
	return f
}

// Inspect is Detect and all the other probes: what a person asks for, and what the
// daemon may look at once. Its facts are those of Detect with more fields set, and
// its first problems those of Detect.
func Inspect(root fs.FS, arch string) Facts {
	f := Facts{CPU: CPU{Architecture: arch}}
	f.look(root, decisive())
	f.look(root, detailed())
	return f
}

func lookAtPCI(root fs.FS, f *Facts) (problems []Problem) {
	f.PCI, problems = pci(root)
	return problems
}

// look makes the probes in their order.
func (f *Facts) look(root fs.FS, probes []probe) {
	for _, p := range probes {
		f.Problems = append(f.Problems, p(root, f)...)
	}
}

// failed returns the problem of a probe that did not get what it looked for.
func failed(probe string, err error) Problem {
	return Problem{Probe: probe, Message: err.Error()}
}

// read returns the content of a file without white space around it.
func read(root fs.FS, name string) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", name, cause(err))
	}
	defer func() { _ = f.Close() }() // nothing was written
	// Not fs.ReadFile: it would allocate the page that sysfs claims as the
	// size of every attribute, once for each of up to thousands.
	b, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", name, cause(err))
	}
	if len(b) > maxFileSize {
		return "", fmt.Errorf("cannot read /%s: longer than %d bytes", name, maxFileSize)
	}
	return strings.TrimSpace(string(b)), nil
}

// readText returns the content of a file that is meant for people: valid UTF-8
// without control characters, whatever a firmware put there. An empty one is
// an error.
func readText(root fs.FS, name string) (string, error) {
	text, err := read(root, name)
	if err != nil {
		return "", err
	}
	if text = printable(text); text == "" {
		return "", fmt.Errorf("cannot read /%s: nothing legible in it", name)
	}
	return text, nil
}

// printable drops what could confuse a terminal or not survive JSON.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(s)
}

// list returns the names in a directory, sorted.
func list(root fs.FS, name string) ([]string, error) {
	entries, err := fs.ReadDir(root, name)
	if err != nil {
		return nil, fmt.Errorf("cannot list /%s: %w", name, cause(err))
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// cause takes the operation and the path off an error of package fs, for a
// message that names the path itself.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// numberedName is a name of sysfs with a number at its end: cpu12, 12.
type numberedName struct {
	name   string
	number int
}

// numbered returns, in order, the names which are prefix and a decimal number:
// cpu12 but not cpufreq.
func numbered(names []string, prefix string) []numberedName {
	var out []numberedName
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, prefix)
		if !ok || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		if n, err := strconv.Atoi(digits); err == nil {
			out = append(out, numberedName{name, n})
		}
	}
	return out
}

// quote shows text of unknown origin in a message, shortened.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
}
