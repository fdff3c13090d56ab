//go:build linux

// Command lab runs the lab by hand: see "lab help".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/eksnode/eksnode/test/lab"
)

const usage = `The lab: a real Kubernetes control plane, emulated AWS, and instances with real systemd, on this machine. Needs root.

  lab deps                     install the Debian packages the lab needs
  lab build [--all]            build what a lab needs into the cache; with --all all versions a node can have
  lab demo --package DEB       boot an instance with user data, show it Ready, a pod's log and the time each phase took
  lab bench --package DEB      measure the product beside its budgets
  lab up [--package DEB]       start a lab and keep it until Ctrl-C
  lab list                     labs of this machine
  lab launch [--name N] …      launch an instance in a running lab
  lab exec NAME COMMAND…       run a command in an instance
  lab kubectl ARGS…            run kubectl as the cluster's administrator
  lab nodeconfig               print a NodeConfig for a running lab's cluster
  lab down [ID…] [--all]       remove what dead labs left; with --all living labs too

"lab COMMAND -h" lists a command's flags. The cache is $EKSNODE_LAB_CACHE, or eksnode-lab in the user's cache folder.
`

// command is a verb: it declares its flags on the set and returns what does it with the arguments.
type command func(flags *flag.FlagSet) func(ctx context.Context, args []string) error

func commands() map[string]command {
	return map[string]command{
		"deps": deps, "build": build, "demo": demo, "up": up, "list": list, "launch": launch,
		"exec": execute, "kubectl": kubectl, "nodeconfig": nodeConfig, "down": down,
		"bench": bench, "measure": measure,
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Print(usage)
		return 0
	}
	c, ok := commands()[args[0]]
	if !ok {
		fmt.Fprintf(os.Stderr, "lab: no command %q\n\n%s", args[0], usage)
		return 2
	}
	flags := flag.NewFlagSet("lab "+args[0], flag.ContinueOnError)
	do := c(flags)
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	err := do(ctx, flags.Args())
	var failed exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		return int(failed)
	}
	fmt.Fprintln(os.Stderr, "lab:", err)
	return 1
}

// exitCode is the failure of a command that had this terminal, and has said why itself.
type exitCode int

func (c exitCode) Error() string { return fmt.Sprintf("exit status %d", int(c)) }

// labFlags are the flags of commands that start a lab.
func labFlags(flags *flag.FlagSet) *lab.Options {
	o := &lab.Options{Progress: os.Stdout}
	flags.StringVar(&o.Package, "package", "", "install this .deb in every instance")
	flags.StringVar(&o.Cache, "cache", "", "cache folder, on a real disk")
	flags.StringVar((*string)(&o.NodeNaming), "naming", string(lab.PrivateDNSName), "what nodes are called: private-dns-name or instance-id")
	flags.BoolVar(&o.IPv6, "ipv6", false, "give instances an IPv6 address too")
	flags.BoolVar(&o.KeepDisks, "keep-disks", false, "keep instances' disks in the run folder")
	return o
}

// instanceFlags are the flags that describe an instance.
func instanceFlags(flags *flag.FlagSet) func() (lab.InstanceSpec, error) {
	var spec lab.InstanceSpec
	var userData string
	flags.StringVar(&spec.Name, "name", "", "the instance's name in the lab")
	flags.StringVar(&spec.Type, "type", "m5.large", "instance type")
	flags.StringVar(&spec.Kubernetes, "kubernetes", lab.DefaultKubernetes, fmt.Sprint("kubelet's minor, of ", lab.Kubernetes()))
	flags.StringVar(&spec.Containerd, "containerd", lab.DefaultContainerd, fmt.Sprint("containerd's release line, of ", lab.Containerd()))
	flags.StringVar(&spec.Role, "role", lab.NodeRole, "the instance profile's role; \"-\" for none")
	flags.BoolVar(&spec.ResourceName, "resource-name", false, "give it a resource-based host name")
	flags.IntVar(&spec.ENIs, "enis", 1, "number of network interfaces")
	flags.BoolVar(&spec.NetworkManager, "network-manager", false, "NetworkManager in place of systemd-networkd")
	flags.BoolVar(&spec.PauseArchive, "pause-archive", false, "put the sandbox image into /etc/eks/pause.tar")
	flags.BoolVar(&spec.VersionFiles, "version-files", false, "put version files into /etc/eks")
	flags.StringVar(&userData, "user-data", "", "file with user data, \"-\" for standard input; a NodeConfig for the cluster in MIME when empty")
	return func() (lab.InstanceSpec, error) {
		var err error
		switch userData {
		case "":
		case "-":
			spec.UserData, err = io.ReadAll(os.Stdin)
		default:
			spec.UserData, err = os.ReadFile(userData)
		}
		return spec, err
	}
}

func deps(*flag.FlagSet) func(context.Context, []string) error {
	return func(ctx context.Context, _ []string) error { return lab.Deps(ctx, os.Stdout) }
}

func build(flags *flag.FlagSet) func(context.Context, []string) error {
	options := labFlags(flags)
	all := flags.Bool("all", false, "all versions a node can have")
	return func(ctx context.Context, _ []string) error {
		kubernetes, containerd := []string{lab.DefaultKubernetes}, []string{lab.DefaultContainerd}
		if *all {
			kubernetes, containerd = lab.Kubernetes(), lab.Containerd()
		}
		return lab.Build(ctx, *options, kubernetes, containerd)
	}
}
