// Package cluster asks the API server and the kubelet how this node fares, as
// checks that look and never touch, and waits until all of them hold.
//
// The checks go the way that kubelet's own connection goes, one step each, so
// that the first which fails is the cause: name, TCP, TLS, clock, token,
// identity; then kubelet's health, the Node object, and its Ready condition.
//
// The client is net/http with the types of k8s.io/api, not client-go. Three
// requests need no more; client-go would join the steps that are told apart
// here into one error; and it costs: linked for linux/amd64 with -s -w, a
// program with nothing but these requests has 9.7 MB with net/http and 13.7 MB
// with client-go/rest and a scheme of two types. Beside the AWS SDK, the
// containerd client and kubelet's types it is 0.2 MB against 1.8 MB, of a
// binary that should stay below 30.
package cluster
