//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// NodeNaming decides which user name the cluster's access entry gives a node, and so which name it must register under.
type NodeNaming string

// The two names an EKS node can have (EKS user guide, access entries of type EC2_LINUX).
const (
	// PrivateDNSName maps the node role to system:node:{{EC2PrivateDNSName}}: EKS's default.
	PrivateDNSName NodeNaming = "private-dns-name"
	// InstanceID maps the node role to system:node:{{SessionName}}, which is the instance id.
	InstanceID NodeNaming = "instance-id"
)

// Options of a lab. The zero value is a usable cluster without the product installed.
type Options struct {
	// Package is the .deb of the product that is installed in every instance with dpkg; none when empty.
	Package string
	// NodeNaming is PrivateDNSName when empty.
	NodeNaming NodeNaming
	// IPv6 gives every instance an IPv6 address too.
	IPv6 bool
	// NoPodNetwork leaves out the DaemonSet that gives nodes their pod network, as in a cluster that brings none.
	NoPodNetwork bool
	// NoControlPlane leaves out etcd, Kubernetes and the authenticator: for tests of a single box.
	NoControlPlane bool
	// Progress receives a line for every step, with the time since the start; os.Stderr when nil.
	Progress io.Writer
	// Cache is the folder for built programs, root file systems and run folders. When empty it is
	// $EKSNODE_LAB_CACHE, or eksnode-lab in the user's cache folder. It must be on a real disk (not tmpfs or overlay).
	Cache string
	// Module is the folder of this Go module; found with "go env GOMOD" when empty.
	Module string
	// KeepDisks leaves the instances' disks in the run folder when the lab is closed.
	KeepDisks bool
}

// fill sets what is empty.
func (o *Options) fill() error {
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	if o.NodeNaming == "" {
		o.NodeNaming = PrivateDNSName
	}
	if o.NodeNaming != PrivateDNSName && o.NodeNaming != InstanceID {
		return fmt.Errorf("node naming %q is neither %s nor %s", o.NodeNaming, PrivateDNSName, InstanceID)
	}
	if o.Cache == "" {
		cache, err := CacheDir()
		if err != nil {
			return err
		}
		o.Cache = cache
	}
	if o.Package != "" {
		abs, err := filepath.Abs(o.Package)
		if err != nil {
			return err
		}
		o.Package = abs
	}
	if o.Module == "" {
		module, err := moduleDir()
		if err != nil {
			return err
		}
		o.Module = module
	}
	return nil
}

// CacheDir is where labs keep what they build: $EKSNODE_LAB_CACHE, or eksnode-lab in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("EKSNODE_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cannot find a cache folder; set EKSNODE_LAB_CACHE: %w", err)
	}
	return filepath.Join(dir, "eksnode-lab"), nil
}

// moduleDir finds this module's folder from the working folder, which go test makes a folder of the module.
func moduleDir() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the lab's Go module: %w", err)
	}
	dir := filepath.Dir(strings.TrimSpace(string(out)))
	if _, err := os.Stat(filepath.Join(dir, "tools", "etcd-"+etcdVersion)); err != nil {
		return "", errors.New("cannot find the lab's Go module: the working folder is not in it (cd test/lab, or set Options.Module)")
	}
	return dir, nil
}
