// Package cluster asks the API server and the kubelet how this node fares, as
// checks that look and never touch, and waits until all of them hold. Two things it
// changes of the node's own object: Publish its labels and annotations, RemoveTaint
// the taint with which it has registered.
//
// The checks go the way that kubelet's own connection goes, one step each, so
// that the first which fails is the cause: name, TCP, TLS, clock, token,
// identity; then kubelet's health, the Node object, and its Ready condition.
//
// The client is net/http with structs of its own for the few fields that are
// read, not client-go: client-go would join the steps that are told apart here
// into one error, and costs. The types of k8s.io/api alone, with what they bring
// along, made the whole program 25.6 MB in place of 20.5, and every megabyte is
// a tenth of a second on a new instance, whose volume is still being fetched.
package cluster
