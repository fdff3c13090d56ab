package imds

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/fault"
)

const macs = "meta-data/network/interfaces/macs/02:ab:cd:00:00:01/"

func TestFactsThatOnlySomebodyRefersToAreReadWhenTheyAreAskedFor(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Set("meta-data/instance-life-cycle", "spot")
		w.imds.Set("meta-data/placement/group-name", "rack")
		w.imds.Set("meta-data/placement/partition-number", "3")
		w.imds.Set("meta-data/tags/instance/team", "Fußball & more")
		w.imds.Set("meta-data/tags/instance/empty", "")
		w.imds.Set("meta-data/tags/instance/aws:autoscaling:groupName", "nodes")
		w.imds.Set(macs+"vpc-ipv4-cidr-blocks", "10.0.0.0/16\n100.64.0.1/10\n10.0.0.0/16")
		w.imds.Set(macs+"vpc-ipv6-cidr-blocks", "2600:1f14::/56")
		id, problems, err := w.client.Identity(w.Context(), Need{
			Lifecycle: true, PlacementGroup: true, PartitionNumber: true, VPCNetworks: true,
			Tags: []string{"team", "empty", "aws:autoscaling:groupName"},
		})
		if err != nil || problems != nil {
			w.Fatal(err, problems)
		}
		if id.Lifecycle != "spot" || id.PlacementGroup != "rack" || id.PartitionNumber != "3" {
			w.Errorf("identity %+v", id)
		}
		if d := cmp.Diff(map[string]string{"team": "Fußball & more", "empty": "", "aws:autoscaling:groupName": "nodes"}, id.Tags); d != "" {
			w.Errorf("tags (-want +got):\n%s", d)
		}
		want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("2600:1f14::/56")}
		if !slices.Equal(id.VPCNetworks, want) {
			w.Errorf("networks %v", id.VPCNetworks)
		}
		// The token, the document, three facts, three tags, the MAC and two lists.
		if rs := w.imds.Requests(); len(rs) != 11 {
			w.Errorf("%d requests, want 11:\n%s", len(rs), strings.Join(rs, "\n"))
		}
	})
}

func TestTheMACIsAskedForOnceWhoeverNeedsIt(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Set(macs+"vpc-ipv4-cidr-blocks", "10.0.0.0/16")
		id, problems, err := w.client.Identity(w.Context(), Need{MAC: true, IPv6: true, VPCNetworks: true})
		if err != nil || problems != nil || len(id.IPv6) != 2 || len(id.VPCNetworks) != 1 || id.MAC == "" {
			w.Fatal(id, err, problems)
		}
		if n := w.imds.Count("GET /latest/meta-data/mac"); n != 1 {
			w.Errorf("the MAC was asked for %d times", n)
		}
	})
}

func TestAnInstanceOutsideOfAPlacementGroupHasNoProblem(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		id, problems, err := w.client.Identity(w.Context(), Need{Lifecycle: true, PlacementGroup: true, PartitionNumber: true})
		if err != nil || problems != nil || id.PlacementGroup+id.PartitionNumber+id.Lifecycle != "" {
			w.Error(id, problems, err)
		}
		if e := w.elapsed(); e > 0 {
			w.Errorf("404 was waited for: %v", e)
		}
	})
}

