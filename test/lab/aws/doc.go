// Package aws is a small AWS in one process, for end-to-end tests of a node agent.
//
// A [Cloud] holds an account: roles, credentials, instances, EKS clusters and container registries. It is reached the
// way the real one is:
//
//   - [Cloud.IMDS] is the instance metadata service, for plain HTTP at 169.254.169.254:80 and [fd00:ec2::254]:80. It tells
//     the instance by the source address of the request. [Machine.ServeIMDS] serves one instance alone and can also
//     refuse connections.
//   - [Cloud.Handler] is STS, EC2, ECR, ECR Public, EKS and the registries, told apart by the Host header, for one TLS
//     listener with a certificate for [Cloud.Names].
//
// Requests are checked as AWS checks them: IMDSv2 session tokens, Signature Version 4 in headers and in presigned
// URLs, expiry, and the rights of the role. What a client did can be read back ([Machine.Requests], [Cloud.Calls]),
// and what goes wrong in real regions can be made to go wrong here ([Machine.Inject], [Cloud.Inject]).
//
// Where AWS documents a behaviour the source is named beside the code. Two things are deliberately stricter than AWS
// and can be switched off in [Config]; they are documented there. Not emulated: the hop limit of IMDS answers, IMDS
// packet limits, IAM policies beyond a list of denied actions, and the PKCS7 signature of the identity document.
package aws
