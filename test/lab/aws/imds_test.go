package aws

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/google/go-cmp/cmp"
)

func TestMetadataServiceAnswersAsDocumented(t *testing.T) {
	b := newBench(t, Config{})
	token := b.token()
	// One character changed, whatever it was: a token may begin with any.
	another := "x" + token[1:]
	if another == token {
		another = "y" + token[1:]
	}
	for _, tt := range []struct {
		name, method, path string
		header             []string
		status             int
		body               string // "" for any
	}{
		{"token", "PUT", "/latest/api/token", []string{tokenTTLHeader, "1"}, 200, ""},
		{"token without a TTL", "PUT", "/latest/api/token", nil, 400, "400 - Bad Request"},
		{"token with TTL zero", "PUT", "/latest/api/token", []string{tokenTTLHeader, "0"}, 400, ""},
		{"token with a TTL above six hours", "PUT", "/latest/api/token", []string{tokenTTLHeader, "21601"}, 400, ""},
		{"token with a TTL that is no number", "PUT", "/latest/api/token", []string{tokenTTLHeader, "1h"}, 400, ""},
		{"token through a proxy", "PUT", "/latest/api/token", []string{tokenTTLHeader, "60", "X-Forwarded-For", "10.0.0.1"}, 403, "403 - Forbidden"},
		{"token of a dated version", "PUT", "/2021-03-23/api/token", []string{tokenTTLHeader, "60"}, 403, ""},
		{"token by GET", "GET", "/latest/api/token", []string{tokenHeader, token}, 405, ""},
		{"write elsewhere", "PUT", "/latest/meta-data/ami-id", []string{tokenHeader, token}, 405, ""},
		{"POST", "POST", "/latest/meta-data/ami-id", []string{tokenHeader, token}, 405, ""},
		{"HEAD", "HEAD", "/latest/meta-data/ami-id", []string{tokenHeader, token}, 200, ""},
		{"no token", "GET", "/latest/meta-data/ami-id", nil, 401, "401 - Unauthorized"},
		{"another token", "GET", "/latest/meta-data/ami-id", []string{tokenHeader, another}, 401, ""},
		{"versions need a token too", "GET", "/", nil, 401, ""},
		{"item", "GET", "/latest/meta-data/instance-id", []string{tokenHeader, token}, 200, nodeID},
		{"item of a dated version", "GET", "/2021-03-23/meta-data/instance-id", []string{tokenHeader, token}, 200, nodeID},
		{"unknown version", "GET", "/2021-03-24/meta-data/instance-id", []string{tokenHeader, token}, 404, ""},
		{"level above", "GET", "/latest", []string{tokenHeader, token}, 200, "dynamic\nmeta-data\nuser-data"},
		{"directory", "GET", "/latest/meta-data/placement/", []string{tokenHeader, token}, 200, "availability-zone\navailability-zone-id\nregion"},
		{"directory without a slash", "GET", "/latest/meta-data/iam", []string{tokenHeader, token}, 200, "info\nsecurity-credentials/"},
		{"interfaces", "GET", "/latest/meta-data/network/interfaces/macs/", []string{tokenHeader, token}, 200, "0a:00:00:00:00:01/"},
		{"half a name", "GET", "/latest/meta-data/instance", []string{tokenHeader, token}, 404, ""},
		{"below an item", "GET", "/latest/meta-data/instance-id/x", []string{tokenHeader, token}, 404, ""},
		{"network card 0", "GET", "/latest/meta-data/network/interfaces/macs/0a:00:00:00:00:01/network-card", []string{tokenHeader, token}, 404, ""},
		{"no Outpost", "GET", "/latest/meta-data/outpost-arn", []string{tokenHeader, token}, 404, ""},
		{"no spot notice", "GET", "/latest/meta-data/spot/instance-action", []string{tokenHeader, token}, 404, ""},
		{"tags are off", "GET", "/latest/meta-data/tags/instance", []string{tokenHeader, token}, 404, ""},
		{"user data byte by byte", "GET", "/latest/user-data", []string{tokenHeader, token}, 200, "#!/bin/sh\n\x00\xff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, body := b.raw(tt.method, tt.path, tt.header...)
			if resp.StatusCode != tt.status || resp.Header.Get("Server") != "EC2ws" {
				t.Errorf("got %s from %q", resp.Status, resp.Header.Get("Server"))
			}
			if isPage := tt.status >= 400 && tt.status != 405; isPage && !strings.Contains(body, "<h1>"+strconv.Itoa(tt.status)+" - ") {
				t.Errorf("got no error page but %q", body)
			} else if !isPage && tt.body != "" && body != tt.body {
				t.Errorf("got body %q, want %q", body, tt.body)
			}
		})
	}
}

