// Package hugepages is the driver of the kernel's pools of huge pages.
//
// A pool that is too small is no pool: a pod that asks for its share would be
// scheduled to memory that is not there. So when the kernel cannot find as many
// pages as are wanted, the pool gets back the size that it had.
package hugepages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// The kernel's directories, Documentation/admin-guide/mm/hugetlbpage.rst.
const (
	allNodes = "/sys/kernel/mm/hugepages"
	nodes    = "/sys/devices/system/node"
)

// numberLimit bounds a file with one number in it.
const numberLimit = 4 << 10

// A pool grows by this much memory before the context is asked, since collecting it
// can take seconds where memory is fragmented; in no more than so many strides.
const (
	stride  = 4 << 20 // KiB
	strides = 64
)

// Driver looks after host.HugePages.
type Driver struct {
	root rootfs.Root
	// written is called after each write: tests stand for the kernel in it.
	written func()
}

// New returns the driver of the pools of the kernel under root.
func New(root rootfs.Root) *Driver { return &Driver{root, func() {}} }

// pool is where the kernel shows a pool.
type pool struct {
	*Driver
	dir  string
	want host.HugePages
}

func (d *Driver) pool(ctx context.Context, want host.Resource) (pool, error) {
	w, ok := want.(host.HugePages)
	if !ok {
		return pool{}, fmt.Errorf("internal error: the driver of huge pages was given %T", want)
	}
	if err := ctx.Err(); err != nil {
		return pool{}, err
	}
	if w.SizeKiB <= 0 || w.Count < 0 {
		return pool{}, fmt.Errorf("internal error: there is no pool of %d huge pages of %d KiB", w.Count, w.SizeKiB)
	}
	dir := allNodes
	if w.NUMANode >= 0 {
		dir = fmt.Sprintf("%s/node%d/hugepages", nodes, w.NUMANode)
	}
	return pool{d, path.Join(dir, fmt.Sprintf("hugepages-%dkB", w.SizeKiB)), w}, nil
}

// Observe implements host.Driver. Count is that of the persistent pages: those
// which the kernel has made beyond the pool for a while (surplus) do not count. A
// size or a node that this machine does not have is absent.
func (d *Driver) Observe(ctx context.Context, want host.Resource) (host.Resource, error) {
	p, err := d.pool(ctx, want)
	if err != nil {
		return nil, err
	}
	n, err := p.count()
	if rootfs.Absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p.want.Count = n
	return p.want, nil
}

func (p pool) count() (int64, error) {
	all, err := p.read("nr_hugepages")
	if err != nil {
		return 0, err
	}
	surplus, err := p.read("surplus_hugepages")
	if err != nil && !rootfs.Absent(err) {
		return 0, err
	}
	return max(all-surplus, 0), nil
}

func (p pool) read(name string) (int64, error) {
	b, err := p.root.ReadFile(path.Join(p.dir, name), numberLimit)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot read %s: %w", path.Join(p.dir, name), err)
	}
	return n, nil
}

// Apply implements host.Driver. When the kernel gives fewer pages than are
// wanted, or ctx ends, the pool is as it was. Errors are of code WriteFailed.
func (d *Driver) Apply(ctx context.Context, want host.Resource) error {
	p, err := d.pool(ctx, want)
	if err != nil {
		return err
	}
	old, err := p.count()
	if rootfs.Absent(err) {
		return p.failed("Ask for sizes that this machine has ("+d.sizes(path.Dir(p.dir))+"), for NUMA nodes that it has, or leave the pool out.",
			errors.New("the kernel has no such pool"))
	}
	if err != nil || old == p.want.Count {
		return err
	}
	if err := p.resize(ctx, old); err != nil {
		return errors.Join(err, p.set(old))
	}
	return nil
}

// resize writes the count, in strides where the pool grows.
func (p pool) resize(ctx context.Context, have int64) error {
	step := max(stride/p.want.SizeKiB, (p.want.Count-have)/strides, 1)
	for have != p.want.Count {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot set the pool %s: %w", p.want.ID().Name, err)
		}
		next := min(p.want.Count, have+step)
		if err := p.set(next); err != nil {
			return err
		}
		got, err := p.count()
		if err != nil {
			return err
		}
		if got < next {
			return p.failed("Reserve the pages before memory is fragmented: ask for fewer, put hugepagesz= and hugepages= on the kernel's command line, "+
				"or run eksnode init right after a boot.",
				fmt.Errorf("the kernel finds memory in one piece for %d of %d pages", got, p.want.Count))
		}
		if got > next {
			return p.failed("End what holds huge pages (cordon and drain the node), and see that nothing else sets the pool, such as a sysctl vm.nr_hugepages.",
				fmt.Errorf("the kernel keeps %d pages", got))
		}
		have = next
	}
	return nil
}

// set hands a count over in one write.
func (p pool) set(n int64) error {
	name := path.Join(p.dir, "nr_hugepages")
	at, err := p.root.Target(name)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(at, os.O_WRONLY|os.O_TRUNC, 0)
	if err == nil {
		_, err = f.WriteString(strconv.FormatInt(n, 10) + "\n")
		err = errors.Join(err, f.Close())
		p.written()
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = fmt.Errorf("%s: %w", name, pe.Err)
	}
	if err != nil {
		return p.failed("See whether this machine (or container) may set huge pages; pages of 1 GiB need a kernel and an instance type that have them.", err)
	}
	return nil
}

// sizes lists the sizes that dir has pools of, for a person.
func (d *Driver) sizes(dir string) string {
	entries, err := d.root.ReadDir(dir)
	if err != nil {
		return "none"
	}
	var out []string
	for _, e := range entries {
		if size, ok := strings.CutPrefix(e.Name(), "hugepages-"); ok {
			out = append(out, size)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}

func (p pool) failed(remedy string, cause error) error {
	return fault.New(fault.WriteFailed, remedy, fmt.Errorf("cannot make the pool of huge pages %s %d pages large: %w", p.want.ID().Name, p.want.Count, cause))
}

// Remove implements host.Driver. A pool cannot be absent, so it leaves the count;
// the engine gives an original back through Apply.
func (d *Driver) Remove(ctx context.Context, _ host.ID) error { return ctx.Err() }
