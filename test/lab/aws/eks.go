package aws

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Cluster is an EKS cluster as DescribeCluster tells it.
type Cluster struct {
	Name string
	// Region is the cloud's when empty.
	Region string
	// Version is the Kubernetes minor, such as "1.35".
	Version string
	// Endpoint is the API server's URL, CA its certificate authority in PEM.
	Endpoint string
	CA       []byte
	// ServiceIPv4CIDR or ServiceIPv6CIDR is set; the IP family follows from it.
	ServiceIPv4CIDR, ServiceIPv6CIDR string
	// Status is ACTIVE when empty.
	Status string
	// OutpostARNs and ID are set for a local cluster on an Outpost.
	OutpostARNs []string
	ID          string
	// AuthenticationMode is API_AND_CONFIG_MAP when empty.
	AuthenticationMode string
	// SubnetIDs, VPCID and SecurityGroupID may be empty. ClusterSecurityGroupID is made up when it is.
	SubnetIDs              []string
	VPCID                  string
	ClusterSecurityGroupID string
	Tags                   map[string]string
	// CreatedAt is now when zero.
	CreatedAt time.Time
}

type clusterKey struct{ region, name string }

// PutCluster creates a cluster or replaces it.
func (c *Cloud) PutCluster(cluster Cluster) error {
	if cluster.Name == "" {
		return errors.New("cannot put cluster: it has no name")
	}
	setDefault(&cluster.Region, c.cfg.Region)
	setDefault(&cluster.Status, "ACTIVE")
	setDefault(&cluster.AuthenticationMode, "API_AND_CONFIG_MAP")
	setDefault(&cluster.ClusterSecurityGroupID, "sg-0"+hexID("cluster/"+cluster.Name, 16))
	if cluster.CreatedAt.IsZero() {
		cluster.CreatedAt = c.now()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clusters[clusterKey{cluster.Region, cluster.Name}] = cluster
	return nil
}

// eksAction names the action of EKS's REST API (EKS API reference, DescribeCluster).
func eksAction(r *http.Request, _ url.Values) string {
	name, ok := strings.CutPrefix(r.URL.Path, "/clusters/")
	if ok && name != "" && !strings.Contains(name, "/") && r.Method == http.MethodGet {
		return "DescribeCluster"
	}
	return r.Method + " " + r.URL.Path
}

// runEKS does DescribeCluster.
func runEKS(c *Cloud, w http.ResponseWriter, q *query) *apiError {
	if q.action != "DescribeCluster" {
		return &apiError{code: "UnknownOperationException", message: q.action, status: http.StatusNotFound}
	}
	name := strings.TrimPrefix(q.URL.Path, "/clusters/")
	c.mu.RLock()
	cluster, known := c.clusters[clusterKey{q.region, name}]
	c.mu.RUnlock()
	if !known {
		return &apiError{
			code: "ResourceNotFoundException", message: "No cluster found for name: " + name + ".", status: http.StatusNotFound,
			extra: map[string]string{"clusterName": name},
		}
	}
	writeJSON(w, http.StatusOK, "application/json", map[string]any{"cluster": c.describeCluster(cluster)})
	return nil
}

// describeCluster is a cluster in the API's form. Times are seconds since 1970, as REST-JSON has them.
func (c *Cloud) describeCluster(k Cluster) map[string]any {
	network := map[string]any{"ipFamily": "ipv4", "serviceIpv4Cidr": k.ServiceIPv4CIDR}
	if k.ServiceIPv6CIDR != "" {
		network = map[string]any{"ipFamily": "ipv6", "serviceIpv6Cidr": k.ServiceIPv6CIDR}
	}
	arn := func(service, account, resource string) string {
		return fmt.Sprintf("arn:%s:%s:%s:%s:%s", c.cfg.Partition, service, k.Region, account, resource)
	}
	out := map[string]any{
		"name": k.Name, "arn": arn("eks", c.cfg.AccountID, "cluster/"+k.Name), "version": k.Version, "status": k.Status,
		"createdAt": float64(k.CreatedAt.UnixMilli()) / 1000, "endpoint": k.Endpoint,
		"certificateAuthority":    map[string]any{"data": base64.StdEncoding.EncodeToString(k.CA)},
		"kubernetesNetworkConfig": network,
		"accessConfig":            map[string]any{"authenticationMode": k.AuthenticationMode},
		"roleArn":                 fmt.Sprintf("arn:%s:iam::%s:role/%s-cluster", c.cfg.Partition, c.cfg.AccountID, k.Name),
		"platformVersion":         "eks.1",
		"resourcesVpcConfig": map[string]any{
			"clusterSecurityGroupId": k.ClusterSecurityGroupID, "vpcId": k.VPCID, "subnetIds": k.SubnetIDs,
			"endpointPublicAccess": true, "endpointPrivateAccess": true,
		},
		"tags": k.Tags,
	}
	if len(k.OutpostARNs) > 0 {
		out["outpostConfig"] = map[string]any{"outpostArns": k.OutpostARNs}
	}
	if k.ID != "" {
		out["id"] = k.ID
	}
	return out
}
