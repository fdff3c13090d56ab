package hardware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

const (
	mountInfo = "proc/self/mountinfo"
	// maxMountInfo bounds mountinfo, which has some 200 bytes a mount and ten mounts
	// or so a pod.
	maxMountInfo = 8 << 20
)

// mounted returns, by the names of block devices, where they are mounted: paths,
// sorted, each once; [SWAP] for an area of swap.
func mounted(root fs.FS) (map[string][]string, error) {
	used := map[string][]string{}
	text, err := readLong(root, mountInfo, maxMountInfo)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(text) {
		if device, at, ok := parseMountInfo(line); ok {
			used[device] = append(used[device], at)
		}
	}
	text, err = read(root, swaps)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(text) {
		file, _, _ := strings.Cut(line, " ")
		if device, ok := strings.CutPrefix(file, "/dev/"); ok {
			used[device] = append(used[device], "[SWAP]")
		}
	}
	for device := range used {
		slices.Sort(used[device])
		used[device] = slices.Compact(used[device])
	}
	return used, nil
}

// parseMountInfo reads one line of mountinfo (proc_pid_mountinfo(5)): the block
// device, without /dev/, and the path where it is mounted. It is false for a mount
// of something else. The fields behind the hyphen are type, source and options.
func parseMountInfo(line string) (device, at string, ok bool) {
	own, super, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
	f, s := strings.Split(own, " "), strings.Split(super, " ")
	if !ok || len(f) < 6 || len(s) < 3 {
		return "", "", false
	}
	device, ok = strings.CutPrefix(unescape(s[1]), "/dev/")
	if !ok || device == "" || strings.Contains(device, "/") {
		return "", "", false // a name of the device mapper is none of a partition's
	}
	return device, unescape(f[4]), true
}

// unescape reads what the kernel writes as a backslash and three octal digits:
// space, tab, newline, backslash and #.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				_ = b.WriteByte(byte(n)) // never fails
				i += 3
				continue
			}
		}
		_ = b.WriteByte(s[i])
	}
	return b.String()
}

// readLong is read for a file that may be longer than an attribute.
func readLong(root fs.FS, name string, limit int64) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", name, cause(err))
	}
	defer func() { _ = f.Close() }() // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", name, cause(err))
	}
	if int64(len(b)) > limit {
		return "", fmt.Errorf("cannot read /%s: longer than %d bytes", name, limit)
	}
	return string(b), nil
}
