// Package tuning decides what the machine itself needs to be a node: kernel
// modules and parameters, huge pages, swap, the environment of its services, name
// resolution and the clock.
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
// A value of spec.sysctls is exact and takes the place of the agent's own, also of
// a limit; but not of one that kubelet insists on.
//
// Modules. spec.kernelModules are loaded before any parameter is set, which they
// may bring, and by modules-load.d at every boot. What loads one again later finds
// its parameters in modprobe.d.
//
// Huge pages and swap. The agent makes the pools and turns the swap on at every
// boot, before kubelet starts, which reads their size then; there is no file for
// that, because what cannot be had must be an error and not a line in a log.
//
// Clock. spec.timeSync goes to chrony, beside the sources of the image and
// preferred to them, or to systemd-timesyncd, in place of the image's.
//
// Environment. spec.instance.environment becomes drop-ins of systemd, which
// only root can read: a proxy's URL may hold a password. (nodeadm: for all.)
//
// Local disks are prepared by the program that EKS images bring for it. A node that
// asks for it on another image is refused, rather than left to fill its root volume.
//
// The package is pure.
package tuning
