//go:build linux

// Package machine keeps several labs on one machine out of each other's way, and cleans up after those that died: it
// knows which labs are alive, and saves and restores the kernel settings that boxes share with the machine.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/eksnode/eksnode/test/lab/internal/cgroup"
	"github.com/eksnode/eksnode/test/lab/internal/netns"
	"github.com/eksnode/eksnode/test/lab/internal/toolchain"
)

// Prefix begins the name of everything a lab makes outside its run folder.
const Prefix = "eksnode-lab-"

// stateDir holds one lock file a living lab, the saved kernel settings, and a lock around changes of either.
const stateDir = "/run/eksnode-lab"

// Claim is a lab's entry among the machine's labs.
type Claim struct {
	id   string
	lock *os.File
}

// Register enters a lab whose files are in runDir. The entry holds as long as this process lives: when it dies
// without [Claim.Release], [Sweep] finds the lab dead. The first lab of a machine saves the kernel's settings; limits too low for several
// boxes are raised until the last one ends.
func Register(ctx context.Context, id, runDir string) (*Claim, error) {
	unlock, err := lockState(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot register lab %s: %w", id, err)
	}
	defer unlock()
	if err := errors.Join(saveSettings(), makeRoom()); err != nil {
		return nil, fmt.Errorf("cannot register lab %s: %w", id, err)
	}
	f, err := os.OpenFile(lockFile(id), os.O_CREATE|os.O_EXCL|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot register lab %s: %w", id, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot register lab %s: %w", id, err)
	}
	if _, err := f.WriteString(runDir + "\n"); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("cannot register lab %s: %w", id, err)
	}
	return &Claim{id: id, lock: f}, nil
}

// Release takes the lab's entry away. The last lab of a machine restores the kernel's settings.
func (c *Claim) Release(ctx context.Context) error {
	unlock, err := lockState(ctx)
	if err != nil {
		return fmt.Errorf("cannot release lab %s: %w", c.id, err)
	}
	defer unlock()
	err = os.Remove(lockFile(c.id))
	return errors.Join(err, c.lock.Close(), restoreIfLast())
}

// Lab is an entry.
type Lab struct {
	ID, RunDir string
	// Alive tells whether the process that made it still runs.
	Alive bool
}

// Labs lists the machine's labs, the dead that left something behind included, by id.
func Labs(ctx context.Context) ([]Lab, error) {
	// Under the lock no lab is half registered, which would look dead.
	unlock, err := lockState(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot list labs: %w", err)
	}
	defer unlock()
	files, err := filepath.Glob(filepath.Join(stateDir, "*.lab"))
	if err != nil {
		return nil, fmt.Errorf("cannot list labs: %w", err)
	}
	byID := map[string]Lab{}
	for _, file := range files {
		l := Lab{ID: strings.TrimSuffix(filepath.Base(file), ".lab")}
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list labs: %w", err)
		}
		l.RunDir = strings.TrimSpace(string(data))
		l.Alive = locked(file)
		byID[l.ID] = l
	}
	// Leftovers whose entry is gone too, found by name.
	spaces, err := netns.List(Prefix)
	if err != nil {
		return nil, err
	}
	groups, err := cgroup.Find(Prefix)
	if err != nil {
		return nil, err
	}
	dirs, err := propagation("*")
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Concat(spaces, groups, dirs) {
		id, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), Prefix), "-")
		if _, known := byID[id]; !known {
			byID[id] = Lab{ID: id}
		}
	}
	var labs []Lab
	for _, l := range byID {
		labs = append(labs, l)
	}
	slices.SortFunc(labs, func(a, b Lab) int { return strings.Compare(a.ID, b.ID) })
	return labs, nil
}

// locked tells whether a living process holds the lock file.
func locked(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

// Sweep removes what a lab left: processes, cgroups, network namespaces, its entry. Its run folder stays, for whoever
// wants to read the logs. Sweeping a lab that is clean is success.
func Sweep(ctx context.Context, id string) error {
	groups, err := groupsOf(id)
	if err != nil {
		return fmt.Errorf("cannot sweep lab %s: %w", id, err)
	}
	// Processes first: a namespace lives as long as one is inside.
	errs := []error{cgroup.Remove(ctx, groups)}
	spaces, err := netns.List(Prefix + id + "-")
	errs = append(errs, err)
	for _, s := range spaces {
		errs = append(errs, netns.Delete(ctx, s))
	}
	errs = append(errs, removePropagation(id))
	unlock, err := lockState(ctx)
	if err != nil {
		return fmt.Errorf("cannot sweep lab %s: %w", id, errors.Join(append(errs, err)...))
	}
	defer unlock()
	if file := lockFile(id); !locked(file) {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		errs = append(errs, restoreIfLast())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot sweep lab %s: %w", id, err)
	}
	return nil
}

// Residue lists what exists of a lab on the machine outside its run folder: cgroups, processes, network namespaces and
// mounts. A lab that has been closed has none.
func Residue(id, runDir string) ([]string, error) {
	groups, err := groupsOf(id)
	if err != nil {
		return nil, err
	}
	var left []string
	for _, g := range groups {
		left = append(left, "cgroup "+g)
	}
	for _, p := range cgroup.Processes(groups) {
		left = append(left, fmt.Sprintf("process %d", p))
	}
	spaces, err := netns.List(Prefix + id + "-")
	if err != nil {
		return nil, err
	}
	for _, s := range spaces {
		left = append(left, "network namespace "+s)
	}
	dirs, err := propagation(id)
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		left = append(left, "folder "+d)
	}
	mounts, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		return nil, err
	}
	for _, file := range mounts {
		data, err := os.ReadFile(file)
		if err == nil && runDir != "" && strings.Contains(string(data), runDir+"/") {
			left = append(left, "mount in "+file)
		}
	}
	return left, nil
}

// nspawnDir is where systemd-nspawn keeps a folder for mounts that are handed into a running container. It refuses to
// remove it when /run is not a tmpfs, and cannot when it is killed.
const nspawnDir = "/run/systemd/nspawn/propagate"

func propagation(id string) ([]string, error) {
	return filepath.Glob(filepath.Join(nspawnDir, Prefix+id+"-*"))
}

func removePropagation(id string) error {
	dirs, err := propagation(id)
	errs := []error{err}
	for _, d := range dirs {
		// The folder of a container that was killed is a mount point still.
		if err := syscall.Unmount(d, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			errs = append(errs, fmt.Errorf("cannot unmount %s: %w", d, err))
		}
		errs = append(errs, os.RemoveAll(d))
	}
	return errors.Join(errs...)
}

func groupsOf(id string) ([]string, error) {
	all, err := cgroup.Find(Prefix + id)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(g string) bool { return filepath.Base(g) != Prefix+id }), nil
}

func lockFile(id string) string { return filepath.Join(stateDir, id+".lab") }

func lockState(ctx context.Context) (func(), error) {
	if err := os.MkdirAll(stateDir, 0o755); err != nil {
		return nil, err
	}
	return toolchain.Lock(ctx, filepath.Join(stateDir, "lock"))
}