func TestErrorPageIsTheRealOne(t *testing.T) {
	b := newBench(t, Config{})
	resp, body := b.raw("GET", "/latest/meta-data/nothing", tokenHeader, b.token())
	golden(t, "not-found.html", body)
	if got := resp.Header.Get("Content-Type"); got != "text/html" {
		t.Errorf("content type %q", got)
	}
}

func TestSessionTokenEndsWithItsTTL(t *testing.T) {
	b := newBench(t, Config{})
	_, token := b.raw("PUT", "/latest/api/token", tokenTTLHeader, "60")
	resp, _ := b.raw("GET", "/latest/meta-data/mac", tokenHeader, token)
	if left := resp.Header.Get(tokenTTLHeader); left != "59" && left != "60" {
		t.Errorf("%s: %q seconds left", resp.Status, left)
	}
	b.clock.advance(61 * time.Second)
	if resp, _ := b.raw("GET", "/latest/meta-data/mac", tokenHeader, token); resp.StatusCode != 401 {
		t.Errorf("after its end: %s", resp.Status)
	}
}

func TestSessionTokenIsTheInstancesOwn(t *testing.T) {
	b := newBench(t, Config{})
	if _, err := b.cloud.Launch(Instance{ID: "i-2", Interfaces: []Interface{{IPv4s: []string{"127.0.0.12"}}}}); err != nil {
		t.Fatal(err)
	}
	other := &http.Client{Transport: b.transport("127.0.0.12")}
	req, err := http.NewRequest("GET", "http://169.254.169.254/latest/meta-data/instance-id", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(tokenHeader, b.token())
	resp, err := other.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("the other instance's token got %s", resp.Status)
	}
	out, err := imds.New(imds.Options{HTTPClient: other, Endpoint: "http://169.254.169.254"}).GetInstanceIdentityDocument(t.Context(), nil)
	if err != nil || out.InstanceID != "i-2" || out.PrivateIP != "127.0.0.12" {
		t.Errorf("the document is of %q at %q: %v", out.InstanceID, out.PrivateIP, err)
	}
}

func TestUnknownSourceGetsNothing(t *testing.T) {
	b := newBench(t, Config{})
	stranger := &http.Client{Transport: b.transport("127.0.0.99")}
	resp, err := stranger.Get("http://169.254.169.254/latest/meta-data/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 404 {
		t.Errorf("got %s", resp.Status)
	}
}

func TestTokensOptionalAndServiceOff(t *testing.T) {
	b := newBench(t, Config{})
	update(t, b.node, func(i *Instance) { i.TokensOptional = true })
	if resp, _ := b.raw("GET", "/latest/meta-data/mac"); resp.StatusCode != 200 {
		t.Errorf("without a token: %s", resp.Status)
	}
	if resp, _ := b.raw("GET", "/latest/meta-data/mac", tokenHeader, "wrong"); resp.StatusCode != 401 {
		t.Errorf("with a wrong token: %s", resp.Status)
	}
	update(t, b.node, func(i *Instance) { i.MetadataOff = true })
	if resp, _ := b.raw("PUT", "/latest/api/token", tokenTTLHeader, "60"); resp.StatusCode != 403 {
		t.Errorf("when off: %s", resp.Status)
	}
}

