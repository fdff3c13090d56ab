package aws

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

func TestRealClientDescribesTheCluster(t *testing.T) {
	b := newBench(t, Config{})
	born := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, k := range []Cluster{
		{Name: "four", Version: "1.35", Endpoint: "https://F00.gr7.us-west-2.eks.amazonaws.com", CA: []byte("PEM"), ServiceIPv4CIDR: "10.100.0.0/16", CreatedAt: born, Tags: map[string]string{"a": "b"}},
		{Name: "six", ServiceIPv6CIDR: "fd00::/108", Status: "CREATING", OutpostARNs: []string{"arn:outpost"}, ID: "local-1", AuthenticationMode: "API"},
	} {
		if err := b.cloud.PutCluster(k); err != nil {
			t.Fatal(err)
		}
	}
	client := eks.NewFromConfig(b.sdkConfig())
	type view struct {
		ARN, Version, Endpoint, CA, CIDR4, CIDR6, Outpost, ID string
		Family                                                types.IpFamily
		Status                                                types.ClusterStatus
		Mode                                                  types.AuthenticationMode
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for name, want := range map[string]view{
		"four": {
			ARN: "arn:aws:eks:us-west-2:123456789012:cluster/four", Version: "1.35", Endpoint: "https://F00.gr7.us-west-2.eks.amazonaws.com", CA: "UEVN",
			CIDR4: "10.100.0.0/16", Family: types.IpFamilyIpv4, Status: types.ClusterStatusActive, Mode: types.AuthenticationModeApiAndConfigMap,
		},
		"six": {
			ARN: "arn:aws:eks:us-west-2:123456789012:cluster/six", CIDR6: "fd00::/108", Outpost: "arn:outpost", ID: "local-1",
			Family: types.IpFamilyIpv6, Status: types.ClusterStatusCreating, Mode: types.AuthenticationModeApi,
		},
	} {
		out, err := client.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		c := out.Cluster
		got := view{
			ARN: *c.Arn, Version: text(c.Version), Endpoint: text(c.Endpoint), CA: text(c.CertificateAuthority.Data),
			CIDR4: text(c.KubernetesNetworkConfig.ServiceIpv4Cidr), CIDR6: text(c.KubernetesNetworkConfig.ServiceIpv6Cidr),
			ID: text(c.Id), Family: c.KubernetesNetworkConfig.IpFamily, Status: c.Status, Mode: c.AccessConfig.AuthenticationMode,
		}
		if c.OutpostConfig != nil {
			got.Outpost = c.OutpostConfig.OutpostArns[0]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if name == "four" && (!c.CreatedAt.Equal(born) || c.Tags["a"] != "b") {
			t.Errorf("created %s, tags %v", c.CreatedAt, c.Tags)
		}
	}
}

func TestEKSErrorsAsTheRealClientSeesThem(t *testing.T) {
	b := newBench(t, Config{})
	if err := b.cloud.PutCluster(Cluster{}); err == nil {
		t.Error("a cluster without a name was taken")
	}
	ask := func(cfg Credentials) string {
		name := "nothing here"
		_, err := eks.NewFromConfig(b.configAs(cfg)).DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: &name})
		return errorCode(err)
	}
	wrong := b.node.Credentials()
	wrong.SecretAccessKey = "x"
	if got := ask(wrong); got != "InvalidSignatureException" {
		t.Errorf("wrong secret: %q", got)
	}
	// The name has a space: its path is signed escaped twice.
	if got := ask(b.node.Credentials()); got != "ResourceNotFoundException" {
		t.Errorf("no such cluster: %q", got)
	}
	remove := b.cloud.Inject(Target{Service: EKS, Action: "DescribeCluster"}, Fault{Code: "TooManyRequestsException"})
	if got := ask(b.node.Credentials()); got != "TooManyRequestsException" {
		t.Errorf("throttled: %q", got)
	}
	remove()
	if err := b.cloud.PutRole(Role{Name: "node", Deny: []string{"eks:DescribeCluster"}}); err != nil {
		t.Fatal(err)
	}
	if got := ask(b.node.Credentials()); got != "AccessDeniedException" {
		t.Errorf("denied: %q", got)
	}
	if got := b.cloud.Count(EKS, "DescribeCluster"); got != 4 {
		t.Errorf("%d calls in the log", got)
	}
}
