package binversion

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// program is a small Go program that stands for a kubelet or containerd: it
// has the version packages of the real ones, at their real paths.
type program struct {
	dir string // of its main module
}

func source(t *testing.T, files map[string]string) program {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return program{dir}
}

// build compiles the program and returns its path.
func (p program) build(t *testing.T, env []string, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "program")
	cmd := exec.Command("go", append(append([]string{"build", "-buildvcs=false", "-o", out}, args...), ".")...)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOOS=linux", "GOARCH=amd64"), env...)
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build: %v\n%s", err, b)
	}
	return out
}

func kubelet(t *testing.T) program {
	return source(t, map[string]string{
		"go.mod": "module k8s.io/component-base\ngo 1.24\n",
		"version/base.go": `package version
var (
	gitMajor string
	gitMinor string
	gitVersion = "v0.0.0-master+$Format:%H$"
	gitCommit = "$Format:%H$"
	gitTreeState = ""
	buildDate = "1970-01-01T00:00:00Z"
)
func Get() []string { return []string{gitMajor, gitMinor, gitVersion, gitCommit, gitTreeState, buildDate} }
`,
		"main.go": `package main
import ("fmt"; "k8s.io/component-base/version")
var decoy, other = "v1.2.3", "v9.9.9"
func main() { fmt.Println(version.Get(), &decoy, &other) }
`,
	})
}

func containerd(t *testing.T, module string) program {
	return source(t, map[string]string{
		"go.mod": "module " + module + "\ngo 1.24\n",
		"version/version.go": `package version
var (
	Package = "` + module + `"
	Version = "1.7.35+unknown"
	Revision = ""
)
`,
		"main.go": `package main
import ("fmt"; "` + module + `/version")
var old = []string{"1.0.0", "0.1.0"}
var one, two = "1.1.0", "0.2.0"
func main() { fmt.Println(&version.Package, &version.Version, &version.Revision, old, &one, &two) }
`,
	})
}

const (
	eksVersion = "-X k8s.io/component-base/version.gitVersion=v1.33.5-eks-113cf36"
	eksCommit  = "-X k8s.io/component-base/version.gitCommit=113cf36000000000000000000000000000000000"
)

// Programs as they are released: stripped, with -trimpath, so that nothing but
// the data tells the version.
func TestTheVersionIsFoundInTheDataOfAStrippedProgram(t *testing.T) {
	for _, row := range []struct {
		name  string
		build func(t *testing.T) string
		kind  Program
		want  string
	}{
		{"kubelet", func(t *testing.T) string {
			return kubelet(t).build(t, nil, "-trimpath", "-ldflags", "-s -w "+eksVersion+" "+eksCommit)
		}, Kubelet(), "v1.33.5-eks-113cf36"},
		{"kubelet that is position-independent", func(t *testing.T) string {
			return kubelet(t).build(t, nil, "-trimpath", "-buildmode=pie", "-ldflags", "-s -w "+eksVersion+" "+eksCommit)
		}, Kubelet(), "v1.33.5-eks-113cf36"},
		{"kubelet for arm64, position-independent", func(t *testing.T) string {
			return kubelet(t).build(t, []string{"GOARCH=arm64"}, "-trimpath", "-buildmode=pie", "-ldflags", "-s -w "+eksVersion+" "+eksCommit)
		}, Kubelet(), "v1.33.5-eks-113cf36"},
		{"kubelet with pointers only in its relocations", func(t *testing.T) string {
			return withoutPointers(t, kubelet(t).build(t, nil, "-trimpath", "-buildmode=pie", "-ldflags", "-s -w "+eksVersion+" "+eksCommit))
		}, Kubelet(), "v1.33.5-eks-113cf36"},
		{"kubelet whose builder set no commit", func(t *testing.T) string {
			return kubelet(t).build(t, nil, "-trimpath", "-ldflags", "-s -w "+eksVersion)
		}, Kubelet(), "v1.33.5-eks-113cf36"},
		{"kubelet that is not stripped", func(t *testing.T) string {
			return kubelet(t).build(t, nil, "-trimpath", "-ldflags", eksVersion)
		}, Kubelet(), "v1.33.5-eks-113cf36"},
		{"containerd 2", func(t *testing.T) string {
			return containerd(t, "github.com/containerd/containerd/v2").build(t, nil, "-trimpath", "-ldflags", "-s -w -X github.com/containerd/containerd/v2/version.Version=v2.1.4")
		}, Containerd(), "v2.1.4"},
		{"containerd 1.7 of Debian", func(t *testing.T) string {
			return containerd(t, "github.com/containerd/containerd").build(t, nil, "-trimpath", "-buildmode=pie", "-ldflags", "-s -w -X github.com/containerd/containerd/version.Version=1.7.24~ds1")
		}, Containerd(), "1.7.24~ds1"},
		{"containerd without any -X", func(t *testing.T) string {
			return containerd(t, "github.com/containerd/containerd").build(t, nil, "-trimpath", "-ldflags", "-s -w")
		}, Containerd(), "1.7.35+unknown"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			path := row.build(t)
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			count := &counter{r: f}
			text, how, err := row.kind.find(count)
			if err != nil || text != row.want || how != "program data" {
				t.Errorf("found %q in %s (%v), want %q in program data", text, how, err, row.want)
			}
			if fi, err := f.Stat(); err != nil || count.n > fi.Size()/3 {
				t.Errorf("read %d of %d bytes (%v)", count.n, fi.Size(), err)
			}
		})
	}
}

