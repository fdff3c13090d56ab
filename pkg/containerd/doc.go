// Package containerd decides how containerd on a node is set up, and renders
// the files that set it up: config.toml with the user's TOML laid over it, the
// base runtime specification, the SOCI snapshotter's part, and a unit where the
// machine image brings none. Last comes the sandbox (pause) image, without
// which no pod starts.
//
// The files are those of nodeadm (awslabs/amazon-eks-ami), at the same paths
// and with the same meaning: schema 2 for containerd 1.x, schema 3 for 2.x. It
// differs in this:
//
//   - User TOML in the words of containerd 1 is translated for containerd 2
//     key by key; nothing is executed, and what has no translation is an error
//     that names the key. nodeadm runs `containerd config migrate`, also for TOML
//     in which nothing has to be translated.
//   - A machine with the NVIDIA runtime keeps the handler runc as well, set up
//     as on any other machine, and nvidia is the default only where the
//     machine has an NVIDIA device: a GPU image on other hardware uses runc.
//   - With a document of the superset, NVIDIA devices may be named by CDI, runc being
//     the default: where spec.accelerators says so, or the machine has no NVIDIA
//     runtime. Containers on machines with EFA or Neuron devices may pin memory
//     without a bound, unless a limit is configured.
//   - Since containerd 2.4, which has neither key any more, cni.bin_dirs is
//     written for cni.bin_dir, and enable_cdi is left out.
//   - A configuration that containerd would not start with is an error.
//   - The folders of registry configuration exist, and hold what spec.registries
//     says of mirrors, in the form that containerd reads at every pull.
//
// The package is pure.
package containerd