func TestATagThatCannotBeReadSaysWhatToDo(t *testing.T) {
	for name, row := range map[string]struct {
		key    string
		shown  bool
		code   fault.Code
		remedy string
		says   string
		asked  int // requests for the list of all tags
	}{
		"metadata does not show tags":    {"team", false, fault.IMDSNotFound, "aws ec2 modify-instance-metadata-options --instance-id i-0123456789abcdef0 --instance-metadata-tags enabled", "does not show the instance's tags", 1},
		"the instance has no such tag":   {"team", true, fault.IMDSNotFound, "aws ec2 create-tags --resources i-0123456789abcdef0 --tags Key=team,Value=VALUE", `no tag "team"`, 1},
		"a key that metadata never has":  {"kubernetes.io/cluster/x", true, fault.ConfigInvalid, "letters, digits", `'/'`, 0},
		"a key with a blank":             {"my team", true, fault.ConfigInvalid, "letters, digits", `' '`, 0},
		"a key that leaves the folder":   {"..", true, fault.ConfigInvalid, "letters, digits", "does not allow", 0},
		"the file that lists categories": {"_index", true, fault.ConfigInvalid, "letters, digits", "does not allow", 0},
		"no key":                         {"", true, fault.ConfigInvalid, "letters, digits", "empty", 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, Options{}, func(w *world) {
				if row.shown {
					w.imds.Set(tagsPath, "Name")
				}
				id, problems, err := w.client.Identity(w.Context(), Need{Tags: []string{row.key}})
				if err != nil || len(problems) != 1 || problems[0].Fact != "instance.tags."+row.key || len(id.Tags) != 0 {
					w.Fatalf("%+v, %+v, %v", id, problems, err)
				}
				f, ok := fault.Find(problems[0].Err)
				if !ok || f.Code != row.code || !strings.Contains(f.Remedy, row.remedy) || !strings.Contains(f.Error(), row.says) {
					w.Errorf("got %v with remedy %q", problems[0].Err, f.Remedy)
				}
				if n := w.imds.Count("GET /latest/" + tagsPath); n != row.asked {
					w.Errorf("the list was asked for %d times, want %d", n, row.asked)
				}
			})
		})
	}
}

func TestTheListOfTagsIsAskedForOnceForAllThatAreMissing(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		_, problems, err := w.client.Identity(w.Context(), Need{Tags: []string{"a", "b", "c", "d", "e"}})
		if err != nil || len(problems) != 5 || problems[4].Fact != "instance.tags.e" {
			w.Fatal(problems, err)
		}
		if n := w.imds.Count("GET /latest/" + tagsPath); n != 1 {
			w.Errorf("the list was asked for %d times", n)
		}
	})
}

func TestTagsThatMetadataRefusesToShowAreADenial(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Fail = func(rw http.ResponseWriter, r *http.Request, _ int) bool {
			if r.URL.Path == "/latest/"+tagsPath {
				rw.WriteHeader(http.StatusForbidden)
				return true
			}
			return false
		}
		_, problems, err := w.client.Identity(w.Context(), Need{Tags: []string{"team"}})
		if err != nil || len(problems) != 1 || fault.CodeOf(problems[0].Err) != fault.IMDSDenied {
			w.Error(problems, err)
		}
	})
}

func TestTagValuesThatAreNoTextAreNotTaken(t *testing.T) {
	for body, want := range map[string]string{
		"": "", "a": "a", " a b ": " a b ", "a\n": "a", "ü/=+:@": "ü/=+:@",
	} {
		if got, err := tagValue([]byte(body)); got != want || err != nil {
			t.Errorf("%q: %q, %v", body, got, err)
		}
	}
	for _, body := range []string{"a\nb", "\x00", "\xff", strings.Repeat("a", maxValue+1)} {
		if got, err := tagValue([]byte(body)); err == nil {
			t.Errorf("%q was taken for %q", body, got)
		}
	}
}

func TestAVPCWithoutNetworksIsAProblemWithAWayOut(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		_, problems, err := w.client.Identity(w.Context(), Need{VPCNetworks: true})
		if err != nil || len(problems) != 1 || problems[0].Fact != "instance.vpcNetworks" {
			w.Fatal(problems, err)
		}
		if f, ok := fault.Find(problems[0].Err); !ok || !strings.Contains(f.Remedy, "noProxy") {
			w.Errorf("got %+v", f)
		}
	})
	for _, body := range []string{"10.0.0.0", "10.0.0.0/33", "<html>", "::ffff:10.0.0.0/112", ""} {
		if got, err := parseNetworks([]byte(body)); err == nil {
			t.Errorf("%q: %v", body, got)
		}
	}
}
