//go:build linux

// Package cgroup gives the lab's processes their own groups in every cgroup hierarchy, so that
// a box's systemd stays inside its own and so that everything can be found and ended.
package cgroup

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Tree is one group, by the same name in every hierarchy.
type Tree struct {
	// Dirs are the group's folders, one a hierarchy.
	Dirs []string
}

// Create makes the group and its parents under the caller's own group in every hierarchy.
func Create(name string) (*Tree, error) {
	bases, err := own()
	if err != nil {
		return nil, fmt.Errorf("cannot create cgroup %s: %w", name, err)
	}
	t := &Tree{}
	for _, base := range bases {
		dir := base
		for part := range strings.SplitSeq(name, "/") {
			parent := dir
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, fmt.Errorf("cannot create cgroup %s: %w", name, err)
			}
			if err := inheritCPUs(parent, dir); err != nil {
				return nil, fmt.Errorf("cannot create cgroup %s: %w", name, err)
			}
		}
		t.Dirs = append(t.Dirs, dir)
	}
	return t, nil
}

// inheritCPUs fills a new cpuset group: an empty one takes no process
// (Documentation/admin-guide/cgroup-v1/cpusets.rst). clone_children has the kernel do it for groups further down.
func inheritCPUs(parent, dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "cgroup.clone_children")); err != nil {
		return nil
	}
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Join(parent, f))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another controller
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, f), value, 0); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.clone_children"), []byte("1"), 0)
}

// own lists the folders of the caller's own group in every hierarchy.
func own() ([]string, error) {
	mounts, err := mountPoints()
	if err != nil {
		return nil, err
	}
	if _, v1 := mounts["memory"]; !v1 {
		return nil, errors.New("this machine has no cgroup v1 memory controller; the lab's boxes need cgroup v1 (boot with systemd.unified_cgroup_hierarchy=0)")
	}
	return groupsIn("/proc/self/cgroup", mounts)
}

// OfInit is the root group of the container whose PID 1 is the process: systemd there has moved itself one level down.
func OfInit(pid int) (*Tree, error) {
	mounts, err := mountPoints()
	if err != nil {
		return nil, fmt.Errorf("cannot find the cgroups of process %d: %w", pid, err)
	}
	dirs, err := groupsIn(fmt.Sprintf("/proc/%d/cgroup", pid), mounts)
	if err != nil {
		return nil, fmt.Errorf("cannot find the cgroups of process %d: %w", pid, err)
	}
	for n := range dirs {
		dirs[n] = strings.TrimSuffix(dirs[n], "/init.scope")
	}
	return &Tree{Dirs: dirs}, nil
}

func groupsIn(file string, mounts map[string]string) ([]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var dirs []string
	for s := bufio.NewScanner(f); s.Scan(); {
		// "4:memory:/a/b"; the unified hierarchy has an empty middle field.
		parts := strings.SplitN(s.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if m, ok := mounts[parts[1]]; ok {
			dirs = append(dirs, filepath.Join(m, parts[2]))
		}
	}
	return dirs, nil
}

// mountPoints maps a hierarchy's controller list, as /proc/self/cgroup writes it, to its mount point.
func mountPoints() (map[string]string, error) {
	data, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	var lists []string
	for l := range strings.Lines(string(data)) {
		if parts := strings.SplitN(l, ":", 3); len(parts) == 3 {
			lists = append(lists, parts[1])
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for l := range strings.Lines(string(mounts)) {
		f := strings.Fields(l)
		if len(f) < 4 {
			continue
		}
		switch options := strings.Split(f[3], ","); f[2] {
		case "cgroup2":
			found[""] = f[1]
		case "cgroup":
			for _, list := range lists {
				if list != "" && !slices.ContainsFunc(strings.Split(list, ","), func(c string) bool { return !slices.Contains(options, c) }) {
					found[list] = f[1]
				}
			}
		}
	}
	return found, nil
}

// Find lists the folders of all groups whose name begins with prefix, in all hierarchies.
// Groups below them are not listed.
func Find(prefix string) ([]string, error) {
	mounts, err := mountPoints()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, m := range mounts {
		err := filepath.WalkDir(m, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil // gone while we looked, or a file
			}
			if strings.HasPrefix(d.Name(), prefix) {
				found = append(found, path)
				return fs.SkipDir
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot look for cgroups %s*: %w", prefix, err)
		}
	}
	slices.Sort(found)
	return found, nil
}

// Processes lists the ids of all processes in the folders and below them.
func Processes(dirs []string) []int {
	seen := map[int]bool{}
	for _, dir := range dirs {
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil
			}
			data, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil {
				return nil
			}
			for l := range strings.Lines(string(data)) {
				if pid, err := strconv.Atoi(strings.TrimSpace(l)); err == nil && pid != 0 {
					seen[pid] = true
				}
			}
			return nil
		})
	}
	pids := make([]int, 0, len(seen))
	for p := range seen {
		pids = append(pids, p)
	}
	slices.Sort(pids)
	return pids
}

// Remove kills every process in the group and below it, and removes the folders.
func (t *Tree) Remove(ctx context.Context) error { return Remove(ctx, t.Dirs) }

// Remove kills every process in the folders and below them, waits for them to end, and
// removes the folders. Folders that are gone already are success.
func Remove(ctx context.Context, dirs []string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		pids := Processes(dirs)
		for _, p := range pids {
			_ = syscall.Kill(p, syscall.SIGKILL)
		}
		var left []string
		if len(pids) == 0 {
			for _, d := range dirs {
				if err := removeTree(d); err != nil {
					left = append(left, err.Error())
				}
			}
			if len(left) == 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("cannot remove cgroups: %d processes left %v: %s", len(pids), pids, strings.Join(left, "; "))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// removeTree removes a group's folder from the bottom up; the files in it are not real and go along.
func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeTree(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
		return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
	}
	return nil
}

// Enter is a shell fragment that puts the shell into the group; what it then execs stays there.
func (t *Tree) Enter() string {
	var b strings.Builder
	for _, d := range t.Dirs {
		fmt.Fprintf(&b, "echo $$ >'%s/cgroup.procs'\n", d)
	}
	return b.String()
}
