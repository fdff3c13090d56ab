package hugepages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

const twoMiB = "sys/kernel/mm/hugepages/hugepages-2048kB/"

// machine makes a root with files, as "path = content".
func machine(t *testing.T, files ...string) rootfs.Root {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name, content, _ := strings.Cut(f, " = ")
		put(t, filepath.Join(dir, name), content)
	}
	return rootfs.At(dir)
}

func put(t *testing.T, p, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pages(count int64) host.HugePages {
	return host.HugePages{SizeKiB: 2048, NUMANode: -1, Count: count}
}

func TestPoolsAreSeenWithoutTheirSurplus(t *testing.T) {
	root := machine(t, twoMiB+"nr_hugepages = 20\n", twoMiB+"surplus_hugepages = 4\n",
		"sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages = 3\n")
	for _, row := range []struct {
		name string
		look host.HugePages
		want host.Resource
	}{
		{"over all nodes", pages(1), pages(16)},
		{"on a node", host.HugePages{SizeKiB: 1 << 20, NUMANode: 1}, host.HugePages{SizeKiB: 1 << 20, NUMANode: 1, Count: 3}},
		{"on a node that is not there", host.HugePages{SizeKiB: 1 << 20, NUMANode: 2}, nil},
		{"of a size that is not there", host.HugePages{SizeKiB: 1 << 20, NUMANode: -1}, nil},
	} {
		if seen, err := New(root).Observe(t.Context(), row.look); err != nil || !host.Equal(seen, row.want) {
			t.Errorf("%s: seen %+v (%v)", row.name, seen, err)
		}
	}
}

func TestAPoolIsSetOnItsNodeAlone(t *testing.T) {
	const one = "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
	root := machine(t, twoMiB+"nr_hugepages = 0\n", one+" = 0\n")
	if err := New(root).Apply(t.Context(), host.HugePages{SizeKiB: 2048, Count: 7}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"/" + one: "7\n", "/" + twoMiB + "nr_hugepages": "0\n"} {
		if got, err := root.ReadFile(name, 100); err != nil || string(got) != want {
			t.Errorf("%s is %q (%v)", name, got, err)
		}
	}
}

// kernel stands for a kernel that has pages for so many: whatever is written into
// the pool's file is cut to that before it is read again. It holds every write.
type kernel struct {
	dir    string
	most   int64
	writes []int64
}

// settle is what the kernel does with a count that has been written.
func (k *kernel) settle(t *testing.T) {
	t.Helper()
	name := filepath.Join(k.dir, twoMiB, "nr_hugepages")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	k.writes = append(k.writes, n)
	put(t, name, fmt.Sprintln(min(n, k.most)))
}

func TestAFragmentedMachineGetsItsOldPoolBack(t *testing.T) {
	root := machine(t, twoMiB+"nr_hugepages = 10\n")
	k := &kernel{dir: root.String(), most: 4000}
	d := New(root)
	d.written = func() { k.settle(t) }
	err := d.Apply(t.Context(), pages(8192))
	f, ok := fault.Find(err)
	if !ok || f.Code != fault.WriteFailed || !strings.Contains(f.Remedy, "hugepages=") {
		t.Errorf("got %+v", f)
	}
	if want := "cannot make the pool of huge pages 2048kB 8192 pages large: the kernel finds memory in one piece for 4000 of 8192 pages"; err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
	if want := []int64{2058, 4106, 10}; fmt.Sprint(k.writes) != fmt.Sprint(want) {
		t.Errorf("wrote %v, want %v", k.writes, want)
	}
	if seen, err := d.Observe(t.Context(), pages(0)); err != nil || !host.Equal(seen, pages(10)) {
		t.Errorf("the pool is %+v (%v)", seen, err)
	}
}

func TestAPoolThatIsInUseIsNotCutShort(t *testing.T) {
	root := machine(t, twoMiB+"nr_hugepages = 10\n")
	d := New(root)
	d.written = func() { put(t, filepath.Join(root.String(), twoMiB, "nr_hugepages"), "10\n") }
	err := d.Apply(t.Context(), pages(2))
	if f, ok := fault.Find(err); !ok || !strings.Contains(err.Error(), "the kernel keeps 10 pages") || !strings.Contains(f.Remedy, "drain") {
		t.Errorf("got %v", err)
	}
}

func TestAnInterruptedGrowthGivesBackWhatItTook(t *testing.T) {
	root := machine(t, twoMiB+"nr_hugepages = 1\n")
	ctx, cancel := context.WithCancel(t.Context())
	d := New(root)
	d.written = cancel
	if err := d.Apply(ctx, pages(100_000)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if seen, err := d.Observe(t.Context(), pages(0)); err != nil || !host.Equal(seen, pages(1)) {
		t.Errorf("the pool is %+v (%v)", seen, err)
	}
}

func TestASizeThatTheMachineLacksNamesThoseItHas(t *testing.T) {
	root := machine(t, twoMiB+"nr_hugepages = 0\n", "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages = 0\n")
	for _, row := range []struct {
		want         host.HugePages
		says, remedy string
	}{
		{host.HugePages{SizeKiB: 16 << 20, NUMANode: -1, Count: 1}, "16777216kB 1 pages large: the kernel has no such pool", "(1048576kB, 2048kB)"},
		{host.HugePages{SizeKiB: 2048, NUMANode: 3, Count: 1}, "2048kB@node3 1 pages large: the kernel has no such pool", "(none)"},
	} {
		err := New(root).Apply(t.Context(), row.want)
		if f, ok := fault.Find(err); !ok || !strings.HasSuffix(err.Error(), row.says) || !strings.Contains(f.Remedy, row.remedy) {
			t.Errorf("got %v, %+v", err, f)
		}
	}
}

func TestWhatIsNoNumberIsNotTakenForNone(t *testing.T) {
	root := machine(t, twoMiB+"nr_hugepages = many\n")
	if seen, err := New(root).Observe(t.Context(), pages(1)); err == nil || !strings.Contains(err.Error(), "nr_hugepages") {
		t.Errorf("seen %+v (%v)", seen, err)
	}
}
