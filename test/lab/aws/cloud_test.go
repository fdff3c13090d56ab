package aws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

func TestInstanceThatCannotBeLaunched(t *testing.T) {
	c := New(Config{})
	ok := Instance{ID: "i-1", Interfaces: []Interface{{IPv4s: []string{"10.0.0.1"}}}}
	if _, err := c.Launch(ok); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		inst Instance
		want string
	}{
		"id taken":        {ok, "the id is taken"},
		"address taken":   {Instance{ID: "i-2", Interfaces: []Interface{{IPv4s: []string{"10.0.0.1"}}}}, "i-1 already has one of its addresses"},
		"no id":           {Instance{Interfaces: ok.Interfaces}, `id "" does not begin with i-`},
		"no interface":    {Instance{ID: "i-2"}, "it has no network interface"},
		"no address":      {Instance{ID: "i-2", Interfaces: []Interface{{}}}, "it has no address"},
		"bad address":     {Instance{ID: "i-2", Interfaces: []Interface{{IPv4s: []string{"10.0.0.256"}}}}, "10.0.0.256"},
		"MAC twice":       {Instance{ID: "i-2", Interfaces: []Interface{{MAC: "0A:00:00:00:00:01", IPv4s: []string{"10.0.0.2"}}, {MAC: "0a:00:00:00:00:01"}}}, "interface 1 has no MAC address of its own"},
		"hostname type":   {Instance{ID: "i-2", HostnameType: "x", Interfaces: []Interface{{IPv4s: []string{"10.0.0.2"}}}}, "neither ip-name nor resource-name"},
		"tag with spaces": {Instance{ID: "i-2", TagsInMetadata: true, Tags: map[string]string{"a b": ""}, Interfaces: []Interface{{IPv4s: []string{"10.0.0.2"}}}}, `tag key "a b" is not allowed`},
	} {
		if _, err := c.Launch(tt.inst); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := len(c.Machines()); got != 1 {
		t.Errorf("%d instances", got)
	}
}

func TestUpdateIsWholeOrNotAtAll(t *testing.T) {
	m, err := New(Config{}).Launch(Instance{ID: "i-1", Tags: map[string]string{"a": "b"}, Interfaces: []Interface{{IPv4s: []string{"10.0.0.1"}}}})
	if err != nil {
		t.Fatal(err)
	}
	before := m.Instance()
	if err := m.Update(func(i *Instance) { i.Type, i.Interfaces = "x", nil }); err == nil {
		t.Error("an instance without interfaces was taken")
	}
	if diff := cmp.Diff(before, m.Instance()); diff != "" {
		t.Error(diff)
	}
	copied := m.Instance()
	copied.Tags["a"], copied.Interfaces[0].IPv4s[0] = "c", "10.0.0.9"
	if diff := cmp.Diff(before, m.Instance()); diff != "" {
		t.Errorf("a copy is not one: %s", diff)
	}
	if err := m.Update(func(i *Instance) {
		i.ID = "i-9"
		i.Interfaces = append(i.Interfaces, Interface{MAC: "0a:00:00:00:00:09", DeviceNumber: 1})
	}); err != nil {
		t.Fatal(err)
	}
	if got := m.Instance(); got.ID != "i-1" || got.Interfaces[1].ID == "" {
		t.Errorf("id %s, interface %+v", got.ID, got.Interfaces[1])
	}
}

