package kmod

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// machine makes a root with files, as "path = content".
func machine(t *testing.T, files ...string) rootfs.Root {
	t.Helper()
	dir := t.TempDir()
	for _, f := range append(files, "proc/sys/kernel/osrelease = 6.1.150-174.273.amzn2023.x86_64\n") {
		name, content, _ := strings.Cut(f, " = ")
		name, target, link := strings.Cut(name, " -> ")
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if link {
			if err := os.Symlink(target, p); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(p, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return rootfs.At(dir)
}

// never is the Runner of tests in which nothing is to be run.
func never(context.Context, string, ...string) (string, error) {
	return "", errors.New("something was run")
}

func TestAModuleIsSeenLoadedOrBuiltIn(t *testing.T) {
	const builtin = "lib/modules/6.1.150-174.273.amzn2023.x86_64/modules.builtin = kernel/fs/ext4/ext4.ko\nkernel/net/sched/sch-fq.ko\nkernel/lib/not_br_netfilter.ko\n"
	for _, row := range []struct {
		name, module string
		files        []string
		want         bool
	}{
		{"nothing known", "br_netfilter", nil, false},
		{"loaded", "br_netfilter", []string{"sys/module/br_netfilter/initstate = live\n"}, true},
		{"asked for with a dash", "br-netfilter", []string{"sys/module/br_netfilter/initstate = live\n"}, true},
		{"on its way in", "br_netfilter", []string{"sys/module/br_netfilter/initstate = coming\n"}, false},
		{"on its way out", "br_netfilter", []string{"sys/module/br_netfilter/initstate = going\n"}, false},
		{"built in with parameters", "zswap", []string{"sys/module/zswap/parameters/enabled = N\n"}, true},
		{"built in without", "ext4", []string{builtin}, true},
		{"built in with a dash", "sch_fq", []string{builtin}, true},
		{"only the end of the name is the same", "br_netfilter", []string{builtin}, false},
		{"merged usr", "ext4", []string{"usr/" + builtin}, true},
		{"another kernel's list", "ext4", []string{"lib/modules/5.10.0/modules.builtin = kernel/fs/ext4/ext4.ko\n"}, false},
		{"a file in the place of the directory", "x", []string{"sys/module/x = "}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			want := host.Module{Name: row.module}
			seen, err := New(machine(t, row.files...), never).Observe(t.Context(), want)
			if err != nil || (seen != nil) != row.want || seen != nil && !host.Equal(seen, want) {
				t.Errorf("seen %+v (%v)", seen, err)
			}
		})
	}
}

func TestAModuleIsLoadedByTheMachinesModprobe(t *testing.T) {
	for _, place := range []string{"sbin/modprobe", "usr/sbin/modprobe", "usr/bin/modprobe"} {
		root := machine(t, "bin/kmod = \x7fELF", place+" -> /bin/kmod")
		var ran []string
		run := func(_ context.Context, program string, args ...string) (string, error) {
			ran = append(ran, strings.TrimPrefix(program, root.String())+" "+strings.Join(args, " "))
			return "", os.MkdirAll(filepath.Join(root.String(), "sys/module/nf_conntrack"), 0o755)
		}
		d := New(root, run)
		for range 2 {
			if err := d.Apply(t.Context(), host.Module{Name: "nf_conntrack"}); err != nil {
				t.Fatal(err)
			}
		}
		if want := "/" + place + " -- nf_conntrack"; len(ran) != 1 || ran[0] != want {
			t.Errorf("ran %q, want %q once", ran, want)
		}
		if err := d.Remove(t.Context(), host.Module{Name: "nf_conntrack"}.ID()); err != nil || len(ran) != 1 {
			t.Errorf("removing ran %q (%v)", ran, err)
		}
	}
}

func TestAModuleThatDoesNotLoadSaysWhy(t *testing.T) {
	fails := func(stderr string) Runner {
		return func(context.Context, string, ...string) (string, error) { return stderr, errors.New("exit status 1") }
	}
	hangs := func(context.Context, string, ...string) (string, error) { select {} }
	for _, row := range []struct {
		name         string
		files        []string
		run          Runner
		code         fault.Code
		says, remedy string
	}{
		{"no modprobe", nil, never, fault.BinaryMissing,
			"cannot load kernel module dummy: the machine has no modprobe in /sbin, /usr/sbin or /usr/bin", "Install the package kmod"},
		{"no such module", []string{"sbin/modprobe = x"}, fails("modprobe: FATAL: Module dummy not found\n  in directory /lib/modules/6.1\n"), fault.WriteFailed,
			"cannot load kernel module dummy: modprobe: exit status 1: modprobe: FATAL: Module dummy not found;   in directory /lib/modules/6.1", "6.1.150-174.273.amzn2023.x86_64"},
		{"silent failure", []string{"sbin/modprobe = x"}, fails(""), fault.WriteFailed,
			"cannot load kernel module dummy: modprobe: exit status 1", "dmesg"},
		{"hanging in the kernel", []string{"sbin/modprobe = x"}, hangs, fault.WriteFailed,
			"cannot load kernel module dummy: modprobe has not ended after 10ms", "dmesg"},
		{"an alias", []string{"sbin/modprobe = x"}, func(context.Context, string, ...string) (string, error) { return "", nil }, fault.WriteFailed,
			"cannot load kernel module dummy: modprobe is content, but the kernel shows no such module", "modprobe --resolve-alias dummy"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := New(machine(t, row.files...), row.run)
			d.bound = 10 * time.Millisecond
			err := d.Apply(t.Context(), host.Module{Name: "dummy"})
			f, ok := fault.Find(err)
			if !ok || f.Code != row.code || err.Error() != row.says || !strings.Contains(f.Remedy, row.remedy) {
				t.Errorf("got %+v\n%v", f, err)
			}
		})
	}
}

func TestAModprobeThatNobodyMayExecuteIsNone(t *testing.T) {
	root := machine(t, "sbin/modprobe = x")
	if err := os.Chmod(filepath.Join(root.String(), "sbin/modprobe"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := New(root, never).Apply(t.Context(), host.Module{Name: "dummy"}); fault.CodeOf(err) != fault.BinaryMissing {
		t.Errorf("got %v", err)
	}
}

func TestCancellingDoesNotWaitForModprobe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := New(machine(t, "sbin/modprobe = x"), func(context.Context, string, ...string) (string, error) { cancel(); select {} })
	if err := d.Apply(ctx, host.Module{Name: "dummy"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestANameThatIsNoModulesIsRefused(t *testing.T) {
	d := New(machine(t), never)
	for _, name := range []string{"", "-r", "../../etc", "a b", "a\n", "a/b", ".", strings.Repeat("x", 56)} {
		if seen, err := d.Observe(t.Context(), host.Module{Name: name}); err == nil {
			t.Errorf("%q: seen %+v", name, seen)
		}
	}
}
