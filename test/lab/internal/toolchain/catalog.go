// Package toolchain builds the third-party programs the lab runs (etcd, the
// Kubernetes binaries, containerd, the CNI plugins, aws-iam-authenticator) from
// the consumer modules under tools/, and keeps the results in a cache, so that
// only the first run on a machine pays for compiling them.
package toolchain

import (
	"fmt"
	"path"
	"strings"
)

// Tool is one consumer module under tools/ and the programs built from it.
type Tool struct {
	// Name and Version name the module folder tools/<Name>-<Version>.
	Name, Version string
	// Packages maps a program's file name to its import path.
	Packages map[string]string
	// Variables are set in the programs by the linker (-X), so that they
	// report a version instead of a placeholder.
	Variables map[string]string
}

// Dir is the module's folder name under tools/.
func (t Tool) Dir() string { return t.Name + "-" + t.Version }

// The versions of the lab. A version is added by adding its module under tools/
// and a line here.
const (
	EtcdVersion          = "3.6.16"
	CNIVersion           = "1.9.1"
	AuthenticatorVersion = "0.6.13"
	// ControlPlaneVersion is the Kubernetes version of the API server,
	// controller manager, scheduler and kubectl.
	ControlPlaneVersion = "1.37.2"
)

// KubeletVersions maps the minors a node can have to the full version built.
func KubeletVersions() map[string]string {
	return map[string]string{"1.37": "1.37.2", "1.35": "1.35.4"}
}

// ContainerdVersions maps the release lines a node can have to the full version built.
func ContainerdVersions() map[string]string {
	return map[string]string{"2": "2.4.2", "1.7": "1.7.35"}
}

// Etcd is the cluster's store.
func Etcd() Tool {
	return Tool{Name: "etcd", Version: EtcdVersion, Packages: map[string]string{"etcd": "go.etcd.io/etcd/server/v3"}}
}

// CNI is the set of plugins an EKS node image carries in /opt/cni/bin that the lab needs.
func CNI() Tool {
	const root = "github.com/containernetworking/plugins/plugins/"
	t := Tool{Name: "cni", Version: CNIVersion, Packages: map[string]string{},
		Variables: map[string]string{"github.com/containernetworking/plugins/pkg/utils/buildversion.BuildVersion": "v" + CNIVersion}}
	for _, p := range []string{"main/bridge", "main/ptp", "main/loopback", "ipam/host-local", "meta/portmap"} {
		t.Packages[path.Base(p)] = root + p
	}
	return t
}

// Authenticator is the token webhook that EKS control planes run.
func Authenticator() Tool {
	return Tool{Name: "aws-iam-authenticator", Version: AuthenticatorVersion,
		Packages:  map[string]string{"aws-iam-authenticator": "sigs.k8s.io/aws-iam-authenticator/cmd/aws-iam-authenticator"},
		Variables: map[string]string{"sigs.k8s.io/aws-iam-authenticator/pkg.Version": "v" + AuthenticatorVersion}}
}

// Kubernetes is the tool for one full version, with the suffix that EKS builds carry in
// their version strings ("v1.37.2-eks-1ab0000").
func Kubernetes(version string) (Tool, error) {
	parts := strings.Split(version, ".")
	if len(parts) != 3 {
		return Tool{}, fmt.Errorf("cannot read Kubernetes version %q: want MAJOR.MINOR.PATCH", version)
	}
	t := Tool{Name: "kubernetes", Version: version, Packages: map[string]string{}, Variables: map[string]string{}}
	for _, p := range []string{"kubelet", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"} {
		t.Packages[p] = "k8s.io/kubernetes/cmd/" + p
	}
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		t.Variables[p+".gitVersion"] = "v" + version + "-eks-1ab0000"
		t.Variables[p+".gitMajor"] = parts[0]
		t.Variables[p+".gitMinor"] = parts[1] + "+"
		t.Variables[p+".gitTreeState"] = "clean"
		t.Variables[p+".gitCommit"] = "1ab0000000000000000000000000000000000000"
		t.Variables[p+".buildDate"] = "2026-01-01T00:00:00Z"
	}
	return t, nil
}

// Containerd is the tool for one full version, 1.x or 2.x.
func Containerd(version string) Tool {
	module := "github.com/containerd/containerd"
	if !strings.HasPrefix(version, "1.") {
		module += "/v2"
	}
	t := Tool{Name: "containerd", Version: version, Packages: map[string]string{},
		Variables: map[string]string{module + "/version.Version": "v" + version, module + "/version.Revision": "lab"}}
	for _, p := range []string{"containerd", "containerd-shim-runc-v2", "ctr"} {
		t.Packages[p] = module + "/cmd/" + p
	}
	return t
}
