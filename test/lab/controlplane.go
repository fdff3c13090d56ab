//go:build linux

package lab

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/eksnode/eksnode/test/lab/internal/pki"
)

// Cluster is what a node must be told of the cluster.
type Cluster struct {
	Name string
	// Endpoint is the API server's URL, under a name like EKS's own.
	Endpoint string
	// CA is the certificate authority of the API server and of the kubelets, in PEM.
	CA []byte
	// CIDR is the service range.
	CIDR string
}

// Host is the endpoint without its scheme.
func (c Cluster) Host() string { return strings.TrimPrefix(c.Endpoint, "https://") }

// newCluster makes a cluster's name, endpoint and authority. Real endpoints are 32 hexadecimal digits of the cluster's
// id, a shard of the region ("gr7") and the region.
func newCluster(name, region string) (Cluster, *pki.CA, error) {
	ca, err := pki.NewCA("kubernetes")
	if err != nil {
		return Cluster{}, nil, err
	}
	id := make([]byte, 16)
	rand.Read(id)
	host := strings.ToUpper(hex.EncodeToString(id)) + ".gr7." + region + ".eks.amazonaws.com"
	return Cluster{Name: name, Endpoint: "https://" + host, CA: ca.CertPEM, CIDR: serviceCIDR}, ca, nil
}

// NodeRole is the role of instances that the cluster lets in.
const NodeRole = "eksnode-node"

// writePKI lays down the files the control plane's programs read, and returns the administrator's certificate.
func (l *Lab) writePKI(dir string, ca *pki.CA) (pki.Pair, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return pki.Pair{}, fmt.Errorf("cannot write the cluster's keys: %w", err)
	}
	private, public, err := pki.NewSigningKey()
	if err != nil {
		return pki.Pair{}, err
	}
	files := map[string][]byte{"ca.crt": ca.CertPEM, "ca.key": ca.KeyPEM, "sa.key": private, "sa.pub": public, "endpoints-ca.crt": l.endpointsCA.CertPEM}
	server := "https://" + apiServerIP + ":443"
	var admin pki.Pair
	for file, r := range map[string]pki.Request{
		"apiserver": {CommonName: "kube-apiserver", Names: []string{l.Cluster.Host(), strings.ToLower(l.Cluster.Host()), apiServerIP, "10.100.0.1",
			"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1"}},
		"apiserver-kubelet": {CommonName: "kube-apiserver-kubelet-client", Organizations: []string{"system:masters"}},
		"admin":             {CommonName: "lab-admin", Organizations: []string{"system:masters"}},
		"kcm":               {CommonName: "system:kube-controller-manager"},
		"scheduler":         {CommonName: "system:kube-scheduler"},
	} {
		pair, err := ca.Issue(r)
		if err != nil {
			return pki.Pair{}, err
		}
		files[file+".crt"], files[file+".key"] = pair.CertPEM, pair.KeyPEM
		files[file+".kubeconfig"] = kubeconfig(server, ca.CertPEM, pair)
		if file == "admin" {
			admin = pair
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return pki.Pair{}, fmt.Errorf("cannot write the cluster's keys: %w", err)
		}
	}
	return admin, nil
}

