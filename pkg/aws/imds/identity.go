package imds

import (
	"context"
	"net/netip"
	"sync"

	"github.com/eksnode/eksnode/pkg/aws/partition"
)

// maxConcurrent bounds the requests under way at once.
const maxConcurrent = 4

// Need says which facts Identity asks for beyond the identity document. Each
// costs one request; with those up to IPv6, the token and the user data a boot
// makes eight.
type Need struct {
	// LocalHostname: for naming the node after its private DNS name.
	LocalHostname bool
	// ZoneID: the zone's name across accounts, use1-az4.
	ZoneID bool
	// OutpostARN: set on Outposts only.
	OutpostARN bool
	// MAC of the primary interface.
	MAC bool
	// IPv6 addresses of the primary interface; asks for the MAC, too.
	IPv6 bool
	// Lifecycle: spot, on-demand, scheduled or capacity-block.
	Lifecycle bool
	// PlacementGroup: the group's name, and PartitionNumber: the partition in it.
	PlacementGroup, PartitionNumber bool
	// Tags are the keys of the instance's tags that are wanted.
	Tags []string
	// VPCNetworks: the networks of the primary interface's VPC; two requests, and
	// one for the MAC.
	VPCNetworks bool
}

// Identity is what the metadata service says of this instance. A field which was
// not asked for, or could not be had, is empty; the latter has a Problem.
type Identity struct {
	InstanceID   string
	InstanceType string
	Region       string
	Zone         string
	AccountID    string
	ImageID      string
	// Architecture as EC2 names it: x86_64 or arm64.
	Architecture string
	// PrivateIPv4 is the primary address; invalid in an IPv6-only subnet.
	PrivateIPv4 netip.Addr

	// Partition and DNSSuffix follow from the region by the table of package
	// partition; they are not asked for.
	Partition string
	DNSSuffix string

	// LocalHostname is raw: it may hold several names or domains that were run
	// together. Package nodename makes sense of it.
	LocalHostname string
	ZoneID        string
	OutpostARN    string
	// MAC is in lower case with colons.
	MAC string
	// IPv6 are the addresses of the primary interface in the service's order,
	// without duplicates and link-local ones.
	IPv6 []netip.Addr
	// Lifecycle is empty where the service does not say, PlacementGroup and
	// PartitionNumber where the instance is in none.
	Lifecycle, PlacementGroup, PartitionNumber string
	// Tags has those of the wanted tags that the instance has.
	Tags map[string]string
	// VPCNetworks are in the service's order, IPv4 first.
	VPCNetworks []netip.Prefix
}

// Problem is a fact that could not be had.
type Problem struct {
	// Fact names it as node.Input does: instance.mac, instance.ipv6, …
	Fact string
	// Err is a fault, whose chain holds an *Error.
	Err error
}

// Identity asks who this instance is. The identity document comes first and
// alone, so that it is the only one to wait when the service is late and the
// only one to cause a token request; what need names follows, concurrently.
//
// The error is about the identity document, without which nothing is known. A
// further fact that cannot be had is a Problem, in the order of need's fields;
// one that the instance does not have (zone id, Outpost, placement group) is
// neither. A tag that it does not have is a Problem, since somebody named it.
func (c *Client) Identity(ctx context.Context, need Need) (Identity, []Problem, error) {
	var id Identity
	err := c.must(ctx, "dynamic/instance-identity/document", func(body []byte) error {
		var err error
		id, err = parseDocument(body)
		return err
	})
	if err != nil {
		return Identity{}, nil, err
	}
	p := partition.Of(id.Region)
	id.Partition, id.DNSSuffix = p.ID, p.DNSSuffix

	// Every function writes fields of its own, and an error slot of its own.
	facts := append(c.facts(ctx, &id, need), c.tags(&id, need.Tags)...)
	errs := make([]error, len(facts))
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxConcurrent)
	for i, f := range facts {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = f.get(ctx)
		})
	}
	wg.Wait()

	var problems []Problem
	for i, err := range errs {
		if err != nil {
			problems = append(problems, Problem{Fact: facts[i].name, Err: err})
		}
	}
	return id, problems, nil
}

// fact is one thing to ask for.
type fact struct {
	name string
	get  func(context.Context) error
}

func (c *Client) facts(ctx context.Context, id *Identity, need Need) []fact {
	var fs []fact
	if need.LocalHostname {
		fs = append(fs, fact{"instance.localHostname", func(ctx context.Context) (err error) {
			id.LocalHostname, err = c.Get(ctx, "local-hostname")
			return err
		}})
	}
	if need.ZoneID {
		fs = append(fs, fact{"instance.zoneId", func(ctx context.Context) (err error) {
			id.ZoneID, _, err = c.Optional(ctx, "placement/availability-zone-id")
			return err
		}})
	}
	if need.OutpostARN {
		fs = append(fs, fact{"instance.outpostArn", func(ctx context.Context) (err error) {
			id.OutpostARN, _, err = c.Optional(ctx, "outpost-arn")
			return err
		}})
	}
	// Several facts need the MAC, and it is asked for once. Whoever comes first
	// writes the field; the others wait for that.
	mac := sync.OnceValues(func() (_ string, err error) {
		id.MAC, err = c.MAC(ctx)
		return id.MAC, err
	})
	switch {
	case need.IPv6:
		fs = append(fs, fact{"instance.ipv6", func(ctx context.Context) error {
			m, err := mac()
			if err == nil {
				id.IPv6, err = c.IPv6(ctx, m)
			}
			return err
		}})
	case need.MAC:
		fs = append(fs, fact{"instance.mac", func(context.Context) error {
			_, err := mac()
			return err
		}})
	}
	if need.VPCNetworks {
		fs = append(fs, fact{"instance.vpcNetworks", func(ctx context.Context) error {
			m, err := mac()
			if err == nil {
				id.VPCNetworks, err = c.VPCNetworks(ctx, m)
			}
			return err
		}})
	}
	return append(fs, c.placement(id, need)...)
}

// MAC returns the address of the primary network interface, in lower case with
// colons.
func (c *Client) MAC(ctx context.Context) (string, error) {
	var mac string
	err := c.must(ctx, "meta-data/mac", func(body []byte) error {
		var err error
		mac, err = parseMAC(body)
		return err
	})
	return mac, err
}

// IPv6 returns the IPv6 addresses of the interface with the given MAC (as MAC
// returns it), at least one: an interface without any is an error once
// Options.NotFoundFor has passed.
func (c *Client) IPv6(ctx context.Context, mac string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	err := c.must(ctx, "meta-data/network/interfaces/macs/"+mac+"/ipv6s", func(body []byte) error {
		var err error
		addrs, err = parseIPv6List(body)
		return err
	})
	return addrs, err
}
