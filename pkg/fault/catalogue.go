package fault

// The codes. Each has an entry in the catalogue below; a test holds that.
const (
	// Internal is an error that nobody classified: a bug of this program.
	Internal Code = "Internal"

	ConfigInvalid     Code = "ConfigInvalid"
	ConfigMissing     Code = "ConfigMissing"
	ConfigUnreadable  Code = "ConfigUnreadable"
	NotRoot           Code = "NotRoot"
	AlreadyRunning    Code = "AlreadyRunning"
	TimedOut          Code = "TimedOut"
	Interrupted       Code = "Interrupted"
	StateUnreadable   Code = "StateUnreadable"
	DiskFull          Code = "DiskFull"
	WriteFailed       Code = "WriteFailed"
	FactMissing       Code = "FactMissing"
	IMDSUnreachable   Code = "IMDSUnreachable"
	IMDSDenied        Code = "IMDSDenied"
	IMDSNotFound      Code = "IMDSNotFound"
	IMDSThrottled     Code = "IMDSThrottled"
	IMDSInvalid       Code = "IMDSInvalid"
	EC2Denied         Code = "EC2Denied"
	EC2Unreachable    Code = "EC2Unreachable"
	EC2Throttled      Code = "EC2Throttled"
	EC2NotFound       Code = "EC2NotFound"
	CredentialsAbsent Code = "CredentialsAbsent"
	NodeNameUnknown   Code = "NodeNameUnknown"
	ECRDenied         Code = "ECRDenied"
	ECRUnreachable    Code = "ECRUnreachable"
	ImageUnavailable  Code = "ImageUnavailable"
	BinaryMissing     Code = "BinaryMissing"
	VersionUnknown    Code = "VersionUnknown"
	UnitMissing       Code = "UnitMissing"
	UnitFailed        Code = "UnitFailed"
	UnitTimeout       Code = "UnitTimeout"
	HookFailed        Code = "HookFailed"
	SystemdGone       Code = "SystemdUnreachable"
	KubeletUnhealthy  Code = "KubeletUnhealthy"
	EndpointDNS       Code = "EndpointDNS"
	EndpointTCP       Code = "EndpointTCP"
	EndpointTLS       Code = "EndpointTLS"
	EndpointCA        Code = "EndpointCA"
	EndpointHTTP      Code = "EndpointHTTP"
	ClockSkew         Code = "ClockSkew"
	TokenFailed       Code = "TokenFailed"
	Unauthorized      Code = "APIServerUnauthorized"
	WrongIdentity     Code = "WrongIdentity"
	NotRegistered     Code = "NodeNotRegistered"
	NotReady          Code = "NodeNotReady"
	PodNetwork        Code = "PodNetworkNotReady"
	CSIDriverMissing  Code = "CSIDriverNotRegistered"
	DevicesMissing    Code = "DevicesMissing"
	ClusterDNS        Code = "ClusterDNSFailed"
	RoleDenied        Code = "RoleNotAssumable"
	TaintRefused      Code = "StartupTaintRefused"
)

// Entry documents one code.
type Entry struct {
	Code Code
	// Meaning is one sentence: what has been seen.
	Meaning string
	// Remedy is what usually mends it; the fault's own remedy is more precise.
	Remedy string
}

