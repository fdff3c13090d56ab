package aws

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// runEC2 does DescribeInstances and DescribeInstanceTypes.
func runEC2(c *Cloud, w http.ResponseWriter, q *query) *apiError {
	switch q.action {
	case "DescribeInstances":
		return c.describeInstances(w, q)
	case "DescribeInstanceTypes":
		return c.describeInstanceTypes(w, q)
	default:
		return unknownAction(q, "InvalidAction")
	}
}

// describeInstances tells the instances of the caller's account in the region, all or those asked for.
func (c *Cloud) describeInstances(w http.ResponseWriter, q *query) *apiError {
	filters, e := q.filters()
	if e != nil {
		return e
	}
	var found []*Machine
	ids := q.list("InstanceId")
	for _, id := range ids {
		if !strings.HasPrefix(id, "i-") {
			return &apiError{code: "InvalidInstanceID.Malformed", message: fmt.Sprintf("Invalid id: %q", id), status: http.StatusBadRequest}
		}
		m := c.Machine(id)
		if m == nil || !q.owns(m.Instance()) {
			return &apiError{
				code: "InvalidInstanceID.NotFound", message: "The instance ID '" + id + "' does not exist", status: http.StatusBadRequest,
			}
		}
		found = append(found, m)
	}
	if len(ids) == 0 {
		found = slices.DeleteFunc(c.Machines(), func(m *Machine) bool { return !q.owns(m.Instance()) })
	}
	out := describeInstancesResponse{RequestID: q.id}
	for _, m := range found {
		inst := m.Instance()
		match, e := inst.matches(filters)
		if e != nil {
			return e
		}
		if match {
			out.Reservations = append(out.Reservations, c.reservation(inst, m.describedName()))
		}
	}
	writeXML(w, http.StatusOK, out)
	return nil
}

// owns tells whether the caller sees an instance at this endpoint.
func (q *query) owns(i Instance) bool { return i.Account == q.caller.Account && i.Region == q.region }

// list returns the values of a numbered parameter: Name.1, Name.2 and so on.
func (q *query) list(name string) []string {
	var out []string
	for n := 1; q.form.Has(fmt.Sprintf("%s.%d", name, n)); n++ {
		out = append(out, q.form.Get(fmt.Sprintf("%s.%d", name, n)))
	}
	return out
}

// filter is a filter of a Describe call: it holds when one of the values does; * and ? are wildcards.
type filter struct {
	name   string
	values []string
}

func (f filter) accepts(value string) bool {
	return slices.ContainsFunc(f.values, func(pattern string) bool {
		ok, err := path.Match(pattern, value)
		return err == nil && ok
	})
}

// filters returns the filters of a request.
func (q *query) filters() ([]filter, *apiError) {
	var out []filter
	for n := 1; q.form.Has(fmt.Sprintf("Filter.%d.Name", n)); n++ {
		f := filter{name: q.form.Get(fmt.Sprintf("Filter.%d.Name", n)), values: q.list(fmt.Sprintf("Filter.%d.Value", n))}
		if len(f.values) == 0 {
			return nil, &apiError{
				code: "InvalidParameterValue", message: "The filter '" + f.name + "' has no value", status: http.StatusBadRequest,
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// matches tells whether all filters accept an instance.
func (i Instance) matches(filters []filter) (bool, *apiError) {
	p := i.primary()
	for _, f := range filters {
		var values []string
		key, isTag := strings.CutPrefix(f.name, "tag:")
		switch {
		case isTag:
			if value, ok := i.Tags[key]; ok {
				values = []string{value}
			}
		case f.name == "tag-key":
			values = sortedKeys(i.Tags)
		case f.name == "instance-id":
			values = []string{i.ID}
		case f.name == "instance-type":
			values = []string{i.Type}
		case f.name == "instance-state-name":
			values = []string{i.State}
		case f.name == "availability-zone":
			values = []string{i.Zone}
		case f.name == "private-dns-name":
			values = []string{i.PrivateDNSName}
		case f.name == "private-ip-address":
			values = p.IPv4s
		case f.name == "vpc-id":
			values = []string{p.VPCID}
		case f.name == "subnet-id":
			values = []string{p.SubnetID}
		default:
			return false, &apiError{
				code: "InvalidParameterValue", message: "The filter '" + f.name + "' is invalid", status: http.StatusBadRequest,
			}
		}
		if !slices.ContainsFunc(values, f.accepts) {
			return false, nil
		}
	}
	return true, nil
}

// InstanceType is what DescribeInstanceTypes tells of a type.
type InstanceType struct {
	Name          string
	Architecture  string // x86_64 when empty
	VCPUs         int
	MemoryMiB     int64
	MaxENIs       int
	AddressesEach int // IPv4 (and as many IPv6) addresses per interface
	NetworkCards  int // 1 when zero
	BareMetal     bool
	EFA           bool
}

// builtinTypes are the types every cloud knows. Numbers: "Amazon EC2 instance types" guide.
var builtinTypes = []InstanceType{
	{Name: "g5.xlarge", VCPUs: 4, MemoryMiB: 16 << 10, MaxENIs: 4, AddressesEach: 15},
	{Name: "m5.24xlarge", VCPUs: 96, MemoryMiB: 384 << 10, MaxENIs: 15, AddressesEach: 50},
	{Name: "m5.large", VCPUs: 2, MemoryMiB: 8 << 10, MaxENIs: 3, AddressesEach: 10},
	{Name: "m6g.large", Architecture: "arm64", VCPUs: 2, MemoryMiB: 8 << 10, MaxENIs: 3, AddressesEach: 10},
	{Name: "t3.small", VCPUs: 2, MemoryMiB: 2 << 10, MaxENIs: 3, AddressesEach: 4},
}

// PutInstanceType adds a type or replaces it.
func (c *Cloud) PutInstanceType(t InstanceType) error {
	if t.Name == "" {
		return errors.New("cannot put instance type: it has no name")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.types[t.Name] = t
	return nil
}

// describeInstanceTypes tells the types asked for, or all.
func (c *Cloud) describeInstanceTypes(w http.ResponseWriter, q *query) *apiError {
	filters, e := q.filters()
	if e != nil {
		return e
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	names := q.list("InstanceType")
	var unknown []string
	for _, name := range names {
		if _, ok := c.types[name]; !ok {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		return &apiError{
			code: "InvalidInstanceType", status: http.StatusBadRequest,
			message: "The following supplied instance types do not exist: [" + strings.Join(unknown, ", ") + "]",
		}
	}
	if len(names) == 0 {
		names = sortedKeys(c.types)
	}
	out := describeInstanceTypesResponse{RequestID: q.id}
	for _, name := range names {
		keep := true
		for _, f := range filters {
			if f.name != "instance-type" {
				return &apiError{
					code: "InvalidParameterValue", message: "The filter '" + f.name + "' is invalid", status: http.StatusBadRequest,
				}
			}
			keep = keep && f.accepts(name)
		}
		if keep {
			out.Types = append(out.Types, c.types[name].item())
		}
	}
	writeXML(w, http.StatusOK, out)
	return nil
}
