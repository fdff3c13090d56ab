//go:build linux

package lab

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/rootfs"
	"github.com/eksnode/eksnode/test/lab/internal/toolchain"
)

const (
	etcdVersion          = toolchain.EtcdVersion
	authenticatorVersion = toolchain.AuthenticatorVersion
	controlPlaneVersion  = toolchain.ControlPlaneVersion
)

// The versions a node has when its spec names none.
const (
	DefaultKubernetes = "1.37"
	DefaultContainerd = "2"
)

// Kubernetes lists the minors a node can have, and Containerd the release lines of its runtime; both sorted.
func Kubernetes() []string { return sortedKeys(toolchain.KubeletVersions()) }

// Containerd lists the release lines of containerd a node can have, sorted.
func Containerd() []string { return sortedKeys(toolchain.ContainerdVersions()) }

// Deps installs the Debian packages the machine lacks for the lab. It is quick when there are none.
func Deps(ctx context.Context, progress io.Writer) error {
	installed, err := rootfs.EnsureHostPackages(ctx, progress)
	if err != nil {
		return err
	}
	if len(installed) > 0 {
		fmt.Fprintln(progress, "installed", installed)
	}
	return nil
}

// Build builds into the cache what a lab with nodes of the versions needs, so that starting one is quick.
func Build(ctx context.Context, options Options, kubernetes, containerd []string) error {
	if err := options.fill(); err != nil {
		return fmt.Errorf("cannot build: %w", err)
	}
	l := &Lab{options: options, began: time.Now()}
	if err := Deps(ctx, options.Progress); err != nil {
		return err
	}
	wants, err := wanted(kubernetes, containerd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// While the compiler has the processors, what waits for the network goes on beside it.
	var beside sync.WaitGroup
	var baseErr error
	beside.Go(func() { _, baseErr = l.base(ctx, false, io.Discard) })
	beside.Go(func() { l.fetch(ctx, wants) })
	for _, w := range wants {
		if _, err := l.builder().Build(ctx, w.tool, w.programs...); err != nil {
			cancel()
			beside.Wait()
			return err
		}
	}
	beside.Wait()
	if baseErr != nil {
		return baseErr
	}
	for _, k := range kubernetes {
		for _, c := range containerd {
			if _, err := l.nodeImage(ctx, InstanceSpec{Kubernetes: k, Containerd: c}); err != nil {
				return err
			}
		}
	}
	for _, p := range []string{"pause", "hello", "awsnode"} {
		if _, err := l.imageProgram(ctx, p); err != nil {
			return err
		}
	}
	l.progress("everything is built")
	return nil
}

// want is a tool and the programs of it that are needed; all when none is named.
type want struct {
	tool     toolchain.Tool
	programs []string
}

// controlPlaneWants are the control plane's programs.
func controlPlaneWants() ([]want, error) {
	kubernetes, err := toolchain.Kubernetes(controlPlaneVersion)
	if err != nil {
		return nil, err
	}
	return []want{
		{kubernetes, []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"}},
		{toolchain.Etcd(), nil},
		{toolchain.Authenticator(), nil},
	}, nil
}

// wanted is everything of a control plane and of nodes of the versions; each tool once, the slowest first.
func wanted(kubernetes, containerd []string) ([]want, error) {
	wants, err := controlPlaneWants()
	if err != nil {
		return nil, err
	}
	for _, k := range kubernetes {
		version, ok := toolchain.KubeletVersions()[k]
		if !ok {
			return nil, fmt.Errorf("cannot build: no Kubernetes %q here, only %v", k, Kubernetes())
		}
		if version == controlPlaneVersion {
			wants[0].programs = append(wants[0].programs, "kubelet")
			continue
		}
		tool, err := toolchain.Kubernetes(version)
		if err != nil {
			return nil, err
		}
		wants = append(wants, want{tool, []string{"kubelet"}})
	}
	for _, c := range containerd {
		version, ok := toolchain.ContainerdVersions()[c]
		if !ok {
			return nil, fmt.Errorf("cannot build: no containerd %q here, only %v", c, Containerd())
		}
		wants = append(wants, want{toolchain.Containerd(version), nil})
	}
	return append(wants, want{toolchain.CNI(), nil}), nil
}

// fetch downloads modules ahead of their compilation, which downloads what this could not.
func (l *Lab) fetch(ctx context.Context, wants []want) {
	for _, w := range wants[1:] { // the first is being compiled already
		if !l.builder().Missing(w.tool, w.programs...) {
			continue
		}
		if err := l.builder().Fetch(ctx, w.tool); err != nil && ctx.Err() == nil {
			l.progress("%v", err)
		}
	}
}

// base is the boxes' root file system.
func (l *Lab) base(ctx context.Context, networkManager bool, log io.Writer) (rootfs.Base, error) {
	return rootfs.BuildBase(ctx, filepath.Join(l.options.Cache, "rootfs"), networkManager, log, func(s string) { l.progress("%s", s) })
}

func (l *Lab) builder() *toolchain.Builder {
	return &toolchain.Builder{Tools: filepath.Join(l.options.Module, "tools"), Cache: filepath.Join(l.options.Cache, "tools"),
		Progress: func(program string, took time.Duration) {
			if took == 0 {
				l.progress("compiling %s", program)
			} else {
				l.progress("compiled %s in %.0fs", program, took.Seconds())
			}
		}}
}

// buildControlPlane returns the paths of the control plane's programs by name.
func (l *Lab) buildControlPlane(ctx context.Context) (map[string]string, error) {
	if err := Deps(ctx, l.options.Progress); err != nil {
		return nil, err
	}
	if l.options.NoControlPlane {
		return nil, nil
	}
	wants, err := controlPlaneWants()
	if err != nil {
		return nil, err
	}
	programs := map[string]string{}
	for _, w := range wants {
		built, err := l.builder().Build(ctx, w.tool, w.programs...)
		if err != nil {
			return nil, err
		}
		maps.Copy(programs, built)
	}
	return programs, nil
}

// nodeImage builds the image a spec's instance boots from.
func (l *Lab) nodeImage(ctx context.Context, spec InstanceSpec) (rootfs.Image, error) {
	l.imageMu.Lock()
	defer l.imageMu.Unlock()
	if err := Deps(ctx, l.options.Progress); err != nil {
		return rootfs.Image{}, err
	}
	image := rootfs.ImageSpec{Programs: map[string]string{}, Files: map[string][]byte{}, Package: l.options.Package}
	if err := l.nodePrograms(ctx, spec, image.Programs); err != nil {
		return rootfs.Image{}, err
	}
	if spec.VersionFiles {
		image.Files["etc/eks/kubelet-version.txt"] = []byte("v" + toolchain.KubeletVersions()[spec.kubernetes()] + "\n")
		image.Files["etc/eks/containerd-version.txt"] = []byte(toolchain.ContainerdVersions()[spec.containerd()] + "\n")
	}
	if spec.PauseArchive {
		archive, err := l.pauseArchive(ctx)
		if err != nil {
			return rootfs.Image{}, err
		}
		image.Files["etc/eks/pause.tar"] = archive
	}
	log := io.Discard
	if l.Dir != "" {
		file, err := l.openLog("build.log")
		if err != nil {
			return rootfs.Image{}, err
		}
		defer file.Close()
		log = file
	}
	base, err := l.base(ctx, spec.NetworkManager, log)
	if err != nil {
		return rootfs.Image{}, err
	}
	return rootfs.BuildImage(ctx, filepath.Join(l.options.Cache, "layers"), base, image, log)
}

// nodePrograms adds a node's programs under the paths an EKS image has them at.
func (l *Lab) nodePrograms(ctx context.Context, spec InstanceSpec, programs map[string]string) error {
	kubeletVersion, ok := toolchain.KubeletVersions()[spec.kubernetes()]
	if !ok {
		return fmt.Errorf("cannot build a node image: no Kubernetes %q here, only %v", spec.kubernetes(), Kubernetes())
	}
	containerdVersion, ok := toolchain.ContainerdVersions()[spec.containerd()]
	if !ok {
		return fmt.Errorf("cannot build a node image: no containerd %q here, only %v", spec.containerd(), Containerd())
	}
	kubernetes, err := toolchain.Kubernetes(kubeletVersion)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		tool  toolchain.Tool
		names []string
		dir   string
	}{
		{kubernetes, []string{"kubelet"}, "usr/bin"},
		{toolchain.Containerd(containerdVersion), nil, "usr/bin"},
		{toolchain.CNI(), nil, "opt/cni/bin"},
	} {
		built, err := l.builder().Build(ctx, part.tool, part.names...)
		if err != nil {
			return err
		}
		for name, path := range built {
			programs[filepath.Join(part.dir, name)] = path
		}
	}
	return nil
}

// imageProgram builds one of the programs under images/.
func (l *Lab) imageProgram(ctx context.Context, name string) (string, error) {
	return l.builder().Program(ctx, filepath.Join(l.options.Module, "images", name), name)
}
