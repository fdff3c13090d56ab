// Package lab is a small EKS on one Linux machine, for end-to-end tests of a node agent: a real etcd, kube-apiserver,
// controller manager and scheduler, the real aws-iam-authenticator in front of an emulated AWS (package aws), and "EC2
// instances" that are systemd-nspawn boxes with real systemd, kubelet and containerd in network namespaces of one VPC.
//
//	l, err := lab.Start(ctx, lab.Options{Package: "dist/eksnode_1.0.0_amd64.deb"})
//	defer l.Close()
//	config, err := l.NodeConfig(lab.NodeConfigOptions{})
//	node, err := l.Launch(ctx, lab.InstanceSpec{Type: "m5.large", UserData: lab.MIME(lab.NodeConfigPart(config))})
//	err = l.WaitNodeReady(ctx, node.NodeName())
//	out, err := node.Run(ctx, "eksnode", "status")
//
// In a test, [ForTest] starts the lab and closes it with the test. Several labs may run on one machine at once. The
// lab needs root, cgroup v1 and Debian's packages of [rootfs.HostPackages]; nothing it does is seen outside its
// namespaces, but for the kernel settings that no namespace separates (vm.*, kernel.*, fs.*), which boxes may write:
// they are saved when the first lab starts and restored when the last one ends.
//
// # What stands for what
//
//   - VPC 10.0.0.0/16: a network namespace with a bridge, whose dnsmasq is the DHCP and DNS server (10.0.0.2).
//   - 169.254.169.254 and fd00:ec2::254: package aws' metadata service, one an instance.
//   - AWS endpoints: one address behind all of their real host names, with certificates of a test CA that boxes trust.
//   - The cluster endpoint: a name like EKS's own, answered by the real kube-apiserver with the cluster's CA.
//   - The VPC CNI: a DaemonSet aws-node whose container, pulled from the emulated ECR, writes a bridge network into
//     /etc/cni/net.d. Pods have addresses of the VPC, and the VPC routes them.
//   - The parts of EKS that no open program does (approval of kubelets' serving certificates, the cloud controller's
//     initialisation of nodes): a small controller in this package.
package lab
