// Package binversion tells the version of an installed Go program without
// executing it: a program is slow to start from a cold disk, and may be one
// that only pretends to be what its name says.
//
// It asks, in this order, and stops at the first answer:
//
//  1. the text file that the machine image keeps beside the program, unless
//     the program is newer than the file: then someone has replaced it;
//  2. the build information that the Go linker puts into the program: the
//     linker's own -X flags, or the version of the module it was built from;
//  3. the program's data, where a version set with -X stands beside other
//     variables of its package by which it can be known (strings.go).
package binversion

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// versionFileLimit bounds a version file, which holds one line.
const versionFileLimit = 64 << 10

// Program says how the version of one Go program can be known.
type Program struct {
	// Name is for messages.
	Name string
	// Variables are the full names of the variables that hold the version, as
	// the linker's -X flag has them.
	Variables []string
	// Modules are the modules whose version is that of the program.
	Modules []string
	// Neighbour matches the value of a variable in the version's package that
	// no other package has beside a version, and NeighbourLengths are the
	// lengths that such a value can have.
	Neighbour        *lazyregexp.Regexp
	NeighbourLengths []int
	// Place is where the version is seen from its best neighbour, in
	// variables: -1 is just before it, 1 just after.
	Place int
}

// Kubelet is kubelet as Kubernetes builds it (k8s.io/component-base/version,
// set by hack/lib/version.sh), and so do EKS and the distributions. Beside the
// version stand the commit and the build date.
func Kubelet() Program {
	return Program{
		Name:             "kubelet",
		Variables:        []string{"k8s.io/component-base/version.gitVersion", "k8s.io/client-go/pkg/version.gitVersion"},
		Modules:          []string{"k8s.io/kubernetes"},
		Neighbour:        lazyregexp.New(`^([0-9a-f]{40}|\$Format:%H\$|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)$`),
		NeighbourLengths: []int{40, 11, 20},
		Place:            -1, // before the commit
	}
}

// Containerd is containerd, 1.x or 2.x (version/version.go there). Beside the
// version stands the path of the module itself.
func Containerd() Program {
	const one, two = "github.com/containerd/containerd", "github.com/containerd/containerd/v2"
	return Program{
		Name:             "containerd",
		Variables:        []string{two + "/version.Version", one + "/version.Version"},
		Modules:          []string{two, one},
		Neighbour:        lazyregexp.New(`^github\.com/containerd/containerd(/v2)?$`),
		NeighbourLengths: []int{len(one), len(two)},
		Place:            1,
	}
}

// Read returns the version of the program at path under root. versionFile may
// be empty, or name a file that does not exist. The error is of code
// BinaryMissing when there is neither file nor program, else VersionUnknown.
func Read(root rootfs.Root, p Program, versionFile, path string) (node.Version, error) {
	stated, statedAt, errFile := fromFile(root, versionFile)
	fi, errStat := root.Stat(path)
	replaced := errStat == nil && fi.ModTime().After(statedAt)
	if errFile == nil && !replaced {
		return stated, nil
	}
	built, errBinary := p.fromBinary(root, path)
	switch {
	case errBinary == nil:
		return built, nil
	case errFile == nil: // newer than its file, but silent
		return stated, nil
	}
	err := fmt.Errorf("cannot tell the version of %s: %w", p.Name, errors.Join(ignoreAbsent(errFile), errBinary))
	if rootfs.Absent(errStat) && rootfs.Absent(errFile) {
		return node.Version{}, fault.New(fault.BinaryMissing, fmt.Sprintf("Install %s at %s, or use an image that brings it.", p.Name, path), err)
	}
	remedy := fmt.Sprintf("Check that %s is %s.", path, p.Name)
	if versionFile != "" {
		remedy = fmt.Sprintf("Write the version of %s (v1.33.5, say) into %s.", p.Name, versionFile)
	}
	return node.Version{}, fault.New(fault.VersionUnknown, remedy, err)
}

