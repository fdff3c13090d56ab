package convert

import (
	"errors"
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// Format is a form in which a node's configuration is written.
type Format string

// The formats. All can be read; [Targets] can be written.
const (
	// Nodeadm is NodeConfig of node.eks.aws/v1alpha1, as nodeadm on EC2 reads it.
	Nodeadm Format = "nodeadm"
	// EKSNode is NodeConfig of eksnode.dev/v1alpha1, this project's superset.
	EKSNode Format = "eksnode"
	// Hybrid is NodeConfig of node.eks.aws/v1alpha1 as EKS Hybrid Nodes reads it,
	// with spec.hybrid and spec.cluster.region.
	Hybrid Format = "hybrid"
	// BootstrapScript is a command line of /etc/eks/bootstrap.sh of the Amazon Linux
	// 2 images, or user data with a script that has one.
	BootstrapScript Format = "bootstrap.sh"
	// Windows is a call of Start-EKSBootstrap.ps1, or user data that has one.
	Windows Format = "windows"
	// Bottlerocket is Bottlerocket's settings in TOML.
	Bottlerocket Format = "bottlerocket"
	// Kubeadm is a JoinConfiguration of kubeadm.k8s.io, alone, with a
	// KubeletConfiguration beside it, or within the cloud-config of Cluster API. It
	// is written as v1beta4.
	Kubeadm Format = "kubeadm"
	// KubeadmV1beta3 and KubeadmV1beta4 are Kubeadm with the version named, which
	// makes a difference only in what is written: v1beta3 is for kubeadm before 1.31.
	KubeadmV1beta3 Format = "kubeadm/v1beta3"
	KubeadmV1beta4 Format = "kubeadm/v1beta4"
)

// Formats returns the formats that can be read, for messages.
func Formats() []Format {
	return []Format{Nodeadm, EKSNode, Hybrid, BootstrapScript, Windows, Bottlerocket, Kubeadm}
}

// Targets returns the formats that can be written, for messages.
func Targets() []Format {
	return []Format{EKSNode, Nodeadm, Hybrid, Bottlerocket, Kubeadm, KubeadmV1beta3, KubeadmV1beta4}
}

// family is the format without the version that only matters when writing.
func (f Format) family() Format {
	if f == KubeadmV1beta3 || f == KubeadmV1beta4 {
		return Kubeadm
	}
	return f
}

// errUnknown is why Detect gives up.
var errUnknown = errors.New("cannot tell the format: it is no NodeConfig, JoinConfiguration, Bottlerocket settings or call of a bootstrap script")

// signs tells formats apart, the most telling first. A pattern is looked for in
// the text after base64, gzip and MIME are undone.
var signs = []struct {
	format  Format
	pattern *lazyregexp.Regexp
	seen    string
}{
	{Hybrid, lazyregexp.New(`(?m)^apiVersion:\s*["']?node\.eks\.aws/[\s\S]*^ {1,8}hybrid:\s*$`), "apiVersion node.eks.aws with spec.hybrid"},
	{Hybrid, lazyregexp.New(`"apiVersion"\s*:\s*"node\.eks\.aws/[\s\S]*"hybrid"\s*:\s*\{`), "apiVersion node.eks.aws with spec.hybrid"},
	{EKSNode, lazyregexp.New(`(?m)(?:^\s*["']?|[{,]\s*")apiVersion["']?\s*:\s*["']?eksnode\.dev/`), "apiVersion eksnode.dev"},
	{Nodeadm, lazyregexp.New(`(?m)(?:^\s*["']?|[{,]\s*")apiVersion["']?\s*:\s*["']?node\.eks\.aws/`), "apiVersion node.eks.aws"},
	{Kubeadm, lazyregexp.New(`(?m)^\s*["']?kind["']?\s*:\s*["']?JoinConfiguration`), "kind JoinConfiguration"},
	{Windows, lazyregexp.New(`(?i)Start-EKSBootstrap|<powershell>|^\s*-EKSClusterName\b`), "a call of Start-EKSBootstrap.ps1, or a <powershell> tag"},
	{Bottlerocket, lazyregexp.New(`(?m)^\s*\[\[?"?settings"?[.\]]|^\s*settings\.`), "a table named settings in TOML"},
	{BootstrapScript, lazyregexp.New(`\bbootstrap\.sh\b|(?:^|\s)--(?:kubelet-extra-args|apiserver-endpoint|b64-cluster-ca)\s`), "a call of bootstrap.sh"},
}

// Detect tells the format of a text and what it was told by.
func Detect(raw []byte) (f Format, seen string, err error) {
	texts, err := unfold(raw)
	if err != nil {
		return "", "", err
	}
	for _, s := range signs {
		for _, t := range texts {
			if s.pattern.MatchString(t.body) {
				return s.format, s.seen, nil
			}
		}
	}
	return "", "", errUnknown
}

// ParseFormat returns the format of a name.
func ParseFormat(name string) (Format, error) {
	for _, f := range append(Formats(), Targets()...) {
		if strings.EqualFold(string(f), name) {
			return f, nil
		}
	}
	return "", fmt.Errorf("cannot convert to or from %q: known are %s", name, names(append(Formats(), KubeadmV1beta3, KubeadmV1beta4)))
}

func names(formats []Format) string {
	var out []string
	for _, f := range formats {
		out = append(out, string(f))
	}
	return strings.Join(out, ", ")
}