// The whole tree of machines that between them have everything.
func TestMetadataTreeOf(t *testing.T) {
	launch := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	for name, inst := range map[string]Instance{
		"plain": {ID: nodeID, LaunchTime: launch, Interfaces: []Interface{{IPv4s: []string{"10.0.1.10"}}}},
		"dual-stack-spot-two-cards": {
			ID: nodeID, Type: "p5.48xlarge", Region: "us-east-1", LaunchTime: launch, LifeCycle: "spot", KeyName: "my-key", PublicKey: "ssh-ed25519 AAAA me",
			HostnameType: "resource-name", TagsInMetadata: true, Tags: map[string]string{"Name": "n", "eks:cluster-name": "c"},
			PublicIPv4: "203.0.113.1", PublicHostname: "ec2-203-0-113-1.compute-1.amazonaws.com",
			Spot: &SpotAction{Action: "terminate", Time: launch.Add(time.Hour)}, Rebalance: launch.Add(30 * time.Minute),
			PlacementGroup: "pg", TargetLifecycleState: "InService",
			Maintenance: []MaintenanceEvent{
				{ID: "instance-event-1", Code: "system-reboot", Description: `scheduled "reboot": soon`, State: "active", NotBefore: launch, NotAfter: launch.Add(time.Hour)},
				{ID: "instance-event-2", Code: "instance-stop", Description: "[Canceled] stop", State: "canceled", NotBefore: launch, NotAfter: launch},
			},
			Interfaces: []Interface{
				{
					MAC: "0A:00:00:00:00:01", IPv4s: []string{"10.0.1.10", "10.0.1.11"}, IPv6s: []string{"2001:db8::10", "2001:db8::11"},
					PublicIPv4s: []string{"203.0.113.1"}, VPCCIDRs: []string{"10.0.0.0/16", "100.64.0.0/16"}, VPCIPv6CIDRs: []string{"2001:db8::/56"},
					SubnetIPv6CIDRs: []string{"2001:db8::/64"}, IPv4Prefixes: []string{"10.0.1.32/28"}, IPv6Prefixes: []string{"2001:db8::/80"},
					SecurityGroupIDs: []string{"sg-1", "sg-2"}, SecurityGroups: []string{"one", "two"},
				},
				{MAC: "0a:00:00:00:00:02", DeviceNumber: 1, NetworkCard: 1, IPv4s: []string{"10.0.2.10"}},
			},
			BlockDevices: map[string]string{"ami": "/dev/xvda", "root": "/dev/xvda", "ebs1": "sdb"},
			Extra:        map[string]string{"meta-data/elastic-gpus/x": "1", "meta-data/hostname": "told.otherwise"},
		},
		"outpost": {
			ID: nodeID, LaunchTime: launch, OutpostARN: "arn:aws:outposts:us-west-2:123456789012:outpost/op-1", LocalHostname: "ip-10-0-1-10.a.example b.example",
			Interfaces: []Interface{{IPv4s: []string{"10.0.1.10"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := New(Config{}).Launch(inst)
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			items := m.tree()
			paths := sortedKeys(items)
			for _, p := range paths {
				out.WriteString(p + "\n    " + strings.ReplaceAll(items[p], "\n", "\n    ") + "\n")
			}
			golden(t, "metadata-"+name+".txt", out.String())
		})
	}
}

func TestListingsLeadToEveryItem(t *testing.T) {
	b := newBench(t, Config{})
	update(t, b.node, func(i *Instance) { i.KeyName, i.PublicKey = "my-key", "ssh-ed25519 AAAA me" })
	token := b.token()
	var found []string
	var walk func(dir string)
	walk = func(dir string) {
		_, list := b.raw("GET", "/latest/"+dir, tokenHeader, token)
		for _, entry := range strings.Split(list, "\n") {
			if number, _, isKey := strings.Cut(entry, "="); isKey {
				entry = number + "/"
			}
			if strings.HasSuffix(entry, "/") || dir == "" && entry != "user-data" {
				walk(dir + strings.TrimSuffix(entry, "/") + "/")
				continue
			}
			found = append(found, dir+entry)
		}
	}
	walk("")
	sort.Strings(found)
	if diff := cmp.Diff(sortedKeys(b.node.tree()), found); diff != "" {
		t.Error(diff)
	}
}

func TestRealClientReadsMetadata(t *testing.T) {
	b := newBench(t, Config{})
	client := b.metadata()
	region, err := client.GetRegion(t.Context(), nil)
	if err != nil || region.Region != "us-west-2" {
		t.Errorf("region %+v: %v", region, err)
	}
	doc, err := client.GetInstanceIdentityDocument(t.Context(), nil)
	if err != nil || doc.InstanceID != nodeID || doc.AvailabilityZone != "us-west-2b" || doc.PendingTime.IsZero() {
		t.Errorf("document %+v: %v", doc, err)
	}
	info, err := client.GetIAMInfo(t.Context(), nil)
	if err != nil || info.InstanceProfileArn != "arn:aws:iam::123456789012:instance-profile/node" {
		t.Errorf("iam info %+v: %v", info, err)
	}
	data, err := client.GetUserData(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(data.Content); err != nil || string(got) != "#!/bin/sh\n\x00\xff" {
		t.Errorf("user data %q: %v", got, err)
	}
	if n := b.node.CountRequests(IsToken); n != 1 {
		t.Errorf("it asked for %d tokens", n)
	}
	if n := len(b.node.Requests()); n != 5 {
		t.Errorf("the log has %d requests", n)
	}
	await(t, func() bool { return b.node.CountRequests(func(r Request) bool { return !r.Done }) == 0 })
	for _, r := range b.node.Requests() {
		if r.Status != 200 || r.Bytes == 0 || r.Fault != Pass || !IsToken(r) && !r.Token {
			t.Errorf("logged as %+v", r)
		}
	}
}

func TestRoleCredentialsComeFromMetadataAndAreRenewed(t *testing.T) {
	b := newBench(t, Config{CredentialLifetime: time.Hour})
	first, err := b.sdkConfig().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.SessionToken == "" || !first.Expires.After(time.Now()) {
		t.Errorf("credentials expire %s", first.Expires)
	}
	b.clock.advance(30 * time.Minute)
	if again := b.node.Credentials(); again.AccessKeyID != first.AccessKeyID {
		t.Error("they were renewed half an hour before their end")
	}
	b.clock.advance(26 * time.Minute)
	renewed := b.node.Credentials()
	if renewed.AccessKeyID == first.AccessKeyID || !renewed.Expires.After(first.Expires) {
		t.Error("they were not renewed four minutes before their end")
	}
	if _, known := b.cloud.keys.find(first.AccessKeyID); !known {
		t.Error("the old ones are forgotten before their end")
	}
	update(t, b.node, func(i *Instance) { i.Role = "" })
	if status, _ := b.get("/latest/meta-data/iam/security-credentials/"); status != 404 {
		t.Errorf("without a role: %d", status)
	}
}

func TestMetadataFaultsAsTheRealClientSeesThem(t *testing.T) {
	read := func(b *bench, item string) (string, error) {
		out, err := b.metadata().GetMetadata(b.Context(), &imds.GetMetadataInput{Path: item})
		if err != nil {
			return "", err
		}
		defer out.Content.Close()
		body, err := io.ReadAll(out.Content)
		return string(body), err
	}
	saw := func(err error, status string) bool {
		return err != nil && strings.Contains(err.Error(), "StatusCode: "+status)
	}
	for _, tt := range []struct {
		name  string
		item  string
		fault Fault
		want  func(body string, err error) bool
	}{
		{"unauthorized", "meta-data/*", Fault{Status: 401}, func(_ string, err error) bool { return saw(err, "401") }},
		{"not found", "meta-data/instance-id", Fault{Status: 404}, func(_ string, err error) bool { return saw(err, "404") }},
		{"throttled", "*", Fault{Status: 429}, func(_ string, err error) bool { return saw(err, "429") }},
		{"unavailable", "meta-data/instance-id", Fault{Status: 503}, func(_ string, err error) bool { return saw(err, "503") }},
		{"token refused", "api/token", Fault{Status: 403}, func(_ string, err error) bool { return err != nil }},
		{"reset", "meta-data/*", Fault{Effect: Reset}, func(_ string, err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"refuse behind a shared listener", "", Fault{Effect: Refuse}, func(_ string, err error) bool { return errors.Is(err, syscall.ECONNRESET) }},
		{"truncated", "meta-data/*", Fault{Effect: Truncate}, func(_ string, err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"short", "meta-data/*", Fault{Effect: Short}, func(body string, err error) bool { return err == nil && body == nodeID[:len(nodeID)/2] }},
		{"garbage", "meta-data/*", Fault{Effect: Garbage}, func(_ string, err error) bool { return err != nil && strings.Contains(err.Error(), "malformed HTTP") }},
		{"captive portal", "meta-data/*", Fault{Effect: Answer, Body: []byte("<html>log in")}, func(body string, err error) bool { return body == "<html>log in" }},
		{"slow", "meta-data/*", Fault{Delay: time.Millisecond}, func(body string, err error) bool { return body == nodeID }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{})
			remove := b.node.Inject(tt.item, tt.fault)
			if body, err := read(b, "instance-id"); !tt.want(body, err) {
				t.Errorf("the client got %q, %v", body, err)
			}
			if b.node.CountRequests(func(r Request) bool { return r.Fault == tt.fault.effect() }) == 0 {
				t.Errorf("not in the log: %+v", b.node.Requests())
			}
			remove()
			if body, err := read(b, "instance-id"); body != nodeID || err != nil {
				t.Errorf("afterwards the client got %q, %v", body, err)
			}
		})
	}
}

func TestFaultAppliesAsOftenAsTold(t *testing.T) {
	b := newBench(t, Config{})
	b.node.Inject("meta-data/placement/region", Fault{Status: 404, Times: 2})
	var got []int
	for range 3 {
		status, _ := b.get("/latest/meta-data/placement/region")
		got = append(got, status)
	}
	status, _ := b.get("/latest/meta-data/placement/availability-zone")
	if diff := cmp.Diff([]int{404, 404, 200, 200}, append(got, status)); diff != "" {
		t.Error(diff)
	}
}

func TestFaultEndsAtItsTime(t *testing.T) {
	b := newBench(t, Config{})
	b.node.Inject("meta-data/*", Fault{Status: 503, Until: b.clock.now().Add(time.Hour)})
	if status, _ := b.get("/latest/meta-data/mac"); status != 503 {
		t.Errorf("before: %d", status)
	}
	b.clock.advance(time.Hour)
	if status, _ := b.get("/latest/meta-data/mac"); status != 200 {
		t.Errorf("after: %d", status)
	}
}

func TestHangingRequestIsAnsweredWhenTheFaultEnds(t *testing.T) {
	for name, end := range map[string]func(b *bench, remove func()){
		"by removal":        func(_ *bench, remove func()) { remove() },
		"by clearing":       func(b *bench, _ func()) { b.node.ClearFaults() },
		"because it's time": func(b *bench, _ func()) { b.clock.advance(time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Config{})
			token := b.token()
			remove := b.node.Inject("meta-data/*", Fault{Effect: Hang, Until: b.clock.now().Add(time.Hour)})
			done := make(chan int)
			go func() {
				resp, _ := b.raw("GET", "/latest/meta-data/mac", tokenHeader, token)
				done <- resp.StatusCode
			}()
			select {
			case status := <-done:
				t.Fatalf("it was answered %d at once", status)
			case <-time.After(20 * time.Millisecond):
			}
			end(b, remove)
			if status := <-done; status != 200 {
				t.Errorf("then it was answered %d", status)
			}
		})
	}
}

func TestHangingRequestIsGivenUpWhenTheClientLeaves(t *testing.T) {
	b := newBench(t, Config{})
	b.node.Inject("*", Fault{Effect: Hang})
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer leave()
	_, err := b.metadata().GetMetadata(ctx, &imds.GetMetadataInput{Path: "mac"})
	if err == nil {
		t.Fatal("it was answered")
	}
	entry, err := b.node.WaitRequest(t.Context(), func(r Request) bool { return r.Fault == Hang })
	if err != nil || entry.Status != 0 {
		t.Errorf("logged as %+v: %v", entry, err)
	}
}

func TestServiceThatRefusesConnectionsUntilItStarts(t *testing.T) {
	b := newBench(t, Config{})
	probe, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := probe.Addr().String()
	probe.Close()
	refused := func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
	late := b.node.Inject("", Fault{Effect: Refuse})
	opened := make(chan struct{}, 8)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- b.node.ServeIMDS(ctx, func() (net.Listener, error) {
			l, err := net.Listen("tcp", addr)
			opened <- struct{}{}
			return l, err
		})
	}()
	if !refused() {
		t.Fatal("it listens before it starts")
	}
	late()
	<-opened
	client := imds.New(imds.Options{Endpoint: "http://" + addr})
	if _, err := client.GetRegion(t.Context(), nil); err != nil {
		t.Errorf("after it started: %v", err)
	}
	again := b.node.Inject("", Fault{Effect: Refuse})
	await(t, refused)
	again()
	<-opened
	if _, err := client.GetMetadata(t.Context(), &imds.GetMetadataInput{Path: "mac"}); err != nil {
		t.Errorf("after it came back: %v", err)
	}
	forever := b.node.Inject("", Fault{Effect: Refuse})
	await(t, refused)
	b.node.Inject("", Fault{Effect: Refuse, Until: b.clock.now().Add(time.Hour)})
	forever()
	b.clock.advance(time.Hour)
	<-opened
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServingSaysWhyItCannot(t *testing.T) {
	b := newBench(t, Config{})
	err := b.node.ServeIMDS(t.Context(), func() (net.Listener, error) { return nil, errors.New("no such address") })
	if err == nil || !strings.Contains(err.Error(), "cannot serve the metadata of "+nodeID+": no such address") {
		t.Errorf("got %v", err)
	}
}

func update(t *testing.T, m *Machine, change func(*Instance)) {
	t.Helper()
	if err := m.Update(change); err != nil {
		t.Fatal(err)
	}
}

// await asks until something holds; the test's own time limit bounds it.
func await(t *testing.T, holds func() bool) {
	t.Helper()
	for !holds() {
		select {
		case <-t.Context().Done():
			t.Fatal("it never held")
		case <-time.After(time.Millisecond):
		}
	}
}

// golden compares with a file of testdata; UPDATE_GOLDEN=1 rewrites it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if os.Getenv("UPDATE_GOLDEN") == "1" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}
