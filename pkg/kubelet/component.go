package kubelet

import (
	"errors"
	"path"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "kubelet"

// Component returns kubelet's component. It must be asked after tuning,
// containerd and credential, whose resources kubelet reads.
func Component() node.Component {
	return node.Component{Name: Name, Desired: Desired, Notes: notes, Reasons: reasons}
}

// reasons returns where the values come from; none when there is no decision.
func reasons(in node.Input) []node.Reason {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Why
}

// notes returns the remarks of the decision; none when there is no decision.
func notes(in node.Input) []string {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Notes
}

// Desired returns the files that kubelet reads, and the running kubelet.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	cluster, l := in.Config.Spec.Cluster, in.Layout
	if len(cluster.CertificateAuthority) == 0 {
		return nil, fault.New(fault.ConfigInvalid, "Set spec.cluster.certificateAuthority as `aws eks describe-cluster` prints it.",
			errors.New("cannot write the cluster's certificate authority: there is none"))
	}
	configJSON, err := config(s, l)
	if err != nil {
		return nil, err
	}
	access, err := renderKubeconfig(s, cluster.APIServerEndpoint, l)
	if err != nil {
		return nil, err
	}
	accessPath := l.Kubeconfig
	if s.Bootstrap {
		accessPath = l.BootstrapKubeconfig // the other one is kubelet's to write
	}
	out := []host.Resource{
		host.File{Path: l.ClusterCA, Content: cluster.CertificateAuthority, Mode: 0o644},
		host.File{Path: l.KubeletConfig, Content: configJSON, Mode: 0o644},
	}
	if user := in.Config.Spec.Kubelet.Config; len(user) > 0 || len(s.DropIn) > 0 {
		file := host.File{Path: l.KubeletDropIn, Mode: 0o644}
		if _, ok := user[secretURLHeader]; ok {
			file.Mode, file.Secret = 0o600, true
		}
		if file.Content, err = dropIn(user, s.DropIn); err != nil {
			return nil, err
		}
		out = append(out, host.Dir{Path: l.KubeletConfigDir, Mode: 0o755}, file)
	}
	out = append(out,
		// It holds no secret, but nobody else has a use for it.
		host.File{Path: accessPath, Content: access, Mode: 0o600},
		host.File{Path: l.KubeletEnvironment, Content: environment(s), Mode: 0o644},
	)
	if !in.Present.KubeletUnit {
		out = append(out, host.File{Path: path.Join(l.UnitDir, l.KubeletUnit), Content: unit(in), Mode: 0o644})
	}
	out = append(out, forwardDropIn(in)...)
	for _, stale := range s.Stale {
		out = append(out, stale)
	}
	// kubelet watches its manifests: they are there before it starts, and one that
	// changes is no reason to start it again.
	return append(append(out, manifests(s)...), service(in, out)), nil
}

// service is the running kubelet. It reads all that is declared here when it
// starts, the registry credential configuration, and its environment.
func service(in node.Input, declared []host.Resource) host.Service {
	reads := make([]host.ID, 0, len(declared)+3)
	for _, r := range declared {
		reads = append(reads, r.ID())
	}
	reads = append(reads, host.File{Path: in.Layout.ImageCredentialProviderConfig}.ID())
	reads = append(reads, in.EnvironmentReads(in.Layout.KubeletUnit)...)
	// It counts huge pages and looks for swap when it starts.
	reads = append(reads, in.HugePagesReads()...)
	reads = append(reads, in.SwapReads()...)
	return host.Service{Name: in.Layout.KubeletUnit, Running: true, Current: true, Reads: reads}
}
