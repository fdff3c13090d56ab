// Package kubelet decides what kubelet on a node is told, and renders the
// files that tell it: config.json and the drop-in with the user's part, the
// environment file with its flags, the cluster's CA, the kubeconfig, and a unit
// where the machine image brings none.
//
// The files are those of nodeadm (awslabs/amazon-eks-ami), at the same paths
// and with the same meaning, for Kubernetes 1.29 to 1.37. It differs in this:
//
//   - Credentials for the API server come from this program, not from the AWS CLI.
//   - The flags have a fixed order; see flags.go. A flag that would break the
//     environment file is refused.
//   - The cluster DNS address is the tenth of the service network, also where
//     that network does not end at a dot; see clusterDNS.
//   - A node with several IPv6 addresses takes the first.
//   - A CPU count that cannot be read is an error, not a reservation of 0m.
//   - An expression for the number of pods that cannot be evaluated is an error,
//     and so is a reservation that leaves no memory for pods.
//   - Nothing is written to /etc/hosts: on Outposts, where a node must find
//     its API server without Route 53, that is for the platform to do.
//
// What the superset adds (spec.labels, taints, staticPods, swap) goes where the
// user could have put it himself: labels into one --node-labels before the user's,
// the rest into the drop-in, beside the user's part and under what that says.
//
// The package is pure.
package kubelet
