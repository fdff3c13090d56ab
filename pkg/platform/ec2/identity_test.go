package ec2

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/aws/ec2"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

// answers is EC2 in memory; it counts what it is asked.
type answers struct {
	name   string
	limits ec2.Limits
	err    error
	asked  []string
}

func (a *answers) PrivateDNSName(_ context.Context, id string) (string, error) {
	a.asked = append(a.asked, "name of "+id)
	return a.name, a.err
}

func (a *answers) InstanceTypeLimits(_ context.Context, t string) (ec2.Limits, error) {
	a.asked = append(a.asked, "limits of "+t)
	return a.limits, a.err
}

func identify(t *testing.T, s *awstest.IMDS, a *answers, config api.NodeConfig) (node.Instance, []node.Problem) {
	t.Helper()
	client, err := imds.New(imds.Options{Dial: awstest.Serve(t, s).Dial, NotFoundFor: time.Nanosecond})
	if err != nil {
		t.Fatal(err)
	}
	p := &place{imds: client, metadata: client, ec2: func(context.Context, api.NodeConfig, string) (EC2, error) { return a, nil }}
	in, problems, err := p.identify(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return in, problems
}

func clusterCIDR(cidr string) api.NodeConfig {
	return api.NodeConfig{Spec: api.Spec{Cluster: api.Cluster{CIDR: cidr}}}
}

func TestWhoThisInstanceIs(t *testing.T) {
	denied := fault.New(fault.EC2Denied, "allow it", errors.New("UnauthorizedOperation"))
	for _, tt := range []struct {
		name    string
		imds    func(*awstest.IMDS)
		ec2     answers
		byID    bool
		want    string
		asked   []string
		problem fault.Code
	}{
		{name: "IP name as EC2 gives it", want: "ip-10-0-12-34.us-west-2.compute.internal"},
		{name: "custom domain-name in the DHCP option set", imds: func(s *awstest.IMDS) { s.Set("meta-data/local-hostname", "ip-10-0-12-34.corp.example") },
			want: "ip-10-0-12-34.us-west-2.compute.internal"},
		{name: "InstanceIdNodeName", byID: true, want: "i-0123456789abcdef0"},
		{name: "InstanceIdNodeName on an instance without local-hostname", byID: true, imds: func(s *awstest.IMDS) { s.Remove("meta-data/local-hostname") },
			want: "i-0123456789abcdef0"},
		{name: "a host name of the user's own", imds: func(s *awstest.IMDS) { s.Set("meta-data/local-hostname", "web-7.corp.example") },
			ec2: answers{name: "ip-10-0-12-34.us-west-2.compute.internal"}, want: "ip-10-0-12-34.us-west-2.compute.internal", asked: []string{"name of i-0123456789abcdef0"}},
		{name: "no local-hostname at all", imds: func(s *awstest.IMDS) { s.Remove("meta-data/local-hostname") },
			ec2: answers{name: "ip-10-0-12-34.us-west-2.compute.internal"}, want: "ip-10-0-12-34.us-west-2.compute.internal", asked: []string{"name of i-0123456789abcdef0"}},
		{name: "a host name of the user's own, and EC2 denies", imds: func(s *awstest.IMDS) { s.Set("meta-data/local-hostname", "web-7.corp.example") },
			ec2: answers{err: denied}, asked: []string{"name of i-0123456789abcdef0"}, problem: fault.EC2Denied},
		{name: "EC2 says what kubelet cannot use", imds: func(s *awstest.IMDS) { s.Set("meta-data/local-hostname", "web-7.corp.example") },
			ec2: answers{name: "UPPER_case"}, asked: []string{"name of i-0123456789abcdef0"}, problem: fault.NodeNameUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := awstest.NewIMDS()
			if tt.imds != nil {
				tt.imds(s)
			}
			config := clusterCIDR("10.100.0.0/16")
			config.Spec.FeatureGates = api.FeatureGates{api.InstanceIDNodeName: tt.byID}
			in, problems := identify(t, s, &tt.ec2, config)
			if in.NodeName != tt.want || (tt.want != "" && in.NodeNameSource == "") {
				t.Errorf("name %q from %q, want %q", in.NodeName, in.NodeNameSource, tt.want)
			}
			if !slices.Equal(tt.ec2.asked, tt.asked) {
				t.Errorf("EC2 was asked %v, want %v", tt.ec2.asked, tt.asked)
			}
			if tt.problem == "" && len(problems) > 0 {
				t.Errorf("problems %+v", problems)
			}
			if tt.problem != "" && (len(problems) != 1 || problems[0].Fact != "instance.nodeName" || problems[0].Code != tt.problem || problems[0].Remedy == "") {
				t.Errorf("problems %+v, want %s with a remedy", problems, tt.problem)
			}
		})
	}
}

