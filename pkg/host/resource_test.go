package host_test

import (
	"encoding/json"
	"testing"

	"github.com/eksnode/eksnode/pkg/host"
)

func TestStoredResourcesSurviveJSON(t *testing.T) {
	for _, r := range []host.Resource{
		host.File{Path: "/a", Content: []byte{0, 1, 255}, Mode: 0o600, UID: 1, GID: 2, Secret: true},
		host.Dir{Path: "/d", Mode: 0o755}, host.Link{Path: "/l", Target: "/t"},
		host.Service{Name: "k.service", Running: true, Current: true, Reads: []host.ID{{Kind: host.KindFile, Name: "/a:b"}}},
		host.Sysctl{Key: "vm.x", Value: "1", AtLeast: true}, host.Image{Ref: "pause:1", Pinned: true, Archive: "/x", Source: "r/p:1"},
		host.Module{Name: "br_netfilter"}, host.HugePages{SizeKiB: 2048, NUMANode: -1, Count: 3}, host.HugePages{SizeKiB: 1 << 20, Count: 1},
		host.SwapFile{Path: "/a b", Bytes: 1 << 40, Active: true}, host.Absent{Path: "/x", Digest: "0a", Because: "old"},
	} {
		b, err := json.Marshal(host.Stored{Resource: r})
		if err != nil {
			t.Fatal(err)
		}
		var back host.Stored
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if again, _ := json.Marshal(back); string(again) != string(b) {
			t.Errorf("got %s, want %s", again, b)
		}
		blank, err := host.Blank(r.ID())
		if err != nil || blank.ID() != r.ID() {
			t.Errorf("Blank(%s) = %v, %v", r.ID(), blank, err)
		}
	}
}

func TestAResourceOfANewerAgentIsAnErrorNotAPanic(t *testing.T) {
	var s host.Stored
	if err := json.Unmarshal([]byte(`{"kind":"hologram","spec":{}}`), &s); err == nil {
		t.Error("decoded")
	}
	if _, err := host.Blank(host.ID{Kind: "hologram", Name: "x"}); err == nil {
		t.Error("made")
	}
	for _, bad := range []string{"", "kB", "2048", "2048kBx", "2048kB@node", "2048kB@node-1", "2048kB@nodex", "02048kB", "2048kB@node01"} {
		if r, err := host.Blank(host.ID{Kind: host.KindHugePages, Name: bad}); err == nil {
			t.Errorf("%q is taken for %+v", bad, r)
		}
	}
	var id host.ID
	for _, bad := range []string{"", "file", "file:", ":x"} {
		if err := id.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q parsed", bad)
		}
	}
}
