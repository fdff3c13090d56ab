package aws

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sort"
	"sync"
	"time"
)

// Config describes the account a [Cloud] emulates. The zero value is a usable account in us-west-2.
type Config struct {
	// AccountID is the 12-digit account number; 123456789012 when empty.
	AccountID string
	// Partition is the first part of ARNs; "aws" when empty.
	Partition string
	// Domain is the DNS suffix of endpoints; "amazonaws.com" when empty.
	Domain string
	// Region is the region of instances that name none; us-west-2 when empty.
	Region string
	// MoreRegions are further regions whose endpoints answer and are named in the certificate.
	MoreRegions []string

	// Latency is how long an API takes to answer at least; 5 ms when zero, nothing when negative. No real endpoint answers
	// sooner, and clients rely on it unknowingly: aws-sdk-go-v2 closes a request's body as soon as it has the answer, and
	// when net/http is then not yet back from writing it, the connection is torn down under the answer.
	Latency time.Duration
	// CredentialLifetime is how long credentials of an instance role live; 6 hours when zero, which is what EC2 gives.
	CredentialLifetime time.Duration

	// StrictExpires makes STS honour X-Amz-Expires of presigned URLs. The real STS ignores it: such URLs live for 15
	// minutes whatever the parameter says (aws-iam-authenticator pkg/token, EKS documentation), and kubelet relies on
	// that when it caches a token that says 60 seconds.
	StrictExpires bool
	// AnyPresigned lets STS answer presigned GetCallerIdentity requests that do not sign the x-k8s-aws-id header, as the
	// real one does. Without it they are refused, because in a lab of Kubernetes nodes such a request is a broken
	// token: signing the cluster's name is what keeps a token from being used against another cluster.
	AnyPresigned bool
	// RedirectLayers makes registries answer requests for layers with a redirect to a presigned S3 URL, as ECR does. The
	// S3 name is among [Cloud.Names]; clients must be able to resolve it.
	RedirectLayers bool

	// Log receives a debug line for every request and an info line for every injected fault; discarded when nil.
	Log *slog.Logger
	// Now is the clock; time.Now when nil.
	Now func() time.Time
}

// Cloud is the emulated account. It is safe for concurrent use. The zero value is not usable; see [New].
type Cloud struct {
	cfg     Config
	regions []string
	log     *slog.Logger
	now     func() time.Time

	calls  *journal[Call]
	faults *faultSet[Target]
	keys   *keyring
	// layerKey signs the URLs of layers in S3.
	layerKey []byte

	mu         sync.RWMutex
	roles      map[string]Role
	machines   map[string]*Machine
	clusters   map[clusterKey]Cluster
	types      map[string]InstanceType
	registries map[string]http.Handler
	passwords  map[Secret]registryLogin
}

// New returns an account with no instance, a few instance types and no role.
func New(cfg Config) *Cloud {
	setDefault(&cfg.AccountID, "123456789012")
	setDefault(&cfg.Partition, "aws")
	setDefault(&cfg.Domain, "amazonaws.com")
	setDefault(&cfg.Region, "us-west-2")
	if cfg.CredentialLifetime == 0 {
		// "temporary security credentials ... valid for six hours": what IMDS hands out in practice.
		cfg.CredentialLifetime = 6 * time.Hour
	}
	if cfg.Latency == 0 {
		cfg.Latency = 5 * time.Millisecond
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	regions := map[string]bool{cfg.Region: true}
	for _, r := range cfg.MoreRegions {
		regions[r] = true
	}
	c := &Cloud{
		cfg: cfg, regions: sortedKeys(regions), log: cfg.Log, now: cfg.Now,
		calls:      newJournal[Call](),
		faults:     newFaultSet[Target](cfg.Now),
		keys:       newKeyring(cfg.Now),
		roles:      map[string]Role{},
		machines:   map[string]*Machine{},
		clusters:   map[clusterKey]Cluster{},
		types:      map[string]InstanceType{},
		registries: map[string]http.Handler{},
		passwords:  map[Secret]registryLogin{},
		layerKey:   []byte(randomHex(64)),
	}
	for _, t := range builtinTypes {
		c.types[t.Name] = t
	}
	return c
}

// Config returns the configuration with its defaults filled in.
func (c *Cloud) Config() Config { return c.cfg }

// Launch starts an instance: from now on IMDS knows its addresses, EC2 describes it, and its role has credentials.
// What inst leaves empty is filled in (see [Instance]). Its role is created when it does not exist yet.
func (c *Cloud) Launch(inst Instance) (*Machine, error) {
	inst = inst.clone()
	inst.fill(c)
	if err := inst.check(); err != nil {
		return nil, fmt.Errorf("cannot launch instance %s: %w", inst.ID, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.machines[inst.ID]; taken {
		return nil, fmt.Errorf("cannot launch instance %s: the id is taken", inst.ID)
	}
	if other := c.addressTaken(inst); other != "" {
		return nil, fmt.Errorf("cannot launch instance %s: %s already has one of its addresses", inst.ID, other)
	}
	if _, known := c.roles[inst.Role]; inst.Role != "" && !known {
		c.roles[inst.Role] = Role{Name: inst.Role}
	}
	m := newMachine(c, inst)
	c.machines[inst.ID] = m
	c.log.Info("instance launched", "instance", inst.ID, "type", inst.Type, "address", inst.primary().IPv4s)
	return m, nil
}

// Terminate forgets an instance. Its credentials stay valid until they expire, as those of a terminated instance do.
func (c *Cloud) Terminate(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.machines, id)
}

// Machine returns a launched instance, or nil.
func (c *Cloud) Machine(id string) *Machine {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.machines[id]
}

// Machines returns the launched instances, sorted by id.
func (c *Cloud) Machines() []*Machine {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]*Machine, 0, len(c.machines))
	for _, id := range sortedKeys(c.machines) {
		out = append(out, c.machines[id])
	}
	return out
}

// MachineAt returns the instance that has an address on one of its interfaces, or nil.
func (c *Cloud) MachineAt(addr netip.Addr) *Machine {
	addr = addr.Unmap().WithZone("")
	for _, m := range c.Machines() {
		if m.Instance().hasAddress(addr) {
			return m
		}
	}
	return nil
}

// addressTaken returns the id of another instance that shares an address with inst, or "". The caller holds c.mu.
func (c *Cloud) addressTaken(inst Instance) string {
	for _, id := range sortedKeys(c.machines) {
		other := c.machines[id].Instance()
		for _, a := range inst.addresses() {
			if id != inst.ID && other.hasAddress(a) {
				return id
			}
		}
	}
	return ""
}

// PutRole creates a role or replaces it; a change of rights holds from the next request on.
func (c *Cloud) PutRole(r Role) error {
	if r.Name == "" {
		return errors.New("cannot put role: it has no name")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.roles[r.Name] = r
	return nil
}

// role returns a role by name; the zero Role denies nothing.
func (c *Cloud) role(name string) Role {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.roles[name]
}

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// setDefault fills a field that is empty.
func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}
