package convert

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// draft is a NodeConfig that a reader builds, and the entries about what it read.
type draft struct {
	config  api.NodeConfig
	entries []Entry
	// unresolved says what of a value only running a script would tell; nil where
	// values are what they are.
	unresolved func(value string) []string
	// withFacts puts references in place of what the script reads from instance
	// metadata, for fields that may refer to facts; nil where nothing is read.
	withFacts func(value string) string
}

func newDraft() *draft {
	return &draft{config: api.NodeConfig{Kind: api.Kind, APIVersion: api.APIVersionSuperset}}
}

// source is the place of the input that an entry speaks of.
type source struct {
	from string
	line int
}

func (d *draft) say(s source, o Outcome, to, message, remedy string) {
	d.entries = append(d.entries, Entry{Outcome: o, From: cleanMarks(s.from), Line: s.line, To: cleanMarks(to), Message: cleanMarks(message), Remedy: remedy})
}

// known reports whether a value is known without running anything. If not it says
// what is missing.
func (d *draft) known(s source, to, value string) bool {
	if d.unresolved == nil {
		return true
	}
	missing := d.unresolved(value)
	if len(missing) == 0 {
		return true
	}
	d.say(s, Needs, to, "the value comes from "+strings.Join(missing, ", ")+", which only running the script would tell", "write the value that it has on the machine")
	return false
}

// fact is a value for a field that may refer to facts, and what to say about it.
func (d *draft) fact(value string) (with, message string) {
	if d.withFacts == nil {
		return value, ""
	}
	if with = d.withFacts(value); with != value {
		message = "the script reads it from instance metadata; here it is a fact"
	}
	return with, message
}

// set puts a value into kubelet's configuration.
func (d *draft) set(v any, keys ...string) {
	if d.config.Spec.Kubelet.Config == nil {
		d.config.Spec.Kubelet.Config = api.Object{}
	}
	m := map[string]any(d.config.Spec.Kubelet.Config)
	for _, k := range keys[:len(keys)-1] {
		inner, ok := m[k].(map[string]any)
		if !ok {
			inner = make(map[string]any)
			m[k] = inner
		}
		m = inner
	}
	m[keys[len(keys)-1]] = v
}

// kubeletPath is the path of a field of kubelet's configuration.
func kubeletPath(keys ...string) string {
	return "spec.kubelet.config" + "." + keysPath(keys...)
}

func (d *draft) label(key, value string) string {
	if d.config.Spec.Labels == nil {
		d.config.Spec.Labels = make(map[string]string)
	}
	d.config.Spec.Labels[key] = value
	return childPath("spec.labels", key)
}

// taint adds a taint; of one key and effect the later value counts.
func (d *draft) taint(t api.Taint) string {
	i := slices.IndexFunc(d.config.Spec.Taints, func(o api.Taint) bool { return o.Key == t.Key && o.Effect == t.Effect })
	if i < 0 {
		i = len(d.config.Spec.Taints)
		d.config.Spec.Taints = append(d.config.Spec.Taints, t)
	}
	d.config.Spec.Taints[i] = t
	return taintPath(t)
}

// parseTaint reads key=value:effect, where the value may be left out.
func parseTaint(s string) (api.Taint, error) {
	rest, effect, ok := cutLast(s, ":")
	if !ok || rest == "" || !slices.Contains([]string{"NoSchedule", "PreferNoSchedule", "NoExecute"}, effect) {
		return api.Taint{}, fmt.Errorf("it is not KEY=VALUE:EFFECT with the effect NoSchedule, PreferNoSchedule or NoExecute")
	}
	key, value, _ := strings.Cut(rest, "=")
	return api.Taint{Key: key, Value: value, Effect: effect}, nil
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// certificate sets the cluster's CA from its base64.
func (d *draft) certificate(s source, value string) {
	const to = "spec.cluster.certificateAuthority"
	if !d.known(s, to, value) {
		return
	}
	raw, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), ""))
	if err != nil || len(raw) == 0 {
		d.say(s, Needs, to, "the value is not base64", d.describe("certificateAuthority.data"))
		return
	}
	d.config.Spec.Cluster.CertificateAuthority = raw
	d.say(s, Translated, to, "", "")
}

// text sets a string field.
func (d *draft) text(s source, field *string, to, value string) {
	if d.known(s, to, value) {
		*field = value
		d.say(s, Translated, to, "", "")
	}
}

// dns sets the cluster's DNS addresses from a list.
func (d *draft) dns(s source, addresses []string) {
	to := kubeletPath("clusterDNS")
	var list []any
	for _, a := range addresses {
		if a = strings.TrimSpace(a); a == "" {
			continue
		}
		if !d.known(s, to, a) {
			return
		}
		if _, err := netip.ParseAddr(a); err != nil {
			d.say(s, Needs, to, "the value is not an IP address", "write the address of the cluster's DNS service")
			return
		}
		list = append(list, a)
	}
	if list != nil {
		d.set(list, "clusterDNS")
		d.say(s, Translated, to, "", "")
	} else {
		d.say(s, Implied, "", "the value is empty", "")
	}
}

// describe says how to get a cluster's value from EKS.
func (d *draft) describe(query string) string {
	name := cmp.Or(d.config.Spec.Cluster.Name, "NAME")
	if strings.ContainsAny(name, " '\"$`\\;&|<>"+markOpen) {
		name = "NAME"
	}
	return fmt.Sprintf("aws eks describe-cluster --name %s --query 'cluster.%s' --output text", name, query)
}

// needCluster lists what NodeConfig needs of the cluster and the input did not have.
func (d *draft) needCluster() {
	c := d.config.Spec.Cluster
	for _, f := range []struct {
		missing           bool
		to, where, remedy string
	}{
		{c.Name == "", "spec.cluster.name", "the name of the cluster", "aws eks list-clusters"},
		{c.APIServerEndpoint == "", "spec.cluster.apiServerEndpoint", "the URL of the API server", d.describe("endpoint")},
		{len(c.CertificateAuthority) == 0, "spec.cluster.certificateAuthority", "the cluster's certificate authority in base64", d.describe("certificateAuthority.data")},
		{c.CIDR == "", "spec.cluster.cidr", "the cluster's service network", d.describe("kubernetesNetworkConfig.[serviceIpv4Cidr,serviceIpv6Cidr]")},
	} {
		asked := slices.ContainsFunc(d.entries, func(e Entry) bool { return e.Outcome == Needs && e.To == f.to })
		if f.missing && !asked {
			d.say(source{}, Needs, f.to, f.where+" is not in the input", f.remedy)
		}
	}
}

// number reads a whole number as JSON has it.
func number(s string) (json.Number, bool) {
	i, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	return json.Number(strconv.FormatInt(i, 10)), err == nil
}
