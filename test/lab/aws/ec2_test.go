package aws

import (
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

func describe(b *bench, in *ec2.DescribeInstancesInput) ([]string, error) {
	out, err := ec2.NewFromConfig(b.sdkConfig()).DescribeInstances(b.Context(), in)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, r := range out.Reservations {
		for _, i := range r.Instances {
			ids = append(ids, *i.InstanceId)
		}
	}
	return ids, nil
}

func TestRealClientDescribesTheInstance(t *testing.T) {
	b := newBench(t, Config{})
	update(t, b.node, func(i *Instance) {
		i.Tags = map[string]string{"Name": "n"}
		i.LifeCycle = "spot"
		i.Interfaces = append(i.Interfaces, Interface{MAC: "0a:00:00:00:00:02", DeviceNumber: 1, IPv4s: []string{"127.0.2.11", "127.0.2.12"}, IPv6s: []string{"2001:db8::1"}})
	})
	out, err := ec2.NewFromConfig(b.sdkConfig()).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{nodeID}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Reservations) != 1 || len(out.Reservations[0].Instances) != 1 {
		t.Fatalf("got %d reservations", len(out.Reservations))
	}
	i := out.Reservations[0].Instances[0]
	type view struct {
		ID, DNS, Type, AZ, IP, Profile, Lifecycle, Tag, ENI, MAC, IPv6 string
		State                                                          types.InstanceStateName
		Device                                                         int32
		Addresses                                                      int
	}
	nic := i.NetworkInterfaces[1]
	got := view{
		*i.InstanceId, *i.PrivateDnsName, string(i.InstanceType), *i.Placement.AvailabilityZone, *i.PrivateIpAddress, *i.IamInstanceProfile.Arn,
		string(i.InstanceLifecycle), *i.Tags[0].Value, *nic.NetworkInterfaceId, *nic.MacAddress, *nic.Ipv6Addresses[0].Ipv6Address,
		i.State.Name, *nic.Attachment.DeviceIndex, len(nic.PrivateIpAddresses),
	}
	want := view{
		nodeID, "ip-127-0-0-11.us-west-2.compute.internal", "m5.large", "us-west-2b", nodeAddr, "arn:aws:iam::123456789012:instance-profile/node",
		"spot", "n", b.node.Instance().Interfaces[1].ID, "0a:00:00:00:00:02", "2001:db8::1", types.InstanceStateNameRunning, 1, 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !i.LaunchTime.Equal(b.node.Instance().LaunchTime) || *i.State.Code != 16 || i.MetadataOptions.HttpTokens != types.HttpTokensStateRequired {
		t.Errorf("launched %s, state %d, tokens %s", i.LaunchTime, *i.State.Code, i.MetadataOptions.HttpTokens)
	}
}

func TestDescribeInstancesFinds(t *testing.T) {
	b := newBench(t, Config{MoreRegions: []string{"eu-west-1"}})
	for _, i := range []Instance{
		{ID: "i-b", Type: "t3.small", Tags: map[string]string{"team": "blue"}, Interfaces: []Interface{{IPv4s: []string{"127.0.0.12"}}}},
		{ID: "i-c", Region: "eu-west-1", Interfaces: []Interface{{IPv4s: []string{"127.0.0.13"}}}},
		{ID: "i-d", Account: "999999999999", Interfaces: []Interface{{IPv4s: []string{"127.0.0.14"}}}},
	} {
		if _, err := b.cloud.Launch(i); err != nil {
			t.Fatal(err)
		}
	}
	by := func(name string, values ...string) *ec2.DescribeInstancesInput {
		return &ec2.DescribeInstancesInput{Filters: []types.Filter{{Name: sdk.String(name), Values: values}}}
	}
	for _, tt := range []struct {
		name string
		in   *ec2.DescribeInstancesInput
		want []string
		code string
	}{
		{"all of the account in the region", nil, []string{nodeID, "i-b"}, ""},
		{"by id filter", by("instance-id", "i-b", "i-x"), []string{"i-b"}, ""},
		{"by name", by("private-dns-name", "ip-127-0-0-12.us-west-2.compute.internal"), []string{"i-b"}, ""},
		{"by address", by("private-ip-address", nodeAddr), []string{nodeID}, ""},
		{"by tag", by("tag:team", "b*"), []string{"i-b"}, ""},
		{"by tag key", by("tag-key", "team"), []string{"i-b"}, ""},
		{"by type", by("instance-type", "m5.?arge"), []string{nodeID}, ""},
		{"by state", by("instance-state-name", "stopped"), nil, ""},
		{"by something else", by("colour", "blue"), nil, "InvalidParameterValue"},
		{"unknown id", &ec2.DescribeInstancesInput{InstanceIds: []string{"i-0"}}, nil, "InvalidInstanceID.NotFound"},
		{"another account's", &ec2.DescribeInstancesInput{InstanceIds: []string{"i-d"}}, nil, "InvalidInstanceID.NotFound"},
		{"another region's", &ec2.DescribeInstancesInput{InstanceIds: []string{"i-c"}}, nil, "InvalidInstanceID.NotFound"},
		{"not an id", &ec2.DescribeInstancesInput{InstanceIds: []string{"web-1"}}, nil, "InvalidInstanceID.Malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := describe(b, tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" || errorCode(err) != tt.code {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func TestPrivateDNSNameMayBeLate(t *testing.T) {
	b := newBench(t, Config{})
	names := func(n int) (out []string) {
		for range n {
			got, err := ec2.NewFromConfig(b.sdkConfig()).DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{nodeID}})
			if err != nil {
				t.Fatal(err)
			}
			name := got.Reservations[0].Instances[0].PrivateDnsName
			if name == nil {
				t.Fatal("the name is not there, rather than empty")
			}
			out = append(out, *name)
		}
		return out
	}
	const name = "ip-127-0-0-11.us-west-2.compute.internal"
	b.node.HidePrivateDNSName(2, time.Time{})
	if diff := cmp.Diff([]string{"", "", name}, names(3)); diff != "" {
		t.Error(diff)
	}
	b.node.HidePrivateDNSName(0, b.clock.now().Add(time.Minute))
	if diff := cmp.Diff([]string{""}, names(1)); diff != "" {
		t.Error(diff)
	}
	b.clock.advance(2 * time.Minute)
	if diff := cmp.Diff([]string{name}, names(1)); diff != "" {
		t.Error(diff)
	}
}

func TestEC2FaultsAsTheRealClientSeesThem(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault Fault
		want  func(error) bool
	}{
		{"denied", Fault{Code: "UnauthorizedOperation"}, func(err error) bool { return errorCode(err) == "UnauthorizedOperation" }},
		{"throttled", Fault{Code: "RequestLimitExceeded"}, func(err error) bool { return errorCode(err) == "RequestLimitExceeded" }},
		{"not yet known", Fault{Code: "InvalidInstanceID.NotFound"}, func(err error) bool { return errorCode(err) == "InvalidInstanceID.NotFound" }},
		{"unavailable", Fault{Status: 503}, func(err error) bool { return errorCode(err) == "ServiceUnavailable" }},
		{"reset", Fault{Effect: Reset}, func(err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"truncated", Fault{Effect: Truncate}, func(err error) bool {
			return errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "unexpected EOF")
		}},
		{"short", Fault{Effect: Short}, func(err error) bool { return err != nil }},
		{"garbage", Fault{Effect: Garbage}, func(err error) bool { return err != nil }},
		{"a proxy's page", Fault{Status: 200, Body: []byte("<html>blocked</html>")}, func(err error) bool { return true }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{})
			remove := b.cloud.Inject(Target{Service: EC2, Action: "DescribeInstances", Caller: nodeID}, tt.fault)
			_, err := describe(b, nil)
			if tt.fault.Body == nil && err == nil || err != nil && !tt.want(err) {
				t.Errorf("the client got %v", err)
			}
			log := b.cloud.Calls()
			if got := log[len(log)-1]; got.Fault != tt.fault.effect() || got.Caller.ARN != nodeARN || got.Code != "" && got.Code != errorCode(err) {
				t.Errorf("logged as %+v", got)
			}
			remove()
			if _, err := describe(b, nil); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestFaultIsForItsTargetAlone(t *testing.T) {
	b := newBench(t, Config{})
	b.cloud.Inject(Target{Service: EC2, Caller: "i-other"}, Fault{Code: "UnauthorizedOperation"})
	b.cloud.Inject(Target{Service: EC2, Action: "DescribeInstanceTypes"}, Fault{Code: "UnauthorizedOperation"})
	b.cloud.Inject(Target{Service: EKS}, Fault{Code: "AccessDeniedException"})
	if _, err := describe(b, nil); err != nil {
		t.Error(err)
	}
}

func TestHangingCallEndsWithTheClientsPatience(t *testing.T) {
	b := newBench(t, Config{})
	b.cloud.Inject(Target{Service: EC2}, Fault{Effect: Hang})
	cfg := b.sdkConfig()
	if _, err := cfg.Credentials.Retrieve(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	if _, err := ec2.NewFromConfig(cfg).DescribeInstances(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	call, err := b.cloud.WaitCall(t.Context(), func(c Call) bool { return c.Service == EC2 })
	if err != nil || call.Fault != Hang || call.Status != 0 {
		t.Errorf("logged as %+v: %v", call, err)
	}
}

func TestRoleMayNotDoWhatIsDenied(t *testing.T) {
	for deny, code := range map[string]string{"ec2:DescribeInstances": "UnauthorizedOperation", "ec2:*": "UnauthorizedOperation", "*": "UnauthorizedOperation", "ec2:DescribeTags": "", "eks:*": ""} {
		t.Run(deny, func(t *testing.T) {
			b := newBench(t, Config{})
			if err := b.cloud.PutRole(Role{Name: "node", Deny: []string{deny}}); err != nil {
				t.Fatal(err)
			}
			_, err := describe(b, nil)
			if got := errorCode(err); got != code {
				t.Errorf("got %q: %v", got, err)
			}
			if code != "" && !strings.Contains(err.Error(), nodeARN+" is not authorized to perform: ec2:DescribeInstances") {
				t.Errorf("it does not say who may not do what: %v", err)
			}
		})
	}
}

func TestRealClientDescribesInstanceTypes(t *testing.T) {
	b := newBench(t, Config{})
	if err := b.cloud.PutInstanceType(InstanceType{Name: "x9.metal", Architecture: "arm64", VCPUs: 3, MemoryMiB: 4, MaxENIs: 5, AddressesEach: 6, NetworkCards: 2, BareMetal: true, EFA: true}); err != nil {
		t.Fatal(err)
	}
	client := ec2.NewFromConfig(b.sdkConfig())
	out, err := client.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"x9.metal", "m5.large"}})
	if err != nil {
		t.Fatal(err)
	}
	x, m := out.InstanceTypes[0], out.InstanceTypes[1]
	if *x.NetworkInfo.MaximumNetworkInterfaces != 5 || *x.NetworkInfo.Ipv4AddressesPerInterface != 6 || *x.NetworkInfo.MaximumNetworkCards != 2 ||
		*x.VCpuInfo.DefaultVCpus != 3 || *x.MemoryInfo.SizeInMiB != 4 || !*x.BareMetal || !*x.NetworkInfo.EfaSupported ||
		x.ProcessorInfo.SupportedArchitectures[0] != types.ArchitectureTypeArm64 || x.Hypervisor != "" {
		t.Errorf("x9.metal: %+v", x)
	}
	if *m.NetworkInfo.MaximumNetworkInterfaces != 3 || *m.NetworkInfo.Ipv4AddressesPerInterface != 10 || m.Hypervisor != types.InstanceTypeHypervisorNitro {
		t.Errorf("m5.large: %+v", m)
	}
	_, err = client.DescribeInstanceTypes(t.Context(), &ec2.DescribeInstanceTypesInput{InstanceTypes: []types.InstanceType{"m5.huge"}})
	if errorCode(err) != "InvalidInstanceType" {
		t.Errorf("an unknown type: %v", err)
	}
	all, err := client.DescribeInstanceTypes(t.Context(), nil)
	if err != nil || len(all.InstanceTypes) != len(builtinTypes)+1 {
		t.Errorf("all: %v", err)
	}
}

func TestEC2SignatureErrors(t *testing.T) {
	b := newBench(t, Config{})
	wrong := b.node.Credentials()
	wrong.SecretAccessKey = "x"
	expired := b.cloud.AssumeRole("node", "s", time.Second)
	good := b.configAs(b.node.Credentials())
	b.clock.advance(time.Minute)
	for _, tt := range []struct {
		name, want string
		cfg        sdk.Config
		before     func()
	}{
		{"wrong secret", "SignatureDoesNotMatch", b.configAs(wrong), nil},
		{"nobody's key", "AuthFailure", b.configAs(Credentials{AccessKeyID: "AKIANOBODY", SecretAccessKey: "x"}), nil},
		{"expired credentials", "RequestExpired", b.configAs(expired), nil},
		{"clock six minutes behind", "RequestExpired", good, func() { b.clock.advance(6 * time.Minute) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.before != nil {
				tt.before()
			}
			_, err := ec2.NewFromConfig(tt.cfg).DescribeInstances(t.Context(), nil)
			if got := errorCode(err); got != tt.want {
				t.Errorf("got %q: %v", got, err)
			}
		})
	}
}

func TestActionsThatAreNotEmulatedSaySo(t *testing.T) {
	b := newBench(t, Config{})
	cfg := b.configAs(b.node.Credentials())
	_, vpcs := ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), nil)
	_, role := sts.NewFromConfig(cfg).GetSessionToken(t.Context(), nil)
	_, repositories := ecr.NewFromConfig(cfg).DescribeRepositories(t.Context(), nil)
	_, clusters := eks.NewFromConfig(cfg).ListClusters(t.Context(), nil)
	cfg.Region = publicRegion
	_, public := ecrpublic.NewFromConfig(cfg).DescribeRegistries(t.Context(), nil)
	var got []string
	for _, err := range []error{vpcs, role, repositories, clusters, public} {
		got = append(got, errorCode(err))
	}
	want := []string{"InvalidAction", "InvalidAction", "UnknownOperationException", "UnknownOperationException", "UnknownOperationException"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