func TestTheOrdinaryBootAsksEightTimesAtMostWithOneToken(t *testing.T) {
	for _, cidr := range []string{"10.100.0.0/16", "fd30:1c53:5f8a::/108"} {
		s := awstest.NewIMDS()
		in, problems := identify(t, s, &answers{}, clusterCIDR(cidr))
		if len(problems) > 0 {
			t.Errorf("%s: %+v", cidr, problems)
		}
		// One more is the user data, which comes before.
		if n := len(s.Requests()); n > 7 || s.Count(awstest.TokenRequest) != 1 {
			t.Errorf("%s: %d requests, %d tokens: %v", cidr, n, s.Count(awstest.TokenRequest), s.Requests())
		}
		if want := map[bool]int{true: 2}[strings.Contains(cidr, ":")]; len(in.IPv6) != want {
			t.Errorf("%s: addresses %v", cidr, in.IPv6)
		}
		if in.SandboxSource != "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.10" || in.MAC != "02:ab:cd:00:00:01" || in.ZoneID != "usw2-az1" {
			t.Errorf("%s: %+v", cidr, in)
		}
	}
}

func TestAnInstanceTypeThatNobodyKnowsYet(t *testing.T) {
	s := awstest.NewIMDS()
	s.Set("dynamic/instance-identity/document", strings.Replace(awstest.Document, "m5.large", "m99.huge", 1))
	a := &answers{limits: ec2.Limits{MaxENIs: 7, IPv4PerENI: 20}}
	in, problems := identify(t, s, a, clusterCIDR("10.100.0.0/16"))
	if in.Limits == nil || in.Limits.MaxENIs != 7 || len(problems) != 0 || !slices.Equal(a.asked, []string{"limits of m99.huge"}) {
		t.Errorf("limits %+v, problems %+v, asked %v", in.Limits, problems, a.asked)
	}
	a = &answers{err: errors.New("no route")}
	in, problems = identify(t, s, a, clusterCIDR("10.100.0.0/16"))
	if in.Limits != nil || len(problems) != 1 || problems[0].Fact != "instance.limits" {
		t.Errorf("limits %+v, problems %+v", in.Limits, problems)
	}
}

func TestUserDataThatIsNotThereIsNoError(t *testing.T) {
	s := awstest.NewIMDS()
	client, err := imds.New(imds.Options{Dial: awstest.Serve(t, s).Dial})
	if err != nil {
		t.Fatal(err)
	}
	p := &place{imds: client}
	source, ok := p.source("imds://user-data")
	if !ok {
		t.Fatal("imds://user-data is not known")
	}
	if texts, err := source.Read(t.Context()); err != nil || len(texts) != 0 {
		t.Errorf("got %v, %v", texts, err)
	}
	s.Set("user-data", "hello")
	if texts, err := source.Read(t.Context()); err != nil || len(texts) != 1 || string(texts[0].Body) != "hello" {
		t.Errorf("got %v, %v", texts, err)
	}
	if _, ok := p.source("s3://bucket/key"); ok {
		t.Error("s3:// is known")
	}
}
