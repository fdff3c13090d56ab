// Package accelerator decides what follows from a machine's GPUs, Neuron devices and
// EFAs: how containers name them, which kernel module fits them, and the huge pages
// that they want. It loads and installs nothing; that is the image's own work, for
// which the decision about NVIDIA's module is written down.
//
// Devices are described for the Container Device Interface (CDI) where
// spec.accelerators says so, and where there is a GPU and no NVIDIA runtime. NVIDIA's
// own generator is left to it where the image has one, once a boot. Elsewhere the
// agent describes the devices and the driver's files that it has seen. The two never
// meet in one place: what the vendor generates is in the folder that comes first.
//
// All of this is for documents of the superset. With one of nodeadm's group the
// machine is what nodeadm makes of it. The handlers of containerd and the limits of
// containers follow from the same decisions, see pkg/node and pkg/containerd.
//
// The package is pure.
package accelerator
