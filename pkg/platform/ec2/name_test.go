package ec2

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

func named(source api.NodeNameSource, name string) api.NodeConfig {
	c := clusterCIDR("10.100.0.0/16")
	c.Spec.NodeName = api.NodeName{Source: source, Name: name}
	return c
}

func TestWhereTheNameComesFromIsTheUsersChoice(t *testing.T) {
	const host = "GET /latest/meta-data/local-hostname"
	for name, tt := range map[string]struct {
		source  api.NodeNameSource
		byID    bool // the feature gate
		imds    func(*awstest.IMDS)
		ec2     answers
		want    string
		from    string
		asks    bool // for local-hostname
		problem string
	}{
		"auto":                   {source: api.NodeNameAuto, want: "ip-10-0-12-34.us-west-2.compute.internal", from: "instance metadata", asks: true},
		"auto with the gate":     {source: api.NodeNameAuto, byID: true, want: "i-0123456789abcdef0", from: "InstanceIdNodeName"},
		"privateDns":             {source: api.NodeNamePrivateDNS, want: "ip-10-0-12-34.us-west-2.compute.internal", from: "instance metadata", asks: true},
		"privateDns, gate or no": {source: api.NodeNamePrivateDNS, byID: true, want: "ip-10-0-12-34.us-west-2.compute.internal", from: "instance metadata", asks: true},
		"privateDns by EC2": {source: api.NodeNamePrivateDNS, imds: func(s *awstest.IMDS) { s.Set("meta-data/local-hostname", "web-7") },
			ec2: answers{name: "ip-10-0-12-34.us-west-2.compute.internal"}, want: "ip-10-0-12-34.us-west-2.compute.internal", from: "EC2", asks: true},
		"instanceId": {source: api.NodeNameInstanceID, want: "i-0123456789abcdef0", from: "spec.nodeName.source instanceId"},
		"ipName whatever DHCP says": {source: api.NodeNameIPName, imds: func(s *awstest.IMDS) { s.Set("meta-data/local-hostname", "web-7.corp.example") },
			want: "ip-10-0-12-34.us-west-2.compute.internal", from: "spec.nodeName.source ipName"},
		"ipName in an IPv6-only subnet": {source: api.NodeNameIPName, imds: func(s *awstest.IMDS) {
			s.Set("dynamic/instance-identity/document", strings.Replace(awstest.Document, `"10.0.12.34"`, "null", 1))
		}, problem: "no private IPv4 address"},
		"resourceName in an IPv6-only subnet": {source: api.NodeNameResourceName, imds: func(s *awstest.IMDS) {
			s.Set("dynamic/instance-identity/document", strings.Replace(awstest.Document, `"10.0.12.34"`, "null", 1))
		}, want: "i-0123456789abcdef0.us-west-2.compute.internal", from: "spec.nodeName.source resourceName"},
		"ipName in us-east-1": {source: api.NodeNameIPName, imds: func(s *awstest.IMDS) {
			s.Set("dynamic/instance-identity/document", strings.ReplaceAll(awstest.Document, "us-west-2", "us-east-1"))
		}, want: "ip-10-0-12-34.ec2.internal", from: "ipName"},
		"a source that nobody knows": {source: "dns", problem: `no source "dns"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := awstest.NewIMDS()
			if tt.imds != nil {
				tt.imds(s)
			}
			c := named(tt.source, "")
			c.Spec.FeatureGates = api.FeatureGates{api.InstanceIDNodeName: tt.byID}
			in, problems := identify(t, s, &tt.ec2, c)
			if in.NodeName != tt.want || !strings.Contains(in.NodeNameSource, tt.from) {
				t.Errorf("name %q from %q, want %q from %q", in.NodeName, in.NodeNameSource, tt.want, tt.from)
			}
			if got := s.Count(host) > 0; got != tt.asks {
				t.Errorf("local-hostname asked for: %t", got)
			}
			if len(tt.ec2.asked) > 0 != strings.HasPrefix(tt.from, "EC2") {
				t.Errorf("EC2 was asked %v", tt.ec2.asked)
			}
			if tt.problem == "" && len(problems) > 0 {
				t.Errorf("problems %+v", problems)
			}
			if tt.problem != "" && (len(problems) != 1 || problems[0].Fact != "instance.nodeName" || problems[0].Remedy == "" || !strings.Contains(problems[0].Message, tt.problem)) {
				t.Errorf("problems %+v, want %q", problems, tt.problem)
			}
		})
	}
}

func TestAFixedNameMayReferToEveryFact(t *testing.T) {
	for text, row := range map[string]struct {
		name, from, says, remedy string
		code                     fault.Code
	}{
		"web-1.corp.example":                 {name: "web-1.corp.example", from: "spec.nodeName.name"},
		"${instance.tags.Name}-${cpu.count}": {name: "web-8", from: "spec.nodeName.name ${instance.tags.Name}-${cpu.count}"},
		"Web-1":                              {says: `is "Web-1"`, remedy: "web-1", code: fault.NodeNameUnknown},
		"${instance.tags.Team}":              {says: `gives "Web Team"`, remedy: "spec.nodeName.name", code: fault.NodeNameUnknown},
		"${instance.tags.Absent}":            {says: "instance.tags.Absent", remedy: "NodeConfig", code: fault.FactMissing},
		"${instance.nothing}":                {says: "instance.nothing", code: fault.FactMissing},
		"":                                   {says: "it is empty", remedy: "spec.nodeName.name", code: fault.NodeNameUnknown},
		"a." + strings.Repeat("b", 63):       {says: "kubernetes.io/hostname", remedy: "spec.nodeName.name", code: fault.NodeNameUnknown},
		"${instance.placementGroup}":         {says: "it is empty", remedy: "spec.nodeName.name", code: fault.NodeNameUnknown},
		"$${instance.id}":                    {says: "lower-case", remedy: "spec.nodeName.name", code: fault.NodeNameUnknown},
		"${instance.id}.${instance.region}.internal": {name: "i-0123456789abcdef0.us-west-2.internal", from: "spec.nodeName.name"},
	} {
		in := node.Input{Config: named(api.NodeNameFixed, text)}
		in.Hardware.CPU.Online = 8
		in.Instance = node.Instance{ID: "i-0123456789abcdef0", Region: "us-west-2", Tags: map[string]string{"Name": "web", "Team": "Web Team"}}
		fixedName(&in)
		if in.Instance.NodeName != row.name || !strings.HasPrefix(in.Instance.NodeNameSource, row.from) {
			t.Errorf("%q: name %q from %q", text, in.Instance.NodeName, in.Instance.NodeNameSource)
		}
		if row.says == "" {
			if len(in.Problems) > 0 {
				t.Errorf("%q: %+v", text, in.Problems)
			}
			continue
		}
		if len(in.Problems) != 1 || in.Problems[0].Fact != "instance.nodeName" || in.Problems[0].Code != row.code ||
			!strings.Contains(in.Problems[0].Message, row.says) || !strings.Contains(in.Problems[0].Remedy, row.remedy) {
			t.Errorf("%q: %+v", text, in.Problems)
		}
	}
	in := node.Input{Config: named(api.NodeNameInstanceID, "web"), Instance: node.Instance{NodeName: "i-0"}}
	if fixedName(&in); in.Instance.NodeName != "i-0" || len(in.Problems) > 0 {
		t.Errorf("the name of another source was replaced: %+v", in)
	}
}

func TestMetadataIsAskedForWhatTheConfigurationRefersTo(t *testing.T) {
	s := awstest.NewIMDS()
	s.Set("meta-data/instance-life-cycle", "spot")
	s.Set("meta-data/tags/instance/team", "infra")
	s.Set("meta-data/network/interfaces/macs/02:ab:cd:00:00:01/vpc-ipv4-cidr-blocks", "10.0.0.0/16\n100.64.0.0/16")
	c := clusterCIDR("10.100.0.0/16")
	c.Spec.Labels = map[string]string{"life": "${instance.lifecycle}", "team": "${instance.tags.team}", "type": "${instance.type}"}
	c.Spec.Annotations = map[string]string{"rack": "${instance.placementGroup}/${instance.partitionNumber}"}
	c.Spec.Taints = []api.Taint{{Key: "owner", Value: "${instance.tags.owner}", Effect: "NoSchedule"}}
	c.Spec.Proxy.HTTPS = "http://proxy.example:3128"
	in, problems := identify(t, s, &answers{}, c)
	if in.Lifecycle != "spot" || in.Tags["team"] != "infra" || in.PlacementGroup != "" || !slices.Equal(in.VPCNetworks, []string{"10.0.0.0/16", "100.64.0.0/16"}) {
		t.Errorf("got %+v", in)
	}
	if len(problems) != 1 || problems[0].Fact != "instance.tags.owner" || !strings.Contains(problems[0].Remedy, "--instance-metadata-tags enabled") {
		t.Errorf("problems %+v", problems)
	}
	full := node.Input{Config: c, Instance: in, Problems: problems}
	if v, err := full.FactValue("instance.tags.owner"); v != "" || fault.CodeOf(err) != fault.IMDSNotFound {
		t.Errorf("the tag is %q, %v", v, err)
	}

	plain := awstest.NewIMDS()
	if _, problems := identify(t, plain, &answers{}, clusterCIDR("10.100.0.0/16")); len(problems) != 0 {
		t.Errorf("problems %+v", problems)
	}
	// The token, the document, the host name, the zone id and the MAC; the user data
	// is the sixth.
	if rs := plain.Requests(); len(rs) != 5 {
		t.Errorf("a plain configuration makes %d requests: %v", len(rs), rs)
	}
}
