// Package swaptest is a kernel that swaps to files under a temporary root, as far
// as one can see from outside: for tests of what makes swap files.
package swaptest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/eksnode/eksnode/internal/atomicfile"
)

// Kernel is such a kernel. It shows what it swaps to in proc/swaps below Root. Its
// fields are set before it is used.
type Kernel struct {
	// Root is the directory that stands for "/".
	Root string
	// Kind and Free are what it says of every file system: XFS with a lot of room
	// unless told otherwise.
	Kind, Free int64
	// OnError and OffError are its answers where they are not nil.
	OnError, OffError error
	// HolesOnce makes it refuse the first file as one with holes.
	HolesOnce bool
	// BeforeOff is called when it is asked to end swapping.
	BeforeOff func()

	mu sync.Mutex
	// Calls are what it has been told, each with its error.
	Calls []string
}

// xfs is the magic number of XFS, statfs(2).
const xfs = 0x58465342

// New returns a kernel whose machine is below root.
func New(root string) *Kernel { return &Kernel{Root: root, Kind: xfs, Free: math.MaxInt64} }

// Reboot ends all swapping without being asked.
func (k *Kernel) Reboot() { _ = os.Remove(k.table()) }

func (k *Kernel) table() string { return filepath.Join(k.Root, "proc/swaps") }

// Filesystem implements swapfile.Kernel.
func (k *Kernel) Filesystem(*os.File) (kind, free int64, err error) { return k.Kind, k.Free, nil }

// On implements swapfile.Kernel. It looks at what a real kernel looks at: the magic,
// the version and that the file is as long as its header says.
func (k *Kernel) On(path string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.OnError
	if err == nil && k.HolesOnce {
		err, k.HolesOnce = syscall.EINVAL, false
	}
	if err == nil {
		err = check(path)
	}
	if err == nil {
		err = k.change(func(in []string) ([]string, error) {
			if slices.Contains(in, path) {
				return nil, syscall.EBUSY
			}
			return append(in, path), nil
		})
	}
	k.called("on", err)
	return err
}

// Off implements swapfile.Kernel.
func (k *Kernel) Off(path string) error {
	if k.BeforeOff != nil {
		k.BeforeOff()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.OffError
	if err == nil {
		err = k.change(func(in []string) ([]string, error) {
			i := slices.Index(in, path)
			if i < 0 {
				return nil, syscall.EINVAL
			}
			return slices.Delete(in, i, i+1), nil
		})
	}
	k.called("off", err)
	return err
}

func (k *Kernel) called(what string, err error) {
	if err != nil {
		what += ": " + err.Error()
	}
	k.Calls = append(k.Calls, what)
}

func check(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	size := os.Getpagesize()
	if len(b) < size || string(b[size-10:size]) != "SWAPSPACE2" || binary.LittleEndian.Uint32(b[1024:]) != 1 ||
		(int64(binary.LittleEndian.Uint32(b[1028:]))+1)*int64(size) > int64(len(b)) {
		return syscall.EINVAL
	}
	return nil
}

// change rewrites the table of what is swapped to, with paths as the real one has
// them: without links, and inside of the root.
func (k *Kernel) change(f func([]string) ([]string, error)) error {
	b, err := os.ReadFile(k.table())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var in []string
	for line := range strings.Lines(string(b)) {
		if name, _, isFile := strings.Cut(line, " file "); isFile {
			in = append(in, filepath.Join(k.Root, name))
		}
	}
	out, err := f(in)
	if err != nil {
		return err
	}
	table := "Filename Type Size Used Priority\n"
	for _, p := range out {
		table += fmt.Sprintf("%s file 1 0 -2\n", strings.TrimPrefix(p, k.Root))
	}
	return atomicfile.Write(k.table(), []byte(table), atomicfile.Attr{Mode: 0o444, UID: -1, GID: -1, Lazy: true})
}
