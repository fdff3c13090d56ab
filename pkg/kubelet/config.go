package kubelet

import (
	"maps"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/node"
)

// The identity of kubelet's configuration documents.
const (
	configKind       = "KubeletConfiguration"
	configAPIVersion = "kubelet.config.k8s.io/v1beta1"
)

// configuration is the part of KubeletConfiguration that the agent sets, in the
// order in which it is written. All else is left to kubelet's defaults.
type configuration struct {
	Kind                            string            `json:"kind"`
	APIVersion                      string            `json:"apiVersion"`
	Address                         string            `json:"address"`
	Authentication                  authentication    `json:"authentication"`
	Authorization                   authorization     `json:"authorization"`
	CgroupDriver                    string            `json:"cgroupDriver"`
	CgroupRoot                      string            `json:"cgroupRoot"`
	ClusterDNS                      []string          `json:"clusterDNS"`
	ClusterDomain                   string            `json:"clusterDomain"`
	ContainerRuntimeEndpoint        string            `json:"containerRuntimeEndpoint"`
	ImageServiceEndpoint            string            `json:"imageServiceEndpoint,omitempty"`
	EvictionHard                    map[string]string `json:"evictionHard"`
	FeatureGates                    map[string]bool   `json:"featureGates"`
	HairpinMode                     string            `json:"hairpinMode"`
	KubeReserved                    Reserved          `json:"kubeReserved"`
	KubeReservedCgroup              string            `json:"kubeReservedCgroup"`
	Logging                         logging           `json:"logging"`
	MaxPods                         int               `json:"maxPods"`
	ProtectKernelDefaults           bool              `json:"protectKernelDefaults"`
	ProviderID                      string            `json:"providerID"`
	ReadOnlyPort                    int               `json:"readOnlyPort"`
	SerializeImagePulls             bool              `json:"serializeImagePulls"`
	ServerTLSBootstrap              bool              `json:"serverTLSBootstrap"`
	ShutdownGracePeriod             string            `json:"shutdownGracePeriod,omitempty"`
	ShutdownGracePeriodCriticalPods string            `json:"shutdownGracePeriodCriticalPods,omitempty"`
	SystemReserved                  map[string]string `json:"systemReserved,omitempty"`
	SystemReservedCgroup            string            `json:"systemReservedCgroup"`
	TLSCipherSuites                 []string          `json:"tlsCipherSuites"`
}

type authentication struct {
	Anonymous struct {
		Enabled bool `json:"enabled"`
	} `json:"anonymous"`
	Webhook struct {
		CacheTTL string `json:"cacheTTL"`
		Enabled  bool   `json:"enabled"`
	} `json:"webhook"`
	X509 struct {
		ClientCAFile string `json:"clientCAFile"`
	} `json:"x509"`
}

type authorization struct {
	Mode    string `json:"mode"`
	Webhook struct {
		CacheAuthorizedTTL   string `json:"cacheAuthorizedTTL"`
		CacheUnauthorizedTTL string `json:"cacheUnauthorizedTTL"`
	} `json:"webhook"`
}

type logging struct {
	Verbosity int `json:"verbosity"`
}

// config renders config.json. The values that are no decision are nodeadm's.
func config(s Settings, l node.Layout) ([]byte, error) {
	c := configuration{
		Kind:                     configKind,
		APIVersion:               configAPIVersion,
		Address:                  "0.0.0.0",
		CgroupDriver:             "systemd",
		CgroupRoot:               "/",
		ClusterDNS:               []string{s.ClusterDNS},
		ClusterDomain:            "cluster.local",
		ContainerRuntimeEndpoint: "unix://" + l.ContainerdSocket,
		ImageServiceEndpoint:     s.ImageServiceEndpoint,
		EvictionHard: map[string]string{
			"memory.available":  itoa(evictionMemory) + "Mi",
			"nodefs.available":  "10%",
			"nodefs.inodesFree": "5%",
		},
		FeatureGates:                    s.FeatureGates,
		HairpinMode:                     "hairpin-veth",
		KubeReserved:                    s.Reserved,
		KubeReservedCgroup:              "/runtime",
		Logging:                         logging{Verbosity: 2},
		MaxPods:                         s.MaxPods,
		ProtectKernelDefaults:           true,
		ProviderID:                      s.ProviderID,
		ReadOnlyPort:                    0,
		SerializeImagePulls:             false,
		ServerTLSBootstrap:              true,
		ShutdownGracePeriod:             s.ShutdownGracePeriod,
		ShutdownGracePeriodCriticalPods: s.ShutdownGracePeriodCriticalPods,
		SystemReserved:                  s.SystemReserved,
		SystemReservedCgroup:            "/system",
		TLSCipherSuites: []string{
			"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
			"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
			"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
			"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
			"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
			"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
			"TLS_RSA_WITH_AES_128_GCM_SHA256",
			"TLS_RSA_WITH_AES_256_GCM_SHA384",
		},
	}
	c.Authentication.Webhook.Enabled, c.Authentication.Webhook.CacheTTL = true, "2m0s"
	c.Authentication.X509.ClientCAFile = l.ClusterCA
	c.Authorization.Mode = "Webhook"
	c.Authorization.Webhook.CacheAuthorizedTTL, c.Authorization.Webhook.CacheUnauthorizedTTL = "5m0s", "30s"
	return node.JSON(c)
}

// dropIn renders the user's part with what the superset's fields add to it, which
// kubelet itself lays over config.json. Its kind and version are given where the
// user has not.
func dropIn(user, additions api.Object) ([]byte, error) {
	doc := map[string]any{"kind": configKind, "apiVersion": configAPIVersion}
	overlay(doc, user)
	overlay(doc, additions)
	return node.JSON(doc)
}

// overlay lays one object over another, field by field; lists are replaced. What
// over holds is not changed later through base: maps that are in both are made
// anew.
func overlay(base, over map[string]any) {
	for k, v := range over {
		below, ok := base[k].(map[string]any)
		above, both := v.(map[string]any)
		if !ok || !both {
			base[k] = v
			continue
		}
		joined := maps.Clone(below)
		overlay(joined, above)
		base[k] = joined
	}
}

// secretURLHeader is the one field of KubeletConfiguration that holds
// credentials: the headers with which static pods are fetched.
const secretURLHeader = "staticPodURLHeader"
