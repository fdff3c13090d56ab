// Package tuning decides what the machine itself needs to be a node: kernel
// parameters, the environment of its services, and name resolution.
//
// Kernel parameters. kubelet is told not to change any (protectKernelDefaults)
// and does not start when one that it knows is otherwise; pods cannot be
// reached without forwarding; and the limits of inotify, memory maps and
// process ids of a stock kernel are too small for a node full of pods. What must
// have one value is set now, and by a file in sysctl.d at every boot before any
// service starts. Limits are only ever raised, so they are not in that file,
// which would lower those that somebody else has raised further; the agent
// sees to them at each boot.
//
// Environment. spec.instance.environment becomes drop-ins of systemd, which
// only root can read: a proxy's URL may hold a password. (nodeadm: for all.)
//
// Local disks are not prepared by this version. A node that asks for it is
// refused, rather than left to fill its root volume.
//
// The package is pure.
package tuning
