package ec2

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/eksnode/eksnode/pkg/aws/awsconfig"
	"github.com/eksnode/eksnode/pkg/aws/caller"
	"github.com/eksnode/eksnode/pkg/aws/ecr"
	"github.com/eksnode/eksnode/pkg/aws/ststoken"
	"github.com/eksnode/eksnode/pkg/cluster"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/system"
	"github.com/eksnode/eksnode/pkg/system/absent"
	"github.com/eksnode/eksnode/pkg/system/binversion"
	"github.com/eksnode/eksnode/pkg/system/command"
	"github.com/eksnode/eksnode/pkg/system/file"
	"github.com/eksnode/eksnode/pkg/system/hugepages"
	"github.com/eksnode/eksnode/pkg/system/image"
	"github.com/eksnode/eksnode/pkg/system/kmod"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
	"github.com/eksnode/eksnode/pkg/system/swapfile"
	"github.com/eksnode/eksnode/pkg/system/sysctl"
	"github.com/eksnode/eksnode/pkg/system/systemd"
)

// gather collects the facts: what IMDS says and what the machine shows, at the
// same time.
func (p *place) gather(ctx context.Context, q platform.Question) (node.Input, error) {
	in := node.Input{Config: q.Config, Layout: p.layout}
	p.out.follow(in)
	local := make(chan []node.Problem, 1)
	go func() { local <- p.look(&in, q.Owned) }()
	instance, problems, err := p.identify(ctx, q.Config, q.Log)
	in.Problems = append(problems, <-local...)
	in.Instance = instance
	in.Present.Network.Primary, in.Present.Network.PrimaryMTU = system.PrimaryLink(rootfs.At("/"), instance.MAC)
	if in.Present.Network.NetworkManager && instance.ID != "" {
		var err error
		if in.Present.Network.PluginENIs, err = pluginENIs(rootfs.At("/"), p.layout, kernelLinks{}, instance.ID); err != nil {
			in.Problems = append(in.Problems, problem("present.network.pluginENIs", err))
		}
	}
	fixedName(&in)
	p.out.follow(in)
	return in, err
}

// look fills in what the machine itself shows. The hardware has a file for each
// block of memory, so reading it takes as long as all the rest.
func (p *place) look(in *node.Input, owned []host.Owned) []node.Problem {
	root := rootfs.At("/")
	detected := make(chan hardware.Facts, 1)
	go func() { detected <- hardware.Detect(root.Attributes(), runtime.GOARCH) }()
	present, errPresent := system.Present(root, p.layout, owned)
	managers, errManagers := system.Managers(root, p.layout)
	programs, errPrograms := system.Programs(root, programs(in.Config, p.layout))
	kubelet, errKubelet := binversion.Read(root, binversion.Kubelet(), p.layout.KubeletVersionFile, p.layout.Kubelet)
	containerd, errContainerd := binversion.Read(root, binversion.Containerd(), p.layout.ContainerdVersionFile, p.layout.Containerd)

	var problems []node.Problem
	note := func(fact string, err error) {
		if err != nil {
			problems = append(problems, problem(fact, err))
		}
	}
	in.Hardware = <-detected
	for _, h := range in.Hardware.Problems {
		if h.Remark {
			continue // the fact is there, seen in a second-best way
		}
		problems = append(problems, node.Problem{Fact: "hardware." + h.Probe, Code: fault.FactMissing, Message: h.Message})
	}
	accelerators, errAccelerators := system.Accelerators(root, p.layout, in.Hardware)
	in.Present, in.Present.Accelerators, in.Present.Managers, in.Present.Programs = present, accelerators, managers, programs
	in.Versions.Kubelet, in.Versions.Containerd = kubelet, containerd
	note("present", errPresent)
	note("present.accelerators", errAccelerators)
	note("present.managers", errManagers)
	note("present.programs", errPrograms)
	note("versions.kubelet", errKubelet)
	note("versions.containerd", errContainerd)
	return problems
}

