//go:build linux

package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/eksnode/eksnode/test/lab/aws"
	"github.com/eksnode/eksnode/test/lab/internal/cgroup"
	"github.com/eksnode/eksnode/test/lab/internal/machine"
	"github.com/eksnode/eksnode/test/lab/internal/pki"
)

// Lab is a running cluster with its VPC. Its methods may be called from several goroutines.
type Lab struct {
	// ID is unique on this machine; names of the lab's namespaces and cgroups begin with eksnode-lab-<ID>.
	ID string
	// Dir is the run folder: logs/ has what every component said, boxes/<name>/ an instance's console and journal.
	Dir string
	// Cloud is the emulated AWS: faults, calls, roles.
	Cloud *aws.Cloud
	// Cluster is what a node must be told.
	Cluster Cluster
	// The control plane's programs; nil in a lab without.
	Etcd, Authenticator, APIServer, ControllerManager, Scheduler *Component
	// Resolver is the VPC's DHCP and DNS server.
	Resolver *Component

	options     Options
	began       time.Time
	vpc         *vpc
	group       *cgroup.Tree
	claim       *machine.Claim
	endpointsCA *pki.CA
	components  []*Component
	inside      *http.Client      // dials inside the VPC
	admin       *http.Client      // the cluster's administrator
	programs    map[string]string // the control plane's, by name

	background context.Context // ends when the lab is closed
	stop       context.CancelFunc
	tasks      sync.WaitGroup

	mu        sync.Mutex
	instances map[string]*Instance
	launched  int
	outside   int // addresses given to what is no instance
	closed    bool
	imageMu   sync.Mutex // one node image is built at a time
	progressM sync.Mutex
}

// Start builds what the cluster needs and is not in the cache, and starts it. When ctx ends before that, or anything
// fails, what was started is taken down again. Labs of dead processes are swept first.
func Start(ctx context.Context, options Options) (_ *Lab, err error) {
	if err := options.fill(); err != nil {
		return nil, fmt.Errorf("cannot start lab: %w", err)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("cannot start lab: it makes namespaces and cgroups, so it must be run by root; use sudo")
	}
	id := make([]byte, 3)
	rand.Read(id)
	l := &Lab{ID: hex.EncodeToString(id), options: options, began: time.Now(), instances: map[string]*Instance{}}
	l.background, l.stop = context.WithCancel(context.Background())
	l.Dir = filepath.Join(options.Cache, "run", l.ID)
	if err := os.MkdirAll(filepath.Join(l.Dir, "logs"), 0o755); err != nil {
		return nil, fmt.Errorf("cannot start lab: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot start lab: %w; its logs are in %s", errors.Join(err, l.Close()), l.Dir)
		}
	}()
	l.sweepDead(ctx)
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	return l, nil
}

// sweepDead cleans up after labs whose processes died; that this works is not this lab's concern, so it is only told.
func (l *Lab) sweepDead(ctx context.Context) {
	labs, err := machine.Labs(ctx)
	if err != nil {
		l.progress("cannot look for leftovers of other labs: %v", err)
	}
	for _, other := range labs {
		if other.Alive {
			continue
		}
		l.progress("sweeping lab %s, whose process died", other.ID)
		if err := Sweep(ctx, other); err != nil {
			l.progress("%v", err)
		}
	}
	if err := pruneRuns(filepath.Join(l.options.Cache, "run"), labs, l.ID); err != nil {
		l.progress("cannot remove old run folders: %v", err)
	}
}

