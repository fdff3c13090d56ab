package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

const (
	kernelRelease = "proc/sys/kernel/osrelease"
	cgroupDir     = "sys/fs/cgroup"
	// cgroupControllers is at the root of a version 2 hierarchy only
	// (Documentation/admin-guide/cgroup-v2.rst). A hybrid machine has its
	// version 2 tree in a subfolder and counts as 1: that is what kubelet and
	// runc make of it.
	cgroupControllers = cgroupDir + "/cgroup.controllers"
)

func lookAtOS(root fs.FS, f *Facts) (problems []Problem) {
	f.OS, problems = operatingSystem(root)
	return problems
}

// operatingSystem reads what the system says about itself. Its three sources
// are independent: one that fails leaves the others.
func operatingSystem(root fs.FS) (OS, []Problem) {
	var problems []Problem
	out, err := osRelease(root)
	if err != nil {
		problems = append(problems, failed(probeOS, err))
	}
	if out.KernelRelease, err = readText(root, kernelRelease); err != nil {
		problems = append(problems, failed(probeOS, err))
	}
	if out.CgroupVersion, err = cgroupVersion(root); err != nil {
		problems = append(problems, failed(probeOS, err))
	}
	return out, problems
}

// osRelease reads os-release from the two places that os-release(5) names, in
// its order.
func osRelease(root fs.FS) (OS, error) {
	var errs []error
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := read(root, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		values := parseOSRelease(text)
		if values["ID"] == "" {
			return OS{}, fmt.Errorf("cannot find ID in /%s", name)
		}
		return OS{
			ID:         printable(values["ID"]),
			VersionID:  printable(values["VERSION_ID"]),
			PrettyName: printable(values["PRETTY_NAME"]),
		}, nil
	}
	// One line: a message is never more.
	return OS{}, fmt.Errorf("%w; %w", errs[0], errs[1])
}

// parseOSRelease reads the assignments of os-release(5): NAME=value, the value
// bare or in single or double quotes with backslash escapes. Lines that are no
// assignment are ignored, as the manual asks; of two, the later counts.
func parseOSRelease(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && name != "" && !strings.HasPrefix(name, "#") {
			values[name] = unquote(value)
		}
	}
	return values
}

// unquote takes shell quotes and escapes off.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		single := s[0] == '\''
		s = s[1 : len(s)-1]
		if single { // a shell knows no escapes in these
			return s
		}
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func cgroupVersion(root fs.FS) (int, error) {
	_, err := fs.Stat(root, cgroupControllers)
	if err == nil {
		return 2, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("cannot look at /%s: %w", cgroupControllers, cause(err))
	}
	names, err := list(root, cgroupDir)
	if err != nil {
		return 0, err
	}
	if len(names) == 0 {
		return 0, fmt.Errorf("cannot tell cgroup version: nothing is mounted at /%s", cgroupDir)
	}
	return 1, nil
}
