package containerd

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// defaultRuntimeSpec is the part of an OCI runtime specification that every
// container starts from: nodeadm's, whose point is the limit of open files
// (systemd's would be too small, and containerd's own is unlimited).
//
//go:embed baseruntimespec.json
var defaultRuntimeSpec []byte

// baseRuntimeSpec decides the base runtime specification: objects merge key by
// key, all else of the user's replaces the default. spec.ulimits, which say less
// and so mean it, are laid over that, limit by limit.
func (d *decider) baseRuntimeSpec() {
	var base api.Object
	if err := json.Unmarshal(defaultRuntimeSpec, &base); err != nil {
		d.fail(fmt.Errorf("internal error: the default base runtime specification cannot be read: %w", err))
		return
	}
	d.s.BaseRuntimeSpec = api.Object(merge(base, d.in.Config.Spec.Containerd.BaseRuntimeSpec))
	limits := maps.Clone(d.in.Config.Spec.Ulimits)
	pinned := d.pinnedMemory()
	if pinned != "" {
		if limits == nil {
			limits = map[string]api.Ulimit{}
		}
		limits[memlock] = api.Ulimit{Hard: unlimited}
	}
	if len(limits) > 0 {
		d.ulimits(limits, pinned)
	}
}

// memlock is the limit of memory that cannot be swapped, by its name in spec.ulimits.
const memlock = "memlock"

// pinnedMemory says why containers may pin memory without a bound: the machine has
// devices that need it, and the user has said nothing about it. A list of limits in
// spec.containerd.baseRuntimeSpec says all that there is to say. Open files need no
// more than every container has: 65536, and up to 1048576 where a program raises it.
func (d *decider) pinnedMemory() string {
	_, own := d.in.Config.Spec.Ulimits[memlock]
	if own || at(d.in.Config.Spec.Containerd.BaseRuntimeSpec, "process", "rlimits") != nil {
		return ""
	}
	return d.in.PinnedMemory()
}

// ulimitNames are the limits of getrlimit(2), by the names that ulimit and docker
// have for them; the OCI specification has RLIMIT_ and the same in capitals.
func ulimitNames() []string {
	return []string{
		"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
		"nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
	}
}

// The kernel lets no process have more open files than fs.nr_open, which is
// defaultOpenFiles unless systemd or a person has raised it, and can be mostOpenFiles
// at most (fs/file.c, sysctl_nr_open).
const (
	defaultOpenFiles = 1 << 20
	mostOpenFiles    = math.MaxInt32 &^ 63
)

// unlimited is RLIM_INFINITY.
const unlimited = "unlimited"

// ulimits lays limits over process.rlimits, sorted by type. They are those of
// spec.ulimits, and memlock for the reason pinned.
func (d *decider) ulimits(all map[string]api.Ulimit, pinned string) {
	process, ok := d.s.BaseRuntimeSpec["process"].(table)
	limits, okLimits := process["rlimits"].([]any)
	if !ok || !okLimits && process["rlimits"] != nil {
		d.fail(invalid("Correct spec.containerd.baseRuntimeSpec, or leave process.rlimits out of it.",
			"cannot lay spec.ulimits over spec.containerd.baseRuntimeSpec: its process.rlimits is no list"))
		return
	}
	limits = slices.Clone(limits)
	named := rlimitTypes(at(d.in.Config.Spec.Containerd.BaseRuntimeSpec, "process", "rlimits"))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		limit, err := d.ulimit(name, all[name])
		if err != nil {
			d.fail(invalid("Correct spec.ulimits."+name+".", "cannot use spec.ulimits %q: %w", name, err))
			continue
		}
		kind := limit["type"].(string)
		if slices.Contains(named, kind) {
			d.note("spec.ulimits sets %s, which spec.containerd.baseRuntimeSpec sets too: the former has effect", name)
		}
		limits = append(slices.DeleteFunc(limits, func(l any) bool { return rlimitType(l) == kind }), limit)
		from := "spec.ulimits"
		if name == memlock && pinned != "" {
			from = pinned
		}
		d.because("ulimit "+name, fmt.Sprintf("%v:%v", limit["soft"], limit["hard"]), from)
	}
	slices.SortStableFunc(limits, func(a, b any) int { return cmp.Compare(rlimitType(a), rlimitType(b)) })
	process = maps.Clone(process) // the user's part stays as it is
	process["rlimits"] = limits
	d.s.BaseRuntimeSpec["process"] = process
}

// ulimit returns one entry of process.rlimits.
func (d *decider) ulimit(name string, u api.Ulimit) (table, error) {
	if !slices.Contains(ulimitNames(), name) {
		return nil, errors.New("there is no such limit; there are " + strings.Join(ulimitNames(), ", "))
	}
	hard, err := ulimitValue(u.Hard)
	if err != nil {
		return nil, err
	}
	soft := hard
	if u.Soft != "" {
		if soft, err = ulimitValue(u.Soft); err != nil {
			return nil, err
		}
	}
	if soft > hard {
		return nil, fmt.Errorf("its soft limit %s is above its hard limit %s", u.Soft, u.Hard)
	}
	if name == "nofile" && hard > mostOpenFiles {
		return nil, fmt.Errorf("no process can open %s files, and no container would start: the kernel's bound is fs.nr_open, %d at most", u.Hard, int64(mostOpenFiles))
	}
	if name == "nofile" && hard > defaultOpenFiles {
		d.note("spec.ulimits.nofile is above %d: no container starts where the kernel parameter fs.nr_open is below %d", defaultOpenFiles, hard)
	}
	number := func(n uint64) json.Number { return json.Number(strconv.FormatUint(n, 10)) }
	return table{"type": "RLIMIT_" + strings.ToUpper(name), "soft": number(soft), "hard": number(hard)}, nil
}

func ulimitValue(s string) (uint64, error) {
	if s == unlimited {
		return math.MaxUint64, nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is neither a whole number nor unlimited", s)
	}
	return n, nil
}

// rlimitTypes are the types in a list of limits.
func rlimitTypes(limits any) []string {
	list, _ := limits.([]any)
	var out []string
	for _, l := range list {
		out = append(out, rlimitType(l))
	}
	return out
}

func rlimitType(limit any) string {
	l, _ := limit.(table)
	kind, _ := l["type"].(string)
	return kind
}
