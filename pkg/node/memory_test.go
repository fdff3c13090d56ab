package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

func node64(n int64) *int64 { return &n }

func TestPoolsOfHugePagesComeLargestFirst(t *testing.T) {
	in := Input{}
	in.Config.Spec.HugePages = []api.HugePages{
		{Size: "2Mi", Count: 512, NUMANode: node64(1)}, {Size: "1Gi", Count: 2}, {Size: "2048Ki", Count: 256, NUMANode: node64(0)},
	}
	want := []host.HugePages{{SizeKiB: 1 << 20, NUMANode: -1, Count: 2}, {SizeKiB: 2048, Count: 256}, {SizeKiB: 2048, NUMANode: 1, Count: 512}}
	if got, err := in.HugePages(); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %+v (%v)", got, err)
	}
	if got := in.HugePagesReads(); !slices.Equal(got, []host.ID{want[0].ID(), want[1].ID(), want[2].ID()}) {
		t.Errorf("kubelet reads %v", got)
	}
	if got := (Input{}).HugePagesReads(); got != nil {
		t.Errorf("without a pool kubelet reads %v", got)
	}
}

func TestPoolsThatCannotBeAreRefused(t *testing.T) {
	for name, pools := range map[string][]api.HugePages{
		"no power of two":            {{Size: "3Mi"}},
		"a page of normal size":      {{Size: "4Ki"}},
		"no size":                    {{}},
		"less than no pages":         {{Size: "2Mi", Count: -1}},
		"more than there can be":     {{Size: "1Gi", Count: 1 << 40}},
		"no such node":               {{Size: "2Mi", NUMANode: node64(-1)}},
		"twice":                      {{Size: "1Gi", Count: 1}, {Size: "1024Mi", Count: 2}},
		"twice on a node":            {{Size: "1Gi", NUMANode: node64(0)}, {Size: "1Gi", NUMANode: node64(0)}},
		"on all nodes and on one":    {{Size: "1Gi", NUMANode: node64(3)}, {Size: "1Gi"}},
		"one bad beside a good pool": {{Size: "2Mi", Count: 1}, {Size: "x"}},
	} {
		in := Input{}
		in.Config.Spec.HugePages = pools
		got, err := in.HugePages()
		if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || f.Remedy == "" || got != nil || !strings.Contains(err.Error(), "spec.hugePages") {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestASwapFileIsMadeOnlyWhereItHasASize(t *testing.T) {
	for name, row := range map[string]struct {
		swap api.Swap
		want *host.SwapFile
	}{
		"nothing":                  {},
		"a machine that brings it": {swap: api.Swap{Behavior: "LimitedSwap"}},
		"the usual place":          {api.Swap{Size: "4Gi"}, &host.SwapFile{Path: "/var/lib/eksnode/swapfile", Bytes: 4 << 30, Active: true}},
		"a size between":           {api.Swap{Size: "1M", Path: "/mnt/swap file"}, &host.SwapFile{Path: "/mnt/swap file", Bytes: 1 << 20, Active: true}},
	} {
		in := Input{}
		in.Config.Spec.Swap = row.swap
		got, err := in.SwapFile()
		if err != nil || (got == nil) != (row.want == nil) || got != nil && *got != *row.want {
			t.Errorf("%s: got %+v (%v)", name, got, err)
		}
		if reads := in.SwapReads(); (len(reads) == 1) != (row.want != nil) {
			t.Errorf("%s: kubelet reads %v", name, reads)
		}
	}
	for name, swap := range map[string]api.Swap{
		"no size": {Size: "much"}, "nothing": {Size: "0"}, "more than any disk": {Size: "9223372036854775807"}, "relative": {Size: "1Gi", Path: "swap"}, "the root": {Size: "1Gi", Path: "/"},
		"dots": {Size: "1Gi", Path: "/var/../etc/passwd"}, "trailing slash": {Size: "1Gi", Path: "/swap/"}, "two lines": {Size: "1Gi", Path: "/a\nb"},
	} {
		in := Input{}
		in.Config.Spec.Swap = swap
		got, err := in.SwapFile()
		if fault.CodeOf(err) != fault.ConfigInvalid || !strings.Contains(err.Error(), "spec.swap.") || got != nil || in.SwapReads() != nil {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}