// Catalogue returns every code with its meaning and its usual remedy, in the
// order in which a node meets them. The troubleshooting guide is made from it.
func Catalogue() []Entry {
	return []Entry{
		{ConfigInvalid, "The NodeConfig has errors; every one is listed with its source, line and column.", "Correct the lines named, check with `eksnode config check`, and launch again."},
		{ConfigMissing, "No source held a NodeConfig.", "Give the instance user data with a NodeConfig, or put one into /etc/eksnode/config.d."},
		{ConfigUnreadable, "A configuration source is there but cannot be read.", "Check the path, its permissions and that it is text, gzip or base64."},
		{NotRoot, "The command changes the machine and was not started as root.", "Run it with sudo; `eksnode plan` needs root only to see everything."},
		{AlreadyRunning, "Another eksnode is at work on this machine.", "Wait for it; `eksnode status` shows what it is doing."},
		{TimedOut, "The run was not done within its bound.", "The phases in `eksnode status` show what took the time; `--timeout` gives it longer."},
		{Interrupted, "The run was told to stop.", "Run `eksnode init` again: it goes on where it was."},
		{StateUnreadable, "eksnode's own record of what it made cannot be read.", "Restore /var/lib/eksnode from a backup or remove it; files already written stay as they are."},
		{DiskFull, "A file could not be written because the filesystem is full; the old content is intact.", "Free space on the filesystem named, then run `eksnode init` again."},
		{WriteFailed, "A file, link or directory could not be written; the old content is intact.", "Look at the cause named: read-only filesystem, permissions, SELinux."},
		{FactMissing, "A fact about the machine that a decision needs could not be had.", "The message names the fact and the reason; mend that or set the value in NodeConfig."},
		{IMDSUnreachable, "The EC2 instance metadata service does not answer.", "Check that metadata is enabled (HttpEndpoint=enabled) and no firewall rule drops 169.254.169.254."},
		{IMDSDenied, "The metadata service refuses the request.", "Enable the instance metadata endpoint; from a container raise HttpPutResponseHopLimit to 2."},
		{IMDSNotFound, "A metadata key that every instance has was not there within the time allowed.", "Usually a very young instance; run again. If it stays, report the instance type."},
		{IMDSThrottled, "The metadata service limits this instance's requests.", "Find what else floods 169.254.169.254 (1024 packets a second, shared with DNS and NTP)."},
		{IMDSInvalid, "The metadata service answered something that cannot be understood.", "Check that nothing intercepts 169.254.169.254, such as a proxy or a metadata emulator."},
		{EC2Denied, "EC2 refused a call that this configuration needs.", "Allow ec2:DescribeInstances (and ec2:DescribeInstanceTypes) in the node role, or name nodes by instance id."},
		{EC2Unreachable, "The EC2 API could not be reached in time.", "Give the subnet a route or an EC2 interface endpoint, or name nodes by instance id."},
		{EC2Throttled, "EC2 throttled the call for as long as we were willing to wait.", "Name nodes by instance id, which needs no EC2 call."},
		{EC2NotFound, "EC2 does not know this instance, or not its private DNS name yet.", "Run again in a minute; if it stays, check region and instance id."},
		{CredentialsAbsent, "No AWS credentials are available to this node.", "Attach an instance profile whose role may call sts:GetCallerIdentity."},
		{NodeNameUnknown, "The node's name cannot be told.", "Set featureGates.InstanceIdNodeName or allow ec2:DescribeInstances."},
		{ECRDenied, "ECR refused to give a pull token.", "Attach AmazonEC2ContainerRegistryPullOnly to the node role."},
		{ECRUnreachable, "ECR could not be reached in time.", "Give the subnet a route, or interface endpoints for ecr.api, ecr.dkr and an S3 gateway endpoint."},
		{ImageUnavailable, "The sandbox (pause) image is neither present nor importable nor pullable.", "Bake it into the image, provide the archive, or open the way to the registry."},
		{BinaryMissing, "A program that this node needs is not installed.", "Install it at the path named, or use an image that brings it."},
		{VersionUnknown, "The version of kubelet or containerd cannot be told.", "Write it into the version file named in the message."},
		{UnitMissing, "systemd does not know a unit that this node needs.", "Check the unit file named, and `systemctl status`."},
		{UnitFailed, "A service was started and ended up failed; its last journal lines are in the message.", "The journal lines name the cause; `journalctl -u` shows more."},
		{UnitTimeout, "A service did not become active within its bound.", "Look at the journal lines in the message and at the load of the machine."},
		{HookFailed, "A hook, or the program that prepares the disks of the instance, failed, ran past its timeout or could not be started.", "Its output is in the journal of eksnode-config or eksnode-run; correct the program and run `eksnode init` again, which runs it anew."},
		{SystemdGone, "systemd does not answer on its bus.", "Check that systemd is PID 1 and /run/systemd/private exists."},
		{KubeletUnhealthy, "kubelet runs, but its health endpoint does not say ok.", "Read the kubelet journal lines in the message."},
		{EndpointDNS, "The API server's host name does not resolve.", "Check the VPC's DNS settings, its resolver rules, and the endpoint's spelling."},
		{EndpointTCP, "No TCP connection to the API server.", "Check route tables, the cluster security group (443 from nodes) and endpoint access settings."},
		{EndpointTLS, "The TLS handshake with the API server failed.", "Check for a proxy or middlebox between the node and the endpoint, and the node's clock."},
		{EndpointCA, "The API server's certificate is not signed by the cluster's certificate authority as configured.", "Compare spec.cluster.certificateAuthority and apiServerEndpoint with `aws eks describe-cluster`: they belong to different clusters."},
		{EndpointHTTP, "The API server answers, but not well.", "Look at the status in the message; the control plane may be starting or overloaded."},
		{ClockSkew, "The node's clock differs from the API server's by more than tokens allow.", "Let chrony or systemd-timesyncd reach 169.254.169.123, then run again."},
		{TokenFailed, "No token for the API server could be made.", "See the cause: credentials, region, or the STS endpoint."},
		{Unauthorized, "The API server does not know the identity that this node presents.", "Create an access entry of type EC2_LINUX (or the aws-auth mapping) for the role named in the message."},
		{WrongIdentity, "The API server knows this identity, but not as this node.", "Correct the access entry's type or the username template so that it gives system:node:<node name> in system:nodes."},
		{NotRegistered, "kubelet is healthy, but the API server has no such node yet.", "Read the kubelet journal lines in the message."},
		{NotReady, "The node is registered and not Ready; the message has the reason that kubelet gives.", "Usually the CNI: see that its DaemonSet runs on this node."},
		{PodNetwork, "The node is Ready, and a pod on it would get no network.", "The message has what the CNI plugin said; see its DaemonSet's pod on this node."},
		{CSIDriverMissing, "A CSI driver that spec.readiness names is not registered with kubelet.", "See the driver's pod on this node; its DaemonSet must tolerate the startup taint."},
		{DevicesMissing, "kubelet has fewer devices for pods than spec.readiness asks for.", "See the device plugin's pod on this node and the driver's messages in dmesg."},
		{ClusterDNS, "The cluster's DNS does not resolve a name that spec.readiness asks for.", "See that CoreDNS runs, that kube-proxy runs on this node, and that the name is complete."},
		{RoleDenied, "The role of spec.readiness.roleArn cannot be assumed.", "Let the node role call sts:AssumeRole on it, and name the node role in its trust policy."},
		{TaintRefused, "The API server does not let the agent take the startup taint off the node.", "Give spec.readiness.roleArn a role whose access entry has a group that may patch nodes; a node may not change its own taints."},
		{Internal, "An error that eksnode does not expect: a bug.", "Report it with `eksnode status -o json`."},
	}
}