func kubeconfig(server string, ca []byte, user pki.Pair) []byte {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters:
- name: lab
  cluster: {server: %q, certificate-authority-data: %s}
users:
- name: lab
  user: {client-certificate-data: %s, client-key-data: %s}
contexts:
- name: lab
  context: {cluster: lab, user: lab}
current-context: lab
`, server, b64(ca), b64(user.CertPEM), b64(user.KeyPEM))
}

// writeAuthenticatorConfig writes the config file that holds the access entries of the node role and of [ReadinessRole].
func (l *Lab) writeAuthenticatorConfig(file, state string) error {
	account, user := l.Cloud.Config().AccountID, "system:node:{{EC2PrivateDNSName}}"
	if l.options.NodeNaming == InstanceID {
		user = "system:node:{{SessionName}}"
	}
	config := fmt.Sprintf(`clusterID: %s
server:
  address: 127.0.0.1
  port: 21362
  stateDir: %s
  backendMode: [MountedFile]
  mapRoles:
  - rolearn: arn:aws:iam::%s:role/%s
    username: %q
    groups: [system:bootstrappers, system:nodes]
  - rolearn: arn:aws:iam::%s:role/%s
    username: "arn:aws:sts::%s:assumed-role/%s/{{SessionName}}"
    groups: [%s]
`, l.Cluster.Name, state, account, NodeRole, user, account, ReadinessRole, account, ReadinessRole, ReadinessRole)
	return os.WriteFile(file, []byte(config), 0o644)
}

// controlPlane prepares the control plane's programs in the order they start.
func (l *Lab) controlPlane(programs map[string]string) error {
	dir := filepath.Join(l.Dir, "control-plane")
	state := filepath.Join(dir, "authenticator")
	if err := os.MkdirAll(state, 0o755); err != nil {
		return fmt.Errorf("cannot prepare the control plane: %w", err)
	}
	authConfig := filepath.Join(dir, "authenticator.yaml")
	if err := l.writeAuthenticatorConfig(authConfig, state); err != nil {
		return fmt.Errorf("cannot prepare the control plane: %w", err)
	}
	pkiDir := filepath.Join(dir, "pki")
	p := func(name string) string { return filepath.Join(pkiDir, name) }
	webhook := filepath.Join(state, "kubeconfig.yaml")

	l.Etcd = l.component("etcd", nil, time.Minute, l.probe("http://127.0.0.1:2379/health"),
		programs["etcd"], "--data-dir", filepath.Join(dir, "etcd"), "--log-level", "warn",
		"--listen-client-urls", "http://127.0.0.1:2379", "--advertise-client-urls", "http://127.0.0.1:2379", "--listen-peer-urls", "http://127.0.0.1:2380",
		"--unsafe-no-fsync") // a lab's cluster does not outlive the lab

	// The authenticator asks EC2 for private DNS names with the cluster role's credentials.
	creds := l.Cloud.AssumeRole("eksnode-cluster", "authenticator", 24*time.Hour)
	region := l.Cloud.Config().Region
	l.Authenticator = l.component("authenticator", []string{"SSL_CERT_FILE=" + p("endpoints-ca.crt"), "AWS_REGION=" + region,
		"AWS_STS_REGIONAL_ENDPOINTS=regional", "AWS_EC2_METADATA_DISABLED=true", "AWS_ACCESS_KEY_ID=" + creds.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + string(creds.SecretAccessKey), "AWS_SESSION_TOKEN=" + string(creds.SessionToken)},
		30*time.Second, func(context.Context) error { return exists(webhook) },
		programs["aws-iam-authenticator"], "server", "--config", authConfig, "--state-dir", state, "--generate-kubeconfig", webhook)

	l.APIServer = l.component("kube-apiserver", nil, 2*time.Minute, l.apiReady, programs["kube-apiserver"],
		"--etcd-servers=http://127.0.0.1:2379", "--bind-address="+apiServerIP, "--advertise-address="+apiServerIP, "--secure-port=443",
		"--cert-dir="+filepath.Join(dir, "apiserver"), "--tls-cert-file="+p("apiserver.crt"), "--tls-private-key-file="+p("apiserver.key"),
		"--client-ca-file="+p("ca.crt"), "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+p("sa.pub"), "--service-account-signing-key-file="+p("sa.key"),
		"--service-cluster-ip-range="+serviceCIDR, "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate="+p("apiserver-kubelet.crt"), "--kubelet-client-key="+p("apiserver-kubelet.key"),
		"--kubelet-certificate-authority="+p("ca.crt"), "--kubelet-preferred-address-types=InternalIP",
		"--authentication-token-webhook-config-file="+webhook, "--authentication-token-webhook-version=v1beta1",
		"--allow-privileged", "--profiling=false", "--shutdown-delay-duration=0s", "--enable-bootstrap-token-auth")

	l.ControllerManager = l.component("kube-controller-manager", nil, time.Minute, nil, programs["kube-controller-manager"],
		"--kubeconfig="+p("kcm.kubeconfig"), "--authentication-skip-lookup", "--bind-address=127.0.0.1", "--leader-elect=false",
		"--cert-dir="+filepath.Join(dir, "kcm"), "--use-service-account-credentials", "--root-ca-file="+p("ca.crt"),
		// At its own limit of 20 requests a second it takes five seconds until its controllers have started.
		"--kube-api-qps=500", "--kube-api-burst=1000",
		"--cluster-signing-cert-file="+p("ca.crt"), "--cluster-signing-key-file="+p("ca.key"), "--service-account-private-key-file="+p("sa.key"))

	l.Scheduler = l.component("kube-scheduler", nil, time.Minute, nil, programs["kube-scheduler"],
		"--kubeconfig="+p("scheduler.kubeconfig"), "--authentication-skip-lookup", "--bind-address=127.0.0.1", "--leader-elect=false",
		"--cert-dir="+filepath.Join(dir, "scheduler"))
	return nil
}

// startControlPlane starts what can start together together.
func (l *Lab) startControlPlane(ctx context.Context) error {
	errs := make(chan error)
	early := []*Component{l.Etcd, l.Authenticator}
	for _, c := range early {
		go func() { errs <- c.Start(ctx) }()
	}
	var all []error
	for range early {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	l.progress("etcd %s and aws-iam-authenticator %s run", etcdVersion, authenticatorVersion)
	if err := l.APIServer.Start(ctx); err != nil {
		return err
	}
	l.progress("the API server (%s) is ready at %s", controlPlaneVersion, l.Cluster.Endpoint)
	return errors.Join(l.ControllerManager.Start(ctx), l.Scheduler.Start(ctx))
}

// component prepares a program of the VPC that logs to logs/<name>.log.
func (l *Lab) component(name string, env []string, patience time.Duration, ready func(context.Context) error, args ...string) *Component {
	c := &Component{name: name, args: args, env: env, log: filepath.Join(l.Dir, "logs", name+".log"), netns: l.vpc.netns,
		group: l.group, resolv: l.vpc.resolvConf(), ready: ready, patience: patience}
	l.components = append(l.components, c)
	return c
}

// probe asks a URL inside the VPC until it answers 200.
func (l *Lab) probe(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := l.inside.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

func (l *Lab) apiReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return l.API(ctx, http.MethodGet, "/readyz", nil, nil)
}

func exists(file string) error {
	_, err := os.Stat(file)
	return err
}