// counter counts the bytes that are read.
type counter struct {
	r io.ReaderAt
	n int64
}

func (c *counter) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.r.ReadAt(b, off)
	c.n += int64(n)
	return n, err
}

func TestBuildInformationIsAskedBeforeTheData(t *testing.T) {
	module := func(version, replace string) *debug.BuildInfo {
		m := &debug.Module{Path: "k8s.io/kubernetes", Version: version}
		if replace != "" {
			m.Replace = &debug.Module{Path: "github.com/k3s-io/kubernetes", Version: replace}
		}
		return &debug.BuildInfo{Main: debug.Module{Path: "example.com/x", Version: "v9.9.9"}, Deps: []*debug.Module{m}}
	}
	for _, row := range []struct{ name, version, replace, want string }{
		{"dependency", "v1.35.4", "", "v1.35.4"},
		{"fork of k3s", "v1.33.5", "v1.33.5-k3s1", "v1.33.5-k3s1"},
		{"source tree", "(devel)", "", ""},
		{"replaced by a folder", "v0.0.0", "", ""},
	} {
		if got := Kubelet().fromModules(module(row.version, row.replace)); got != row.want {
			t.Errorf("%s: module version %q, want %q", row.name, got, row.want)
		}
	}
	for _, row := range []struct{ name, flags, want string }{
		{"plain", "-s -w -X k8s.io/component-base/version.gitVersion=v1.33.5-eks-1 -X a.b=c", "v1.33.5-eks-1"},
		{"quoted", `-s -X 'k8s.io/client-go/pkg/version.gitVersion=v1.33.5'`, "v1.33.5"},
		{"with an equals sign", `-X=k8s.io/client-go/pkg/version.gitVersion=v1.33.5`, "v1.33.5"},
		{"another package's version", `-X example.com/version.gitVersion=v1.33.5`, ""},
		{"placeholder", `-X k8s.io/client-go/pkg/version.gitVersion=v0.0.0-master`, ""},
	} {
		info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "-trimpath", Value: "true"}, {Key: "-ldflags", Value: row.flags}}}
		if got := Kubelet().fromFlags(info); got != row.want {
			t.Errorf("%s: flags say %q, want %q", row.name, got, row.want)
		}
	}
}

func TestAPseudoVersionIsOnlyTheLastResort(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.33.5": false, "v1.33.5-eks-113cf36": false, "v1.33.5+dirty": false, "v2.0.0-rc.1": false,
		"v1.33.6-0.20250909140305-113cf3600000": true, "v0.0.0-20250909140305-113cf3600000": true, "v1.33.6-0.20250909140305-113cf3600000+dirty": true,
	} {
		if got := isPseudo(version); got != want {
			t.Errorf("isPseudo(%q) = %v", version, got)
		}
	}
}

