package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

const (
	selfStatus = "proc/self/status"
	selfCgroup = "proc/self/cgroup"
)

// Allowance is what this process, and so what it starts, may use of the CPUs.
// Nothing here changes CPU.Online, which nodeadm and kubelet count.
type Allowance struct {
	// CPUs are those that it may run on: its affinity, which the cpuset of its
	// cgroup and isolcpus narrow.
	CPUs CPUSet `json:"cpus"`
	// QuotaMilli is the tightest CPU quota of its cgroup and those above, in
	// thousandths of a CPU; 0 without one.
	QuotaMilli int64 `json:"quotaMilli,omitempty"`
	// Milli is the lesser of the two, in thousandths of a CPU.
	Milli int64 `json:"milli"`
}

// lookAtAllowance reads what the process that runs the probe may use.
func lookAtAllowance(root fs.FS, f *Facts) []Problem {
	var a Allowance
	text, err := read(root, selfStatus)
	if err != nil {
		return []Problem{failed(probeAllowance, err)}
	}
	if a.CPUs, err = allowedCPUs(text); err != nil {
		return []Problem{failed(probeAllowance, err)}
	}
	a.Milli = int64(a.CPUs.Count()) * 1000
	var problems []Problem
	if a.QuotaMilli, err = quota(root); err != nil {
		problems = append(problems, failed(probeAllowance, err))
	} else if a.QuotaMilli > 0 {
		a.Milli = min(a.Milli, a.QuotaMilli)
	}
	f.CPU.Allowed = &a
	return problems
}

// allowedCPUs finds the list of CPUs in /proc/PID/status (proc_pid_status(5)).
func allowedCPUs(status string) (CPUSet, error) {
	for line := range strings.Lines(status) {
		if value, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
			s, err := ParseCPUSet(value)
			if err == nil && s == "" {
				err = errors.New("the list is empty")
			}
			if err != nil {
				return "", fmt.Errorf("cannot read Cpus_allowed_list of /%s: %w", selfStatus, err)
			}
			return s, nil
		}
	}
	return "", fmt.Errorf("cannot find Cpus_allowed_list in /%s", selfStatus)
}

// quota returns the tightest quota on the way from the process's cgroup to the
// root, in thousandths of a CPU; 0 without one.
func quota(root fs.FS) (int64, error) {
	text, err := read(root, selfCgroup)
	if err != nil {
		return 0, err
	}
	mount, group, unified := cpuCgroup(root, text)
	if mount == "" {
		return 0, nil // no controller for CPUs, no quota
	}
	tightest := int64(0)
	for {
		q, err := quotaOf(root, path.Join(mount, group), unified)
		if err != nil {
			return 0, err
		}
		if q > 0 && (tightest == 0 || q < tightest) {
			tightest = q
		}
		if group == "/" {
			return tightest, nil
		}
		group = path.Dir(group)
	}
}

// cpuCgroup returns where the hierarchy with the CPU controller is mounted, the
// process's place in it (cgroups(7), /proc/PID/cgroup), and whether it is one of
// version 2.
func cpuCgroup(root fs.FS, text string) (mount, group string, unified bool) {
	for line := range strings.Lines(text) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 || !strings.HasPrefix(parts[2], "/") {
			continue
		}
		// A path outside of the cgroup namespace begins with /..; what is visible of
		// it is the root.
		place := path.Clean(parts[2])
		switch {
		case parts[1] == "" && mount == "":
			if _, err := fs.Stat(root, cgroupControllers); err == nil {
				mount, group, unified = cgroupDir, place, true
			}
		case hasWord(parts[1], "cpu"):
			return path.Join(cgroupDir, parts[1]), place, false
		}
	}
	return mount, group, unified
}

// hasWord reports whether a list with commas holds a word.
func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// quotaOf returns the quota of one cgroup; 0 without one. A root has no such file,
// and neither has a folder that this process's namespace does not show.
func quotaOf(root fs.FS, dir string, unified bool) (int64, error) {
	name := path.Join(dir, "cpu.cfs_quota_us")
	if unified {
		name = path.Join(dir, "cpu.max")
	}
	text, err := read(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err == nil && !unified && text != "-1" {
		var period string
		period, err = read(root, path.Join(dir, "cpu.cfs_period_us"))
		text += " " + period
	}
	if err != nil {
		return 0, err
	}
	q, err := parseQuota(text)
	if err != nil {
		return 0, fmt.Errorf("cannot parse /%s: %w", name, err)
	}
	return q, nil
}

// parseQuota reads a quota and its period, both in microseconds, as cpu.max has
// them (Documentation/admin-guide/cgroup-v2.rst); max and -1 are none.
func parseQuota(text string) (int64, error) {
	q, p, _ := strings.Cut(text, " ")
	if q == "max" || q == "-1" {
		return 0, nil
	}
	micros, err := strconv.ParseInt(q, 10, 64)
	period, errPeriod := strconv.ParseInt(p, 10, 64)
	if err != nil || errPeriod != nil || micros <= 0 || period <= 0 || micros > math.MaxInt64/1000 {
		return 0, fmt.Errorf("%s is no quota and period", quote(text))
	}
	return max(micros*1000/period, 1), nil
}
