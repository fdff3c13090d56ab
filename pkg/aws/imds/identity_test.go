package imds

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/fault"
)

var everything = Need{LocalHostname: true, ZoneID: true, OutpostARN: true, MAC: true, IPv6: true}

var comparable = cmpopts.EquateComparable(netip.Addr{})

func TestIdentityIsWhatTheServiceSays(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Set("meta-data/outpost-arn", "arn:aws:outposts:us-west-2:111122223333:outpost/op-0123456789abcdef0\n")
		got, problems, err := w.client.Identity(w.Context(), everything)
		if err != nil || problems != nil {
			w.Fatal(err, problems)
		}
		want := Identity{
			InstanceID: "i-0123456789abcdef0", InstanceType: "m5.large", Region: "us-west-2", Zone: "us-west-2a",
			AccountID: "111122223333", ImageID: "ami-0123456789abcdef0", Architecture: "x86_64",
			PrivateIPv4: netip.MustParseAddr("10.0.12.34"), Partition: "aws", DNSSuffix: "amazonaws.com",
			LocalHostname: "ip-10-0-12-34.us-west-2.compute.internal", ZoneID: "usw2-az1",
			OutpostARN: "arn:aws:outposts:us-west-2:111122223333:outpost/op-0123456789abcdef0",
			MAC:        "02:ab:cd:00:00:01",
			IPv6:       []netip.Addr{netip.MustParseAddr("2600:1f14::2"), netip.MustParseAddr("2600:1f14::1")},
		}
		if d := cmp.Diff(want, got, comparable); d != "" {
			w.Errorf("identity (-want +got):\n%s", d)
		}
	})
}

func TestAWholeGatherIsEightRequestsAndOneToken(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Set("user-data", "#!/bin/sh")
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, ok, err := w.client.UserData(w.Context()); !ok || err != nil {
				w.Error(ok, err)
			}
		})
		wg.Go(func() {
			if _, problems, err := w.client.Identity(w.Context(), everything); err != nil || problems != nil {
				w.Error(err, problems)
			}
		})
		wg.Wait()
		if n := w.imds.Count(awstest.TokenRequest); n != 1 {
			w.Errorf("%d token requests, want 1", n)
		}
		if rs := w.imds.Requests(); len(rs) != 8 {
			w.Errorf("%d requests, want 8:\n%s", len(rs), strings.Join(rs, "\n"))
		}
	})
}

func TestNothingIsAskedForThatIsNotNeeded(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		if _, _, err := w.client.Identity(w.Context(), Need{}); err != nil {
			w.Fatal(err)
		}
		if d := cmp.Diff([]string{awstest.TokenRequest, "GET /latest/dynamic/instance-identity/document"}, w.imds.Requests()); d != "" {
			w.Errorf("requests (-want +got):\n%s", d)
		}
	})
}

func TestTokensThatBecomeVoidAreReplacedOnceForAll(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		var once sync.Once
		w.imds.Fail = func(_ http.ResponseWriter, r *http.Request, _ int) bool {
			if strings.Contains(r.URL.Path, "meta-data") {
				once.Do(w.imds.Revoke)
			}
			return false
		}
		if _, problems, err := w.client.Identity(w.Context(), everything); err != nil || problems != nil {
			w.Fatal(err, problems)
		}
		if n := w.imds.Count(awstest.TokenRequest); n != 2 {
			w.Errorf("%d token requests, want the first and one replacement", n)
		}
	})
}

func TestFactsThatCannotBeHadAreProblemsAndNotZeroes(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Remove("meta-data/local-hostname")
		w.imds.Remove("meta-data/network/interfaces/macs/02:ab:cd:00:00:01/ipv6s")
		w.imds.Remove("meta-data/placement/availability-zone-id")
		w.imds.Fail = func(rw http.ResponseWriter, r *http.Request, _ int) bool {
			if strings.HasSuffix(r.URL.Path, "outpost-arn") {
				rw.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		}
		id, problems, err := w.client.Identity(w.Context(), everything)
		if err != nil {
			w.Fatal(err)
		}
		var facts []string
		for _, p := range problems {
			facts = append(facts, p.Fact)
			if f, ok := fault.Find(p.Err); !ok || f.Remedy == "" {
				w.Errorf("%s: no remedy: %v", p.Fact, p.Err)
			}
		}
		// A zone id that does not exist is no problem.
		if d := cmp.Diff([]string{"instance.localHostname", "instance.outpostArn", "instance.ipv6"}, facts); d != "" {
			w.Errorf("problems (-want +got):\n%s", d)
		}
		if id.InstanceID == "" || id.MAC == "" || id.ZoneID != "" || id.IPv6 != nil {
			w.Errorf("identity %+v", id)
		}
		if e := w.elapsed(); e < DefaultNotFoundFor || e > DefaultNotFoundFor+2*retryMax {
			w.Errorf("took %v, want about the bound of 404", e)
		}
	})
}

func TestWithoutTheDocumentThereIsNoIdentity(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Set("dynamic/instance-identity/document", "<html>captive portal</html>")
		_, problems, err := w.client.Identity(w.Context(), everything)
		w.wantError(err, Garbage, fault.IMDSInvalid)
		if problems != nil {
			w.Errorf("problems %v", problems)
		}
		if n := w.imds.Count("GET /latest/dynamic/instance-identity/document"); n != 5 {
			w.Errorf("asked %d times, want 5", n)
		}
		if strings.Contains(err.Error(), "captive") {
			w.Errorf("the body is in the error: %v", err)
		}
	})
}

func TestAServiceThatIsMinutesLateIsWaitedFor(t *testing.T) {
	const late = 3 * time.Minute
	inWorld(t, Options{}, func(w *world) {
		w.net.FailDial(func(attempt int) error {
			switch {
			case w.elapsed() >= late:
				return nil
			case attempt%2 == 0:
				return awstest.NoRoute()
			}
			return awstest.Refused()
		})
		id, problems, err := w.client.Identity(w.Context(), everything)
		if err != nil || problems != nil || id.InstanceID == "" {
			w.Fatal(err, problems)
		}
		if e := w.elapsed(); e < late || e > late+2*time.Second {
			w.Errorf("took %v, want soon after %v", e, late)
		}
		if n := w.imds.Count(awstest.TokenRequest); n != 1 {
			w.Errorf("%d token requests, want 1", n)
		}
		// One line at once, then one in ten seconds.
		if n := len(w.log.lines); n < 10 || n > 19 {
			w.Errorf("%d log lines:\n%s", n, strings.Join(w.log.lines, "\n"))
		}
		for _, l := range w.log.lines {
			if !strings.Contains(l, "refused") && !strings.Contains(l, "unreachable") {
				w.Errorf("no reason in %q", l)
			}
		}
	})
}
