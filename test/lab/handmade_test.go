//go:build linux

package lab_test

import (
	"context"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/test/lab"
)

// A node made by hand, with the tools a person would take: it shows that the lab lets real clients join that know nothing
// of it and nothing of the product: aws-iam-authenticator for the cluster's token, curl for ECR's.

const handmadeContainerd2 = `version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'localhost/kubernetes/pause:latest'
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['/opt/cni/bin']
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
`

const handmadeContainerd1 = `version = 2
[plugins.'io.containerd.grpc.v1.cri']
sandbox_image = 'localhost/kubernetes/pause:latest'
restrict_oom_score_adj = true
[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.grpc.v1.cri'.containerd.runtimes.runc.options]
SystemdCgroup = true
`

const handmadeUnits = `
cat >/etc/systemd/system/containerd.service <<'END'
[Service]
Type=notify
ExecStart=/usr/bin/containerd
Delegate=yes
KillMode=process
END
cat >/etc/systemd/system/kubelet.service <<'END'
[Unit]
After=containerd.service
Wants=containerd.service
[Service]
ExecStart=/usr/bin/kubelet --config=/etc/kubelet.yaml --kubeconfig=/etc/kubeconfig --cloud-provider=external \
 --hostname-override=@NAME@ --node-ip=@IP@ --image-credential-provider-config=/etc/credentials.yaml --image-credential-provider-bin-dir=/opt/credentials
Restart=on-failure
[Install]
WantedBy=multi-user.target
END
cat >/etc/kubelet.yaml <<'END'
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: systemd
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
providerID: aws:///us-west-2a/@ID@
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: /etc/ca.crt}}
authorization: {mode: Webhook}
serverTLSBootstrap: true
clusterDNS: [10.100.0.10]
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
END
cat >/etc/kubeconfig <<'END'
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "@ENDPOINT@", certificate-authority: /etc/ca.crt}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: /opt/aws-iam-authenticator, args: [token, -i, lab, --region, us-west-2], env: [{name: AWS_STS_REGIONAL_ENDPOINTS, value: regional}], interactiveMode: Never}}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
END
cat >/etc/credentials.yaml <<'END'
apiVersion: kubelet.config.k8s.io/v1
kind: CredentialProviderConfig
providers:
- name: curl-ecr
  matchImages: ["*.dkr.ecr.*.amazonaws.com"]
  defaultCacheDuration: 1h
  apiVersion: credentialprovider.kubelet.k8s.io/v1
END
mkdir -p /opt/credentials
cat >/opt/credentials/curl-ecr <<'END'
#!/bin/sh -eu
cat >/dev/null
imds=http://169.254.169.254/latest
token=$(curl -sf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $imds/api/token)
get() { curl -sf -H "X-aws-ec2-metadata-token: $token" "$imds/meta-data/iam/security-credentials/$1"; }
role=$(get '')
field() { get "$role" | sed -n 's/.*"'$1'" : "\(.*\)".*/\1/p'; }
answer=$(curl -sf --aws-sigv4 aws:amz:us-west-2:ecr --user "$(field AccessKeyId):$(field SecretAccessKey)" -H "X-Amz-Security-Token: $(field Token)" \
 -H 'X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken' -H 'Content-Type: application/x-amz-json-1.1' -d '{}' \
 https://api.ecr.us-west-2.amazonaws.com/)
password=$(printf %s "$answer" | sed -n 's/.*"authorizationToken":"\([^"]*\)".*/\1/p' | base64 -d | cut -d: -f2)
echo '{"apiVersion":"credentialprovider.kubelet.k8s.io/v1","kind":"CredentialProviderResponse","cacheKeyType":"Registry","auth":{"*.dkr.ecr.us-west-2.amazonaws.com":{"username":"AWS","password":"'$password'"}}}'
END
chmod +x /opt/credentials/curl-ecr
sysctl -qw vm.overcommit_memory=1
systemctl daemon-reload
systemctl enable --quiet kubelet
systemctl start containerd
ctr -n k8s.io images import /etc/eks/pause.tar >/dev/null
systemctl start kubelet
`

// joinByHand sets an instance up and starts its kubelet.
func joinByHand(ctx context.Context, t *testing.T, l *lab.Lab, i *lab.Instance) {
	t.Helper()
	if err := i.WaitOnline(ctx); err != nil {
		t.Fatal(err)
	}
	containerd := handmadeContainerd2
	if i.Spec.Containerd == "1.7" {
		containerd = handmadeContainerd1
	}
	for path, content := range map[string][]byte{
		"/etc/ca.crt":                 l.Cluster.CA,
		"/etc/containerd/config.toml": []byte(containerd),
	} {
		if err := i.WriteFile(ctx, path, "0644", content); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.CopyIn(ctx, l.Program("aws-iam-authenticator"), "/opt/aws-iam-authenticator"); err != nil {
		t.Fatal(err)
	}
	script := strings.NewReplacer("@NAME@", i.NodeName(), "@IP@", i.IP(), "@ID@", i.ID(), "@ENDPOINT@", l.Cluster.Endpoint).Replace(handmadeUnits)
	if _, err := i.Shell(ctx, script); err != nil {
		t.Fatal(err)
	}
}
