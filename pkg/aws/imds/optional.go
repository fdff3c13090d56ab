package imds

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/eksnode/eksnode/pkg/fault"
)

// placement are the facts of an instance that may have none: 404 is an answer.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-metadata.html
func (c *Client) placement(id *Identity, need Need) []fact {
	var fs []fact
	for _, f := range []struct {
		wanted     bool
		name, path string
		value      *string
	}{
		{need.Lifecycle, "instance.lifecycle", "instance-life-cycle", &id.Lifecycle},
		{need.PlacementGroup, "instance.placementGroup", "placement/group-name", &id.PlacementGroup},
		{need.PartitionNumber, "instance.partitionNumber", "placement/partition-number", &id.PartitionNumber},
	} {
		if f.wanted {
			fs = append(fs, fact{f.name, func(ctx context.Context) (err error) {
				*f.value, _, err = c.Optional(ctx, f.path)
				return err
			}})
		}
	}
	return fs
}

// tagsPath lists the keys of the instance's tags; below it are the values.
const tagsPath = "meta-data/tags/instance"

// tags are the wanted tags of the instance. The list of all is asked for only
// when one is missing, to tell a tag that is not there from tags that metadata
// does not show.
func (c *Client) tags(id *Identity, keys []string) []fact {
	if len(keys) == 0 {
		return nil
	}
	var mu sync.Mutex
	id.Tags = map[string]string{}
	var once sync.Once
	var shown bool
	var errShown error
	var fs []fact
	for _, key := range keys {
		fs = append(fs, fact{"instance.tags." + key, func(ctx context.Context) error {
			value, ok, err := c.Tag(ctx, key)
			switch {
			case err != nil:
				return err
			case ok:
				mu.Lock()
				defer mu.Unlock()
				id.Tags[key] = value
				return nil
			}
			once.Do(func() { shown, errShown = c.maybe(ctx, tagsPath, func([]byte) error { return nil }) })
			if errShown != nil {
				return errShown
			}
			return c.noTag(id.InstanceID, key, shown)
		}})
	}
	return fs
}

// Tag returns a tag of the instance. ok is false when there is no such tag, and
// when the instance's metadata is not allowed to show tags. A key that metadata
// cannot show at all is an error.
func (c *Client) Tag(ctx context.Context, key string) (value string, ok bool, err error) {
	if why := checkTagKey(key); why != "" {
		return "", false, fault.New(fault.ConfigInvalid, "Use a tag whose key has letters, digits and + - = . , _ : @ alone.",
			fmt.Errorf("cannot read the tag %q from instance metadata: %s", key, why))
	}
	ok, err = c.maybe(ctx, tagsPath+"/"+key, func(body []byte) error {
		var err error
		value, err = tagValue(body)
		return err
	})
	return value, ok, err
}

// checkTagKey says why metadata cannot show a tag. EC2 refuses other keys on
// instances whose tags metadata shows.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/work-with-tags-in-IMDS.html
func checkTagKey(key string) (why string) {
	switch key {
	case "":
		return "the key is empty"
	case ".", "..", "_index":
		return "EC2 does not allow this key where metadata shows tags"
	}
	for _, r := range key {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		if !letter && !strings.ContainsRune("+-=.,_:@", r) {
			return fmt.Sprintf("EC2 does not allow %q in a key where metadata shows tags", r)
		}
	}
	return ""
}

// tagValue is text of up to 256 characters, which may be none.
func tagValue(body []byte) (string, error) {
	if len(body) == 0 {
		return "", nil
	}
	if len(body) > maxValue || !utf8.Valid(body) {
		return "", errors.New("the answer is not the value of a tag")
	}
	s := strings.TrimRight(string(body), "\r\n")
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", errors.New("the answer has control characters")
	}
	return s, nil
}

// noTag is the fault of a tag that could not be had.
func (c *Client) noTag(instance, key string, shown bool) error {
	said := &Error{Kind: NotFound, URL: c.url(tagsPath + "/" + key), Status: http.StatusNotFound}
	if shown {
		return fault.New(fault.IMDSNotFound, fmt.Sprintf("Tag the instance (aws ec2 create-tags --resources %s --tags Key=%s,Value=VALUE), or its launch template for later ones; or take the reference out of NodeConfig.", instance, key),
			fmt.Errorf("the instance has no tag %q: %w", key, said))
	}
	return fault.New(fault.IMDSNotFound, fmt.Sprintf("Allow it: aws ec2 modify-instance-metadata-options --instance-id %s --instance-metadata-tags enabled (in a launch template: MetadataOptions.InstanceMetadataTags=enabled).", instance),
		fmt.Errorf("instance metadata does not show the instance's tags, so the tag %q cannot be read: %w", key, said))
}

// VPCNetworks returns the networks of the VPC in which the interface with the
// given MAC (as MAC returns it) is, IPv4 first, in the service's order.
func (c *Client) VPCNetworks(ctx context.Context, mac string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	base := "meta-data/network/interfaces/macs/" + mac + "/"
	for _, list := range []string{"vpc-ipv4-cidr-blocks", "vpc-ipv6-cidr-blocks"} {
		_, err := c.maybe(ctx, base+list, func(body []byte) error {
			networks, err := parseNetworks(body)
			if err == nil {
				all = append(all, networks...)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(all) == 0 {
		return nil, fault.New(fault.IMDSNotFound, "Name the VPC's networks in spec.proxy.noProxy.",
			fmt.Errorf("cannot read the networks of the VPC: %w", &Error{Kind: NotFound, URL: c.url(base + "vpc-ipv4-cidr-blocks"), Status: http.StatusNotFound}))
	}
	return all, nil
}

// parseNetworks reads networks in CIDR notation, one a line as the service has
// them. Duplicates are dropped.
func parseNetworks(body []byte) ([]netip.Prefix, error) {
	s, err := text(body)
	if err != nil {
		return nil, err
	}
	var networks []netip.Prefix
	for _, f := range strings.Fields(s) {
		p, err := netip.ParsePrefix(f)
		if err != nil || p.Addr().Is4In6() {
			return nil, fmt.Errorf("%.64q is not a network", f)
		}
		if p = p.Masked(); !slices.Contains(networks, p) {
			networks = append(networks, p)
		}
	}
	return networks, nil
}
