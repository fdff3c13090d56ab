package convert_test

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/convert"
)

func TestWhatCannotBeReadIsAnErrorThatSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		name, raw string
		from, to  convert.Format
		want      string
	}{
		{"nothing", "", "", "", "cannot tell the format"},
		{"words", "hello world", "", "", "cannot tell the format"},
		{"another tool's document", "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\n", "", "", "cannot tell the format"},
		{"bytes", "\x00\x01\x02", "", "", "not UTF-8"},
		{"damaged gzip", "\x1f\x8bxxx", "", "", "cannot read the input"},
		{"too much", strings.Repeat("x", 2<<20), "", "", "more than 1024 KiB"},
		{"a script without the call", "#!/bin/bash\nyum update\n", convert.BootstrapScript, "", "cannot find a call of /etc/eks/bootstrap.sh"},
		{"a script that only speaks of it", "# /etc/eks/bootstrap.sh c\necho bootstrap.sh\n", "", "", "cannot find a call"},
		{"PowerShell without the call", "<powershell>\nGet-Date\n</powershell>", "", "", "cannot find a call of Start-EKSBootstrap.ps1"},
		{"TOML that is none", "[settings\n", convert.Bottlerocket, "", "cannot parse TOML: line 1"},
		{"TOML without settings", "x = 1\n", convert.Bottlerocket, "", "no table [settings]"},
		{"TOML with a key twice", "[settings]\na = 1\na = 2\n", "", "", "cannot parse TOML"},
		{"TOML nested without end", "[settings]\nx = " + strings.Repeat("[", 1000), "", "", "nested more than 32 deep"},
		{"YAML that is none", "kind: JoinConfiguration\n\tx: y", "", "", "cannot parse YAML"},
		{"YAML with a key twice", "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\nkind: JoinConfiguration\n", "", "", "twice"},
		{"YAML that refers to itself", "kind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\na: &a [*a]\n", "", "", "cannot"},
		{"YAML of many aliases", "kind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n" + billionLaughs(), "", "", "too many values"},
		{"an old version of kubeadm", "kind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta2\n", "", "", "known are kubeadm.k8s.io/v1beta3 and v1beta4"},
		{"two joins", "kind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n---\nkind: JoinConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n", "", "", "two JoinConfigurations"},
		{"an init", "kind: InitConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\n", convert.Kubeadm, "", "cannot find a JoinConfiguration"},
		{"a NodeConfig with errors", "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  kubelet:\n    config:\n      maxPods: -1\n", "", "", "must be positive"},
		{"no NodeConfig", "x: y\n", convert.Nodeadm, "", "cannot"},
		{"to a script", "bootstrap.sh c", "", convert.BootstrapScript, `cannot convert to "bootstrap.sh": known are eksnode, nodeadm`},
		{"to Windows", "bootstrap.sh c", "", convert.Windows, `cannot convert to "windows"`},
		{"from what is not known", "bootstrap.sh c", "talos", "", `cannot convert from "talos"`},
		{"variables that grow without end", "A=xxxxxxxxxxxxxxxx\n" + strings.Repeat("A=$A$A\n", 40) + "bootstrap.sh $A", "", "", "too much text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := convert.Convert([]byte(tt.raw), convert.Options{From: tt.from, To: tt.to, Now: now})
			if err == nil {
				t.Fatalf("no error, but\n%s", show(r))
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func billionLaughs() string {
	s := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 9 {
		from, to := string(rune('0'+i)), string(rune('1'+i))
		s += "a" + to + ": &a" + to + " [" + strings.TrimSuffix(strings.Repeat("*a"+from+", ", 9), ", ") + "]\n"
	}
	return s
}

// TestOddInputsAreReportedInFull holds single findings about inputs that are
// usable and odd.
func TestOddInputsAreReportedInFull(t *testing.T) {
	const join = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\n"
	for _, tt := range []struct {
		name, raw string
		to        convert.Format
		want      []string
	}{
		{"only the options", "my-cluster --apiserver-endpoint https://e --use-max-pods false", "",
			[]string{"--apiserver-endpoint -> spec.cluster.apiServerEndpoint", "without a number kubelet takes 110"}},
		{"through sudo and bash", "sudo bash -x /etc/eks/bootstrap.sh c", "", []string{"the cluster's name -> spec.cluster.name"}},
		{"two calls", "if true; then bootstrap.sh a; else bootstrap.sh b; fi", "", []string{"a second call of bootstrap.sh", "the call stands within if"}},
		{"an option with an equals sign", "bootstrap.sh c --b64-cluster-ca=Q0E=", "", []string{"--b64-cluster-ca: bootstrap.sh has no such option"}},
		{"a value that is missing", "bootstrap.sh c --dns-cluster-ip", "", []string{"the option has no value"}},
		{"a CA that is none", "bootstrap.sh c --b64-cluster-ca '***'", "", []string{"spec.cluster.certificateAuthority: the value is not base64"}},
		{"a DNS address that is none", "bootstrap.sh c --dns-cluster-ip x", "", []string{"the value is not an IP address"}},
		{"the wrong family", "bootstrap.sh c --service-ipv4-cidr 10.0.0.0/16 --ip-family ipv6", "", []string{"of the other family"}},
		{"an unknown strategy", "bootstrap.sh c --local-disks raid5", "", []string{"known are mount, raid0 and raid10"}},
		{"an Outpost", "bootstrap.sh c --enable-local-outpost true --cluster-id 0a1b", "", []string{"--enable-local-outpost -> spec.cluster.enableOutpost", "--cluster-id -> spec.cluster.id"}},
		{"the service network by its variable", "SERVICE_IPV4_CIDR=10.1.0.0/16 bootstrap.sh c", "", []string{"SERVICE_IPV4_CIDR -> spec.cluster.cidr"}},
		{"an option twice", "bootstrap.sh c --cluster-id a --cluster-id b", "", []string{"the last one counts"}},
		{"a secret in a command", "X=$(curl -H 'Authorization: Bearer hunter2' u)\nbootstrap.sh c --cluster-id \"$X\"", "", []string{"the value comes from $(curl …)"}},
		{"a label from instance metadata", "Z=$(curl -s http://169.254.169.254/latest/meta-data/placement/availability-zone -H \"X-aws-ec2-metadata-token: $T\")\nbootstrap.sh c --kubelet-extra-args \"--node-labels=zone=$Z,t=x-`curl -s http://169.254.169.254/latest/meta-data/instance-type/`\"", "",
			[]string{"spec.labels.zone: the script reads it from instance metadata; here it is a fact", "zone: \"${instance.zone}\"", "t: \"x-${instance.type}\""}},
		{"a label from a pipe", "Z=$(curl -s http://169.254.169.254/latest/meta-data/placement/availability-zone | sed 's/.$//')\nbootstrap.sh c --kubelet-extra-args --node-labels=region=$Z", "", []string{"spec.labels.region: the value comes from $(curl …)"}},
		{"a setting from instance metadata", "bootstrap.sh c --cluster-id $(curl -s http://169.254.169.254/latest/meta-data/instance-id)", "", []string{"spec.cluster.id: the value comes from $(curl … instance-id)"}},
		{"a taint that is none", "bootstrap.sh c --kubelet-extra-args '--register-with-taints=a=b'", "", []string{`"a=b" is no taint`}},
		{"a number that is none", "bootstrap.sh c --kubelet-extra-args '--max-pods=many'", "", []string{"--max-pods -> spec.kubelet.flags[0]"}},
		{"a dump of nodeadm's", `{"kind":"NodeConfig","apiVersion":"node.eks.aws/v1alpha1","spec":{"cluster":{"name":"c"}}}`, "", []string{"nodeadm -> eksnode (detected by apiVersion node.eks.aws)"}},
		{"base64 around it", "Ym9vdHN0cmFwLnNoIG15LWNsdXN0ZXIgLS1jbHVzdGVyLWlkIHgK", "", []string{"spec.cluster.id"}},
		{"splatting", "<powershell>& Start-EKSBootstrap.ps1 @args</powershell>", "", []string{"splatting is not read"}},
		{"a parameter shortened", "& Start-EKSBootstrap.ps1 -eksc c -apis https://e", "", []string{"-APIServerEndpoint -> spec.cluster.apiServerEndpoint"}},
		{"a parameter that is ambiguous", "& Start-EKSBootstrap.ps1 -EKSClusterName c -Kube x", "", []string{"-Kube: Start-EKSBootstrap.ps1 has no such parameter"}},
		{"a parameter that is none", "& Start-EKSBootstrap.ps1 -EKSClusterName c -Nope x", "", []string{"-Nope: Start-EKSBootstrap.ps1 has no such parameter"}},
		{"doubled quotes", "& Start-EKSBootstrap.ps1 -EKSClusterName 'it''s'", "", []string{"-EKSClusterName"}},
		{"an API server's port", join + "discovery:\n  bootstrapToken:\n    apiServerEndpoint: e:443\n", "", []string{"discovery.bootstrapToken.apiServerEndpoint -> spec.cluster.apiServerEndpoint"}},
		{"no taints", join + "nodeRegistration:\n  taints: []\n", "", []string{"nodeRegistration.taints: a worker has no taints"}},
		{"a taint with a time", join + "nodeRegistration:\n  taints: [{key: a, effect: NoSchedule, timeAdded: x}]\n", "", []string{"it is no taint with key, value and effect alone"}},
		{"a control plane", join + "controlPlane: {}\n", "", []string{"EKS runs the control plane"}},
		{"a cluster configuration beside it", join + "---\nkind: ClusterConfiguration\nfoo: bar\n", "", []string{`NodeConfig has nothing of the kind "ClusterConfiguration"`}},
		{"settings of the wrong type", "[settings.kubernetes]\nmax-pods = 'many'\nnode-labels = 5\n", "", []string{"settings.kubernetes.max-pods: the value is of the wrong type", "settings.kubernetes.node-labels"}},
		{"a taint of Bottlerocket that is none", "[settings.kubernetes.node-taints]\na = 'b'\n", "", []string{"it is not VALUE:EFFECT"}},
		{"a manifest that is none", "[settings.kubernetes.static-pods.p]\nenabled = true\nmanifest = '***'\n", "", []string{"the manifest is not one object of YAML in base64"}},
		{"a fixed name and a source", "[settings.kubernetes]\nhostname-override = 'n'\nhostname-override-source = 'instance-id'\n", "", []string{"hostname-override counts"}},
		{"another bootstrap command", "[settings.bootstrap-commands.x]\ncommands = [['apiclient', 'reboot']]\nmode = 'always'\n", "", []string{"bootstrap commands exist on Bottlerocket only"}},
		{"IPv6 to Bottlerocket", "bootstrap.sh c --service-ipv6-cidr fd30:1c53:5f8a::/108", convert.Bottlerocket, []string{"--service-ipv6-cidr -> settings.kubernetes.cluster-dns-ip", "settings.kubernetes.api-server: Bottlerocket does not start kubelet without it"}},
		{"an overlay to nodeadm", "apiVersion: eksnode.dev/v1alpha1\nkind: NodeConfig\nspec:\n  cni:\n    profile: calico\n", convert.Nodeadm, []string{"spec.cni -> spec.kubelet.maxPodsExpression"}},
		{"a field that is unknown", "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  clustr: {}\n", "", []string{"spec.clustr: NodeConfig has no such field"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, tt.raw, "", tt.to)
			for _, want := range tt.want {
				if !strings.Contains(show(r), want) {
					t.Errorf("the report does not say %q:\n%s", want, show(r))
				}
			}
			if strings.Contains(show(r), "hunter2") {
				t.Error("a secret shows")
			}
		})
	}
}
