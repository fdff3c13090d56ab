package cluster

import "encoding/json"

// What is read of the API server's objects. The types of k8s.io/api would do
// the same, and with what they bring along be a sixth of the program; the tests
// answer with those, so a field that is spelt differently here is found.

// object is the head of every object.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

// apiStatus is the Status object of a refusal.
type apiStatus struct {
	Message string `json:"message"`
}

// selfSubjectReview is authentication.k8s.io/v1, SelfSubjectReview. Every level
// has a name, which messages about unreadable answers show.
type selfSubjectReview struct {
	Status reviewStatus `json:"status"`
}

type reviewStatus struct {
	UserInfo userInfo `json:"userInfo"`
}

type userInfo struct {
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// node is v1, Node.
type node struct {
	Metadata nodeMetadata `json:"metadata"`
	Spec     nodeSpec     `json:"spec"`
	Status   nodeStatus   `json:"status"`
}

type nodeMetadata struct {
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels"`
	Annotations     map[string]string `json:"annotations"`
}

type nodeSpec struct {
	ProviderID string `json:"providerID"`
	// Taints are kept as they were sent: a patch tests for the whole of one.
	Taints []json.RawMessage `json:"taints"`
}

type nodeTaint struct {
	Key    string `json:"key"`
	Effect string `json:"effect"`
}

type nodeStatus struct {
	Conditions []nodeCondition `json:"conditions"`
	NodeInfo   nodeInfo        `json:"nodeInfo"`
	// Allocatable are quantities by resource.
	Allocatable map[string]string `json:"allocatable"`
}

type nodeInfo struct {
	BootID string `json:"bootID"`
}

// csiNode is storage.k8s.io/v1, CSINode.
type csiNode struct {
	Spec csiNodeSpec `json:"spec"`
}

type csiNodeSpec struct {
	Drivers []csiDriver `json:"drivers"`
}

type csiDriver struct {
	Name        string         `json:"name"`
	Allocatable csiAllocatable `json:"allocatable"`
}

// csiAllocatable is without a count for drivers that set no limit.
type csiAllocatable struct {
	Count *int64 `json:"count"`
}

// nodeCondition is one of a node's conditions; Status is True, False or Unknown.
type nodeCondition struct {
	Type    string `json:"type"`
	Status  string `json:"status"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
}