func (l *Lab) start(ctx context.Context) error {
	// Building takes long the first time and leaves nothing outside the cache, so it comes first.
	var err error
	if l.programs, err = l.buildControlPlane(ctx); err != nil {
		return err
	}
	if l.claim, err = machine.Register(ctx, l.ID, l.Dir); err != nil {
		return err
	}
	name := machine.Prefix + l.ID
	if l.group, err = cgroup.Create(name + "/services"); err != nil {
		return err
	}
	if l.vpc, err = newVPC(ctx, name+"-vpc", filepath.Join(l.Dir, "vpc"), l.options.IPv6); err != nil {
		return err
	}
	cloudLog, err := l.openLog("aws.log")
	if err != nil {
		return err
	}
	context.AfterFunc(l.background, func() { _ = cloudLog.Close() })
	l.Cloud = aws.New(aws.Config{Log: slog.New(slog.NewTextHandler(cloudLog, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	ca, err := l.makeCluster()
	if err != nil {
		return err
	}
	if err := l.serveAWS(ctx); err != nil {
		return err
	}
	l.progress("lab %s: the VPC and AWS' endpoints are up", l.ID)
	if l.options.NoControlPlane {
		return l.httpClients(nil, pki.Pair{})
	}
	admin, err := l.writePKI(filepath.Join(l.Dir, "control-plane", "pki"), ca)
	if err != nil {
		return err
	}
	if err := l.httpClients(ca, admin); err != nil {
		return err
	}
	if err := l.controlPlane(l.programs); err != nil {
		return err
	}
	if err := l.startControlPlane(ctx); err != nil {
		return err
	}
	l.tasks.Go(func() { l.playEKS(l.background) })
	return l.addOns(ctx)
}

// makeCluster gives the lab its authorities and tells EKS of the cluster.
func (l *Lab) makeCluster() (ca *pki.CA, err error) {
	if l.endpointsCA, err = pki.NewCA("Lab endpoints"); err != nil {
		return nil, err
	}
	config := l.Cloud.Config()
	if l.Cluster, ca, err = newCluster("lab", config.Region); err != nil {
		return nil, err
	}
	minor := controlPlaneVersion[:len(controlPlaneVersion)-len(filepath.Ext(controlPlaneVersion))]
	err = l.Cloud.PutCluster(aws.Cluster{Name: l.Cluster.Name, Version: minor, Endpoint: l.Cluster.Endpoint, CA: l.Cluster.CA, ServiceIPv4CIDR: l.Cluster.CIDR})
	return ca, err
}

// Instances are the launched instances, by name.
func (l *Lab) Instances() []*Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []*Instance
	for _, name := range sortedKeys(l.instances) {
		all = append(all, l.instances[name])
	}
	return all
}

// Instance returns a launched instance by name, or nil.
func (l *Lab) Instance(name string) *Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.instances[name]
}

// Program is the path of a program of the control plane on this machine, such as kubectl or aws-iam-authenticator.
func (l *Lab) Program(name string) string { return l.programs[name] }

// EndpointsCA is the authority of AWS' endpoints, in PEM. Instances trust it; it is not the cluster's.
func (l *Lab) EndpointsCA() []byte { return l.endpointsCA.CertPEM }

// Close takes everything down: instances at once, as a power cut would, then the rest. It keeps the logs, consoles and
// journals in the run folder, and fails when anything of the lab is left on the machine. A second call does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	for _, i := range l.Instances() {
		if i.box != nil { // else it is being launched, and fails
			errs = append(errs, i.saveJournal(ctx), i.box.Kill(ctx))
		}
	}
	l.stop()
	for _, c := range slices.Backward(l.components) {
		errs = append(errs, c.Kill(ctx)) // the data goes too, so there is nothing to end well
	}
	l.tasks.Wait()
	errs = append(errs, machine.Sweep(ctx, l.ID))
	if l.claim != nil {
		errs = append(errs, l.claim.Release(ctx))
	}
	left, err := machine.Residue(l.ID, l.Dir)
	errs = append(errs, err)
	for _, r := range left {
		errs = append(errs, fmt.Errorf("left behind: %s", r))
	}
	if !l.options.KeepDisks {
		errs = append(errs, dropDisks(l.Dir))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot close lab %s: %w", l.ID, err)
	}
	l.progress("lab %s is down", l.ID)
	return nil
}

// Progress writes a line with the time since the start to where the lab tells of its own steps.
func (l *Lab) Progress(format string, args ...any) { l.progress(format, args...) }

// progress writes a line with the time since the start.
func (l *Lab) progress(format string, args ...any) {
	l.progressM.Lock()
	defer l.progressM.Unlock()
	fmt.Fprintf(l.options.Progress, "[%6.1fs] %s\n", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

// Entry is a lab of this machine, of this or another process.
type Entry = machine.Lab

// Labs lists the labs of this machine, those included whose process died and left something behind.
func Labs(ctx context.Context) ([]Entry, error) { return machine.Labs(ctx) }

// Sweep removes what a lab has on this machine, whether its process lives or not: everything but its logs.
func Sweep(ctx context.Context, e Entry) error {
	return errors.Join(machine.Sweep(ctx, e.ID), dropDisks(e.RunDir))
}

// dropDisks removes what is large of a run folder: the boxes' disks and etcd's data. Consoles, journals and logs stay.
func dropDisks(runDir string) error {
	if runDir == "" {
		return nil
	}
	var errs []error
	for _, pattern := range []string{"boxes/*/upper", "boxes/*/work", "boxes/*/root", "boxes/*/containerd", "boxes/*/kubelet", "control-plane/etcd"} {
		dirs, err := filepath.Glob(filepath.Join(runDir, pattern))
		errs = append(errs, err)
		for _, d := range dirs {
			errs = append(errs, os.RemoveAll(d))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cannot remove disks in %s: %w", runDir, err)
	}
	return nil
}

// keptRuns is how many run folders of ended labs are kept for their logs.
const keptRuns = 10

// pruneRuns removes the oldest run folders of labs that are no more.
func pruneRuns(dir string, labs []machine.Lab, self string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	age := map[string]time.Time{}
	for _, e := range entries {
		alive := slices.ContainsFunc(labs, func(o machine.Lab) bool { return o.Alive && o.ID == e.Name() })
		if info, err := e.Info(); err == nil && !alive && e.Name() != self {
			age[e.Name()] = info.ModTime()
		}
	}
	names := slices.SortedFunc(maps.Keys(age), func(a, b string) int { return age[b].Compare(age[a]) })
	var errs []error
	for _, n := range names[min(keptRuns, len(names)):] {
		errs = append(errs, os.RemoveAll(filepath.Join(dir, n)))
	}
	return errors.Join(errs...)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
