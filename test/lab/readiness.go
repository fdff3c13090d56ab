//go:build linux

package lab

import "context"

// ReadinessRole is a role that the cluster lets in as a member of the group of the same name, which has no rights of its
// own: an access entry of type STANDARD, with the user name that EKS gives one. Nobody may assume it until [aws.Role.AssumedBy] says so.
const ReadinessRole = "eksnode-readiness"

// PublishName lets the VPC's DNS server answer for a host name. ctx bounds the wait until it does.
func (l *Lab) PublishName(ctx context.Context, host, ip string) error {
	return l.publishName(ctx, host, ip)
}

// VPCResolver is the address of the VPC's DNS server.
func (l *Lab) VPCResolver() string { return dnsIP }