// host opens the drivers of a Linux with systemd.
func (p *place) host(ctx context.Context) (host.Host, func() error, error) {
	root := rootfs.At("/")
	files := file.New(root)
	services := systemd.New(systemd.Options{RunDir: p.layout.RunDir, StateDir: p.layout.StateDir, Log: p.log})
	services.Connect(ctx)
	images := image.New(image.Options{
		Socket: p.layout.ContainerdSocket, HostDirs: p.layout.RegistryConfigDirs,
		Credentials: p.pullCredentials, Proxy: p.out.proxy, Log: p.log,
	})
	h := host.Host{
		host.KindFile: files, host.KindDir: files, host.KindLink: files,
		host.KindSysctl: sysctl.New(root), host.KindService: services, host.KindImage: images,
		host.KindModule: kmod.New(root, kmod.Exec), host.KindHugePages: hugepages.New(root),
		host.KindSwapFile: swapfile.New(root, swapfile.Running{}, p.log),
		host.KindAbsent:   absent.New(root),
		host.KindCommand: command.New(command.Options{
			RunDir: p.layout.RunDir, StateDir: p.layout.StateDir, Getenv: p.getenv, Log: p.log,
		}),
	}
	return h, func() error { services.Close(); return nil }, nil
}

// pullCredentials gives credentials for hosts of ECR, and for a mirror of another
// name that asks for some when an image of ECR is pulled: containerd gives it those
// of the image, too. From elsewhere images are pulled without any.
func (p *place) pullCredentials(ctx context.Context, ref, host string) (user, password string, err error) {
	of := host
	registry, err := ecr.ParseImage(of)
	if errors.Is(err, ecr.ErrNotECR) {
		of = ref
		registry, err = ecr.ParseImage(of)
	}
	if errors.Is(err, ecr.ErrNotECR) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	cfg, err := awsconfig.Load(ctx, awsconfig.Options{Region: registry.Region, IMDS: p.imds, Proxy: p.out.proxy, Log: p.log})
	if err != nil {
		return "", "", err
	}
	u, secret, err := ecr.Provider{Config: cfg, Log: p.log}.Credentials(ctx, of)
	return u, secret.Reveal(), err
}

// checks are those of the way to a Ready node.
func (p *place) checks(in node.Input) []health.Check {
	inspect := func() hardware.Facts { return hardware.Inspect(os.DirFS("/"), runtime.GOARCH) }
	return append(hardwareChecks(in, inspect), cluster.Checks(p.target(in))...)
}

// target is the cluster, and how the node presents itself to it.
func (p *place) target(in node.Input) cluster.Target {
	c := in.Config.Spec.Cluster
	out := proxy(in)
	cfg := sync.OnceValues(func() (aws.Config, error) {
		return awsconfig.Load(context.Background(), awsconfig.Options{Region: in.Instance.Region, IMDS: p.imds, Proxy: out, Log: p.log})
	})
	t := &tokens{make: func(ctx context.Context) (ststoken.Token, error) {
		cfg, err := cfg()
		if err != nil {
			return ststoken.Token{}, err
		}
		return ststoken.New(ctx, cfg, tokenCluster(in), in.Instance.Region, time.Now())
	}}
	return cluster.Target{
		Endpoint: c.APIServerEndpoint, CA: c.CertificateAuthority, NodeName: in.Instance.NodeName,
		Token: t.get, KubeletHealth: "http://127.0.0.1:10248/healthz",
		ClusterName: c.Name, Region: in.Instance.Region,
		ProviderID: fmt.Sprintf("aws:///%s/%s", in.Instance.Zone, in.Instance.ID),
		BootID:     bootID(),
		Proxy:      out,
		Identity: func(ctx context.Context) (string, error) {
			cfg, err := cfg()
			if err != nil {
				return "", err
			}
			return caller.ARN(ctx, cfg)
		},
		Log: p.log,
	}
}

// tokenCluster is what the token names: a local cluster on an Outpost goes by
// its id.
func tokenCluster(in node.Input) string {
	c := in.Config.Spec.Cluster
	if c.EnableOutpost != nil && *c.EnableOutpost {
		return c.ID
	}
	return c.Name
}

// tokens keeps a token until it expires.
type tokens struct {
	make func(context.Context) (ststoken.Token, error)
	mu   sync.Mutex
	last ststoken.Token
}

func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Now().Before(t.last.Expires) {
		return t.last.Value.Reveal(), nil
	}
	fresh, err := t.make(ctx)
	if err != nil {
		return "", err
	}
	t.last = fresh
	return fresh.Value.Reveal(), nil
}

// bootID is the kernel's name for this boot; empty when it has none.
func bootID() string {
	b, err := fs.ReadFile(os.DirFS("/"), "proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
