// Package convert translates between NodeConfig and what other programs read: the
// command line of AL2's bootstrap.sh, Windows' Start-EKSBootstrap.ps1, Bottlerocket's
// settings, kubeadm's JoinConfiguration, and the NodeConfig of nodeadm on EC2 and
// on EKS Hybrid Nodes.
//
// A conversion has two halves with the superset of NodeConfig between them:
//
//	read   text of any format -> NodeConfig, and what became of every field
//	write  NodeConfig -> text of any format, and what became of every field
//
// Nothing is dropped in silence. Each half keeps a ledger of the fields it was
// given; what no rule spoke of when the half is done is reported as lost. So a
// setting that this package has never heard of is an entry of the report too.
//
// The package is pure. Scripts are read and never run: a value that only running
// them would tell is reported as missing.
package convert