// place writes a file under a root and sets its time.
func place(t *testing.T, root, name string, content []byte, at time.Time) {
	t.Helper()
	p := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(p, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestReadPrefersTheFileUnlessTheProgramIsNewer(t *testing.T) {
	built, err := os.ReadFile(kubelet(t).build(t, nil, "-trimpath", "-ldflags", "-s -w "+eksVersion))
	if err != nil {
		t.Fatal(err)
	}
	early := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	late := early.Add(time.Hour)
	const versionFile, path = "/etc/eks/kubelet-version.txt", "/usr/bin/kubelet"
	none := []byte(nil)
	for _, row := range []struct {
		name             string
		stated           []byte
		statedAt         time.Time
		program          []byte
		programAt        time.Time
		version, source  string
		code             fault.Code
		message, inRemed string
	}{
		{name: "image as it was built", stated: []byte("v1.31.2-eks-1\n"), statedAt: late, program: built, programAt: early, version: "1.31.2", source: versionFile},
		{name: "output of --version", stated: []byte("Kubernetes v1.31.2-eks-1\n"), statedAt: late, program: []byte("#!/bin/sh"), programAt: early, version: "1.31.2", source: versionFile},
		{name: "someone replaced kubelet", stated: []byte("v1.31.2-eks-1\n"), statedAt: early, program: built, programAt: late, version: "1.33.5", source: path + " (program data)"},
		{name: "replaced by something silent", stated: []byte("v1.31.2"), statedAt: early, program: []byte("#!/bin/sh"), programAt: late, version: "1.31.2", source: versionFile},
		{name: "no file", program: built, programAt: late, version: "1.33.5", source: path + " (program data)"},
		{name: "file without a version", stated: []byte("latest\n"), statedAt: late, program: built, programAt: early, version: "1.33.5", source: path + " (program data)"},
		{name: "file and no program here", stated: []byte("v1.31.2"), statedAt: late, program: none, version: "1.31.2", source: versionFile},
		{name: "nothing at all", program: none, code: fault.BinaryMissing, message: "cannot tell the version of kubelet: ", inRemed: path},
		{name: "wrapper script and no file", program: []byte("#!/bin/sh\nexec snap run kubelet\n"), programAt: early, code: fault.VersionUnknown, message: "not an ELF program", inRemed: versionFile},
		{name: "garbled file and no program", stated: []byte("latest"), statedAt: late, program: none, code: fault.VersionUnknown, message: `"latest"`, inRemed: versionFile},
	} {
		t.Run(row.name, func(t *testing.T) {
			root := t.TempDir()
			if row.stated != nil {
				place(t, root, versionFile, row.stated, row.statedAt)
			}
			if row.program != nil {
				place(t, root, path, row.program, row.programAt)
			}
			v, err := Read(rootfs.At(root), Kubelet(), versionFile, path)
			if row.code != "" {
				f, ok := fault.Find(err)
				if !ok || f.Code != row.code || !strings.Contains(err.Error(), row.message) || !strings.Contains(f.Remedy, row.inRemed) {
					t.Errorf("got %v with %+v", err, f)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{row.version, row.source}, []string{v.String(), v.Source}); diff != "" {
				t.Errorf("version and source differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTwoVersionsThatDisagreeAreNotGuessedBetween(t *testing.T) {
	p := source(t, map[string]string{
		"go.mod": "module example.com/x\ngo 1.24\n",
		"main.go": `package main
import "fmt"
var (
	a = "v1.33.5"
	commitA = "0000000000000000000000000000000000000000"
	b = "v1.32.1"
	commitB = "1111111111111111111111111111111111111111"
)
func main() { fmt.Println(&a, &commitA, &b, &commitB) }
`,
	}).build(t, nil, "-trimpath", "-ldflags", "-s -w")
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	if text, how, err := Kubelet().find(bytes.NewReader(b)); err == nil || !strings.Contains(err.Error(), "v1.32.1, v1.33.5") {
		t.Errorf("found %q in %s (%v)", text, how, err)
	}
}

func TestAKubeletWithThePlaceholderHasNoVersion(t *testing.T) {
	root := t.TempDir()
	b, err := os.ReadFile(kubelet(t).build(t, nil, "-trimpath", "-ldflags", "-s -w"))
	if err != nil {
		t.Fatal(err)
	}
	place(t, root, "/usr/bin/kubelet", b, time.Now())
	v, err := Read(rootfs.At(root), Kubelet(), "", "/usr/bin/kubelet")
	if fault.CodeOf(err) != fault.VersionUnknown || v != (node.Version{}) {
		t.Errorf("got %+v (%v)", v, err)
	}
}