// ignoreAbsent drops the error of a file that need not be there.
func ignoreAbsent(err error) error {
	if rootfs.Absent(err) {
		return nil
	}
	return err
}

func fromFile(root rootfs.Root, name string) (v node.Version, written time.Time, err error) {
	if name == "" {
		return v, written, fs.ErrNotExist
	}
	fi, err := root.Stat(name)
	if err != nil {
		return v, written, err
	}
	b, err := root.ReadFile(name, versionFileLimit)
	if err != nil {
		return v, written, err
	}
	v, err = node.ParseVersion(string(b))
	if err != nil {
		return v, written, fmt.Errorf("%s: %w", name, err)
	}
	v.Source = name
	return v, fi.ModTime(), nil
}

// fromBinary reads the program's own bytes: as few as possible, since each may
// have to come from a lazily loaded volume.
func (p Program) fromBinary(root rootfs.Root, path string) (node.Version, error) {
	target, err := root.Target(path)
	if err != nil {
		return node.Version{}, err
	}
	f, err := os.Open(target)
	if err != nil {
		return node.Version{}, err
	}
	defer func() { _ = f.Close() }()
	if fi, err := f.Stat(); err != nil {
		return node.Version{}, err
	} else if !fi.Mode().IsRegular() {
		return node.Version{}, fmt.Errorf("%s is no file", path)
	}
	text, how, err := p.find(f)
	if err != nil {
		return node.Version{}, fmt.Errorf("%s: %w", path, err)
	}
	v, err := node.ParseVersion(text)
	if err != nil {
		return node.Version{}, fmt.Errorf("%s (%s): %w", path, how, err)
	}
	v.Source = path + " (" + how + ")"
	return v, nil
}

// find returns the version's text and how it was found.
func (p Program) find(r io.ReaderAt) (text, how string, err error) {
	info, errInfo := buildinfo.Read(r)
	module := ""
	if errInfo == nil {
		if text := p.fromFlags(info); text != "" {
			return text, "linker flags", nil
		}
		if module = p.fromModules(info); module != "" && !isPseudo(module) {
			return module, "module version", nil
		}
	}
	text, errStrings := p.fromStrings(r)
	switch {
	case errStrings == nil:
		return text, "program data", nil
	case module != "": // a commit between two releases: better than nothing
		return module, "module version", nil
	}
	return "", "", errors.Join(errInfo, errStrings)
}

// fromFlags reads -X flags from the build information. A build with -trimpath
// leaves them out.
func (p Program) fromFlags(info *debug.BuildInfo) string {
	for _, s := range info.Settings {
		if s.Key != "-ldflags" {
			continue
		}
		for _, word := range strings.FieldsFunc(s.Value, func(r rune) bool { return r == ' ' || r == '\'' || r == '"' }) {
			name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(word, "-X"), "="), "=")
			for _, v := range p.Variables {
				if name == v && looksLikeVersion(value) {
					return value
				}
			}
		}
	}
	return ""
}

// fromModules returns the version of the program's module. A fork that
// replaces the module (k3s does) says its version in the replacement.
func (p Program) fromModules(info *debug.BuildInfo) string {
	for _, want := range p.Modules {
		for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
			if m.Path != want {
				continue
			}
			if m.Replace != nil && looksLikeVersion(m.Replace.Version) {
				return m.Replace.Version
			}
			if looksLikeVersion(m.Version) {
				return m.Version
			}
		}
	}
	return ""
}

// looksLikeVersion is false for "(devel)", for what is empty, and for the
// v0.0.0 that stands for "no version" in module versions and in Kubernetes.
func looksLikeVersion(s string) bool {
	v, err := node.ParseVersion(s)
	return err == nil && (v.Major > 0 || v.Minor > 0 || v.Patch > 0)
}

// pseudo matches the end of a pseudo-version: a time and a commit, which stand
// for no release (golang.org/ref/mod#pseudo-versions).
var pseudo = lazyregexp.New(`[.-]\d{14}-[0-9a-f]{12}(\+.*)?$`)

func isPseudo(version string) bool { return pseudo.MatchString(version) }