func TestInstanceIsFoundByEveryAddress(t *testing.T) {
	c := New(Config{})
	m, err := c.Launch(Instance{ID: "i-1", Interfaces: []Interface{
		{IPv4s: []string{"10.0.0.1", "10.0.0.2"}, IPv6s: []string{"2001:db8::1"}}, {MAC: "0a:00:00:00:00:02", IPv4s: []string{"10.0.1.1"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{"10.0.0.1", "10.0.0.2", "10.0.1.1", "2001:db8::1", "::ffff:10.0.0.1", "2001:db8::1%eth0"} {
		if c.MachineAt(netip.MustParseAddr(a)) != m {
			t.Errorf("not at %s", a)
		}
	}
	c.Terminate("i-1")
	if c.MachineAt(netip.MustParseAddr("10.0.0.1")) != nil || c.Machine("i-1") != nil {
		t.Error("it is still there")
	}
}

func TestHostsAreWhatAWSNamesThem(t *testing.T) {
	c := New(Config{MoreRegions: []string{"eu-west-1"}})
	for host, want := range map[string]endpoint{
		"sts.us-west-2.amazonaws.com":                                     {STS, "us-west-2", ""},
		"STS.us-west-2.amazonaws.com:443":                                 {STS, "us-west-2", ""},
		"sts-fips.us-west-2.amazonaws.com":                                {STS, "us-west-2", ""},
		"sts.amazonaws.com":                                               {STS, "us-east-1", ""},
		"ec2.eu-west-1.amazonaws.com":                                     {EC2, "eu-west-1", ""},
		"ec2.us-west-2.api.aws":                                           {EC2, "us-west-2", ""},
		"eks.us-west-2.api.aws":                                           {EKS, "us-west-2", ""},
		"api.ecr.us-west-2.amazonaws.com":                                 {ECR, "us-west-2", ""},
		"ecr.us-west-2.api.aws":                                           {ECR, "us-west-2", ""},
		"api.ecr-public.us-east-1.amazonaws.com":                          {ECRPublic, "us-east-1", ""},
		"public.ecr.aws":                                                  {Registry, "us-east-1", ""},
		"602401143452.dkr.ecr.us-west-2.amazonaws.com":                    {Registry, "us-west-2", "602401143452"},
		"602401143452.dkr-ecr.us-west-2.on.aws":                           {Registry, "us-west-2", "602401143452"},
		"602401143452.dkr.ecr-fips.us-west-2.amazonaws.com":               {Registry, "us-west-2", "602401143452"},
		"prod-us-west-2-starport-layer-bucket.s3.us-west-2.amazonaws.com": {S3, "us-west-2", ""},
		"sts.ap-south-1.amazonaws.com":                                    {},
		"s3.us-west-2.amazonaws.com":                                      {},
		"amazonaws.com":                                                   {},
		"us-west-2.amazonaws.com":                                         {},
		"":                                                                {},
		"evil.example":                                                    {},
	} {
		if got, ok := c.endpointOf(host); got != want || ok != (want != endpoint{}) {
			t.Errorf("%q is %+v", host, got)
		}
	}
	golden(t, "names.txt", strings.Join(c.Names(), "\n")+"\n")
}

func TestZoneIDsAreWhatAWSNamesThem(t *testing.T) {
	for region, want := range map[string]string{"us-west-2": "usw2", "us-east-1": "use1", "ap-southeast-1": "apse1", "ap-northeast-2": "apne2", "eu-central-1": "euc1", "us-gov-west-1": "usgw1", "ca-central-1": "cac1", "": ""} {
		if got := shortRegion(region); got != want {
			t.Errorf("%s is %s", region, got)
		}
	}
	for zone, want := range map[string]string{"us-west-2a": "usw2-az1", "us-west-2c": "usw2-az3", "us-west-2-lax-1a": "usw2-az1", "": "usw2-az1"} {
		if got := zoneID(zone, "us-west-2"); got != want {
			t.Errorf("%s is %s", zone, got)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	creds := New(Config{}).AssumeRole("node", "s", time.Hour)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", creds.SecretAccessKey, "creds", creds)
	for _, out := range []string{fmt.Sprint(creds), fmt.Sprintf("%+v %#v %s", creds, creds, creds.SessionToken), log.String()} {
		if strings.Contains(out, string(creds.SecretAccessKey)) || strings.Contains(out, string(creds.SessionToken)) || !strings.Contains(out, "[redacted]") {
			t.Errorf("printed %s", out)
		}
	}
}

func TestLogsAreWaitedOnAndReset(t *testing.T) {
	b := newBench(t, Config{})
	seen := make(chan error)
	go func() {
		_, err := b.node.WaitRequest(t.Context(), func(r Request) bool { return r.Path == "/latest/user-data" && r.Status == 200 })
		seen <- err
	}()
	b.get("/latest/user-data")
	if err := <-seen; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := b.node.WaitRequest(ctx, func(Request) bool { return false }); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %v", err)
	}
	if _, err := b.cloud.WaitCall(ctx, func(Call) bool { return false }); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %v", err)
	}
	b.node.ResetRequests()
	b.cloud.ResetCalls()
	if len(b.node.Requests())+len(b.cloud.Calls()) != 0 {
		t.Error("not empty")
	}
}

func TestExpiredSessionsAndRotatedCredentials(t *testing.T) {
	b := newBench(t, Config{})
	token := b.token()
	b.node.ExpireTokens()
	if resp, _ := b.raw("GET", "/latest/meta-data/mac", tokenHeader, token); resp.StatusCode != 401 {
		t.Errorf("the session lives on: %s", resp.Status)
	}
	before := b.node.Credentials()
	b.node.RotateCredentials()
	if b.node.Credentials().AccessKeyID == before.AccessKeyID {
		t.Error("the credentials are the same")
	}
	if _, err := sts.NewFromConfig(b.configAs(before)).GetCallerIdentity(t.Context(), nil); err != nil {
		t.Errorf("the old ones: %v", err)
	}
}

// Everything at once: what the race detector is for.
func TestManyClientsAndATestThatMeddles(t *testing.T) {
	b := newBench(t, Config{})
	cfg := b.configAs(b.node.Credentials()) // not from the metadata, which fails now and then
	ctx, stop := context.WithCancel(t.Context())
	var meddler, clients sync.WaitGroup
	meddler.Go(func() {
		for n := 0; ctx.Err() == nil; n++ {
			remove := b.node.Inject("meta-data/*", Fault{Status: 503, Times: 1})
			b.cloud.Inject(Target{Service: EC2}, Fault{Effect: Reset, Times: 1})
			if err := b.node.Update(func(i *Instance) { i.Tags = map[string]string{"n": fmt.Sprint(n)} }); err != nil {
				t.Error(err)
			}
			b.node.RotateCredentials()
			b.node.HidePrivateDNSName(1, time.Time{})
			b.cloud.Calls()
			b.node.Requests()
			remove()
			b.cloud.ClearFaults()
		}
	})
	for range 4 {
		clients.Go(func() {
			for range 10 {
				// Errors are expected: the meddler makes them.
				_, _ = b.metadata().GetMetadata(ctx, &imds.GetMetadataInput{Path: "mac"})
				_, _ = ec2.NewFromConfig(cfg).DescribeInstances(ctx, nil)
				if _, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, nil); err != nil && errorCode(err) != "" {
					t.Errorf("STS, which has no fault: %v", err)
				}
			}
		})
	}
	clients.Wait()
	stop()
	meddler.Wait()
	if n := b.cloud.Count(EC2, "DescribeInstances"); n != 40 {
		t.Errorf("%d calls in the log", n)
	}
}
