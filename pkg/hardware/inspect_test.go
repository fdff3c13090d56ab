package hardware

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/internal/golden"
)

// asJSON returns facts as JSON has them.
func asJSON(t *testing.T, f Facts) map[string]any {
	t.Helper()
	b, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// within reports whether all that is in a is the same in b.
func within(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		for k, v := range a {
			ok = ok && within(v, b[k])
		}
		return ok
	case []any:
		b, ok := b.([]any)
		ok = ok && len(a) == len(b)
		for i, v := range a {
			ok = ok && within(v, b[i])
		}
		return ok
	}
	return a == b
}

func TestInspectAddsToWhatDetectSees(t *testing.T) {
	for _, name := range machines(t) {
		d, i := Detect(machine(t, name), arch(t, name)), Inspect(machine(t, name), arch(t, name))
		if d.Inspected() || !i.Inspected() {
			t.Errorf("%s: Detect or Inspect pass for each other", name)
		}
		n := len(d.Problems)
		if n > len(i.Problems) || !slices.Equal(d.Problems, i.Problems[:n]) {
			t.Errorf("%s: problems of Detect %v are not the first of Inspect", name, d.Problems)
		}
		d.Problems, i.Problems = nil, nil
		if !within(asJSON(t, d), asJSON(t, i)) {
			t.Errorf("%s: Detect (-), Inspect (+):\n%s", name, cmp.Diff(d, i))
		}
	}
}

// watched notes what is opened, listed or looked at.
type watched struct {
	fstest.MapFS
	seen map[string]bool
}

func (w watched) Open(name string) (fs.File, error) { w.seen[name] = true; return w.MapFS.Open(name) }
func (w watched) ReadDir(name string) ([]fs.DirEntry, error) {
	w.seen[name] = true
	return w.MapFS.ReadDir(name)
}
func (w watched) Stat(name string) (fs.FileInfo, error) {
	w.seen[name] = true
	return w.MapFS.Stat(name)
}
func (w watched) ReadLink(name string) (string, error) {
	w.seen[name] = true
	return w.MapFS.ReadLink(name)
}

// Every boot waits for Detect. A longer list here is a slower boot, and needs a
// decision that reads the new fact.
func TestDetectReadsOnlyWhatDecisionsNeed(t *testing.T) {
	w := watched{machine(t, "p5.48xlarge"), map[string]bool{}}
	Detect(w, "amd64")
	numbers := regexp.MustCompile(`\b(memory|node)\d+|[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.\d`)
	names := map[string]bool{}
	for name := range w.seen {
		names[numbers.ReplaceAllString(name, "${1}N")] = true
	}
	golden.Assert(t, "testdata/detect-reads.txt", strings.Join(slices.Sorted(maps.Keys(names)), "\n")+"\n")
}

func TestWhatCannotBeReadIsNeverNothing(t *testing.T) {
	alike := regexp.MustCompile(`/memory[1-9]\d*/|/cpu([2-9]|\d\d+)(/|$)`) // one of them is enough
	for _, name := range []string{"m5.2xlarge-enclave", "t2.medium", "nutanix", "m6i.xlarge-bottlerocket", "arm-no-firmware"} {
		tree, a := machine(t, name), arch(t, name)
		maps.DeleteFunc(tree, func(path string, _ *fstest.MapFile) bool {
			return strings.Contains(path, "/memory/") && alike.MatchString(path)
		})
		whole := Inspect(tree, a)
		for path := range tree {
			if alike.MatchString(path) {
				continue
			}
			got := Inspect(broken{tree, []string{path}, errors.New("input/output error")}, a)
			told := len(got.Problems) > len(whole.Problems)
			got.Problems = whole.Problems
			if d := cmp.Diff(whole, got); d != "" && !told {
				t.Errorf("%s: /%s: lost without a problem:\n%s", name, path, d)
			}
		}
	}
}

// changed lists the fields, two levels deep, in which facts differ.
func changed(a, b map[string]any, prefix string) []string {
	keys := maps.Clone(a)
	maps.Copy(keys, b)
	var out []string
	for k := range keys {
		x, okX := a[k].(map[string]any)
		y, okY := b[k].(map[string]any)
		switch {
		case prefix == "" && (okX || okY):
			out = append(out, changed(x, y, k+".")...)
		case !reflect.DeepEqual(a[k], b[k]):
			out = append(out, prefix+k)
		}
	}
	slices.Sort(out)
	return out
}

func TestAFailedProbeOfInspectCostsOnlyItself(t *testing.T) {
	whole := Inspect(machine(t, "m6i.xlarge-bottlerocket"), "amd64")
	if len(whole.Problems) > 0 {
		t.Fatalf("the whole machine has problems: %v", whole.Problems)
	}
	for _, tc := range []struct {
		path, probe string
		lost        []string
	}{
		{"sys/devices/system/cpu/isolated", "topology", nil},
		{"sys/devices/system/cpu/cpu1/topology", "topology", []string{"cpu.cores", "cpu.sockets", "cpu.threadsPerCore"}},
		{"proc/cpuinfo", "processor", []string{"cpu.features", "cpu.level", "cpu.model", "cpu.vendor"}},
		{"proc/self/status", "allowance", []string{"cpu.allowed"}},
		{"sys/devices/system/node/node0/meminfo", "numa", []string{"numa"}},
		{"sys/kernel/mm/hugepages", "hugepages", []string{"memory.hugePages"}},
		{"sys/kernel/mm/transparent_hugepage", "hugepages", []string{"memory.transparentHugePages"}},
		{"proc/swaps", "swap", nil},
		{"proc/cmdline", "kernel", nil},
		{"proc/modules", "modules", nil},
		{"sys/class/ptp", "clock", nil},
		{"sys/devices/system/clocksource/clocksource0/current_clocksource", "clock", []string{"clock.source"}},
		{"sys/fs/selinux/enforce", "security", []string{"security.selinux"}},
		{"sys/kernel/security/lockdown", "security", []string{"security.lockdown"}},
		{"proc/sys/crypto/fips_enabled", "security", []string{"security.fips"}},
		{"sys/firmware/efi", "security", []string{"security.boot", "security.secureBoot"}},
		{"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "security", []string{"security.secureBoot"}},
		{"sys/class/tpm", "tpm", []string{"tpm"}},
		{"dev/nitro_enclaves", "enclaves", []string{"nitroEnclaves.device"}},
		{"sys/devices/virtual/dmi/id/bios_vendor", "firmware", []string{"dmi.biosVendor"}},
	} {
		got := Inspect(broken{machine(t, "m6i.xlarge-bottlerocket"), []string{tc.path}, errors.New("input/output error")}, "amd64")
		for _, p := range got.Problems {
			if p.Probe != tc.probe || p.Remark || !strings.Contains(p.Message, "input/output error") {
				t.Errorf("%s: got problem %+v", tc.path, p)
			}
		}
		if len(got.Problems) == 0 {
			t.Errorf("%s: no problem", tc.path)
		}
		got.Problems = nil
		lost := slices.DeleteFunc(changed(asJSON(t, whole), asJSON(t, got), ""), func(s string) bool { return s == "platform.why" })
		if !slices.Equal(lost, tc.lost) {
			t.Errorf("%s: lost %v, want %v", tc.path, lost, tc.lost)
		}
	}
}

func TestWhatOnlyRootMaySeeIsARemarkForOthers(t *testing.T) {
	got := Inspect(broken{machine(t, "vmware"), []string{"sys/devices/virtual/dmi/id/product_uuid", smbiosTable}, fs.ErrPermission}, "amd64")
	if len(got.Problems) != 2 || !got.Problems[0].Remark || !got.Problems[1].Remark {
		t.Errorf("got %+v", got.Problems)
	}
	if got.Platform.Name != VMware || got.Platform.Confidence != Certain {
		t.Errorf("got %+v", got.Platform)
	}
}

func TestGarbageIsAProblemOfItsProbe(t *testing.T) {
	const cpu0, node0 = "sys/devices/system/cpu/cpu0/topology/", "sys/devices/system/node/node0/"
	for path, probe := range map[string]string{
		"sys/devices/system/cpu/present":                          "topology",
		"sys/devices/system/cpu/isolated":                         "topology",
		cpu0 + "physical_package_id":                              "topology",
		cpu0 + "thread_siblings_list":                             "topology",
		"proc/cpuinfo":                                            "processor",
		"proc/self/status":                                        "allowance",
		node0 + "cpulist":                                         "numa",
		node0 + "meminfo":                                         "numa",
		node0 + "distance":                                        "numa",
		node0 + "hugepages/hugepages-2048kB/nr_hugepages":         "numa",
		"sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": "hugepages",
		"sys/kernel/mm/hugepages/hugepages-xkB/nr_hugepages":      "hugepages",
		"sys/kernel/mm/transparent_hugepage/enabled":              "hugepages",
		"proc/swaps":                                              "swap",
		"sys/class/ptp/ptp0/clock_name":                           "clock",
		"sys/fs/selinux/enforce":                                  "security",
		"sys/module/apparmor/parameters/enabled":                  "security",
		"sys/kernel/security/lockdown":                            "security",
		"proc/sys/crypto/fips_enabled":                            "security",
		secureBootFile:                                            "security",
		smbiosTable:                                               "firmware",
	} {
		tree := machine(t, "m6i.xlarge-bottlerocket")
		tree[path] = &fstest.MapFile{Data: []byte("\x01\n\x02\n")}
		got := Inspect(tree, "amd64").Problems
		if len(got) != 1 || got[0].Probe != probe || got[0].Remark || strings.ContainsAny(got[0].Message, "\x01\n") {
			t.Errorf("%s: got problems %+v", path, got)
		}
	}
}

func TestAGroupWithoutAQuotaThatReadsIsAProblem(t *testing.T) {
	tree := machine(t, "pod-on-m5.2xlarge")
	tree["sys/fs/cgroup/cpu.max"] = &fstest.MapFile{Data: []byte("lots")}
	f := Inspect(tree, "amd64")
	if f.CPU.Allowed == nil || f.CPU.Allowed.Milli != 3000 || !slices.ContainsFunc(f.Problems, func(p Problem) bool { return p.Probe == "allowance" }) {
		t.Errorf("got %+v, %v", f.CPU.Allowed, f.Problems)
	}
}

func FuzzProcFiles(f *testing.F) {
	f.Add("Node 0 MemTotal:       7915844 kB\n")
	f.Add("Cpus_allowed_list:\t0-3\n")
	f.Add("always [madvise] never")
	f.Add("0::/a/b\n4:cpu,cpuacct:/a\n")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := totalIn(text, "Node 0 MemTotal:"); n < 0 || err != nil && n != 0 {
			t.Errorf("%q: %d, %v", text, n, err)
		}
		if s, err := allowedCPUs(text); (err == nil) != (s.Count() > 0) {
			t.Errorf("%q: %q, %v", text, s, err)
		}
		if w, err := chosen(text); w != printable(w) || err != nil && w != "" {
			t.Errorf("%q: %q, %v", text, w, err)
		}
		tree := fstest.MapFS{selfCgroup: {Data: []byte(text)}, cgroupControllers: {Data: []byte("cpu")}}
		if n, _ := quota(tree); n != 0 { // no group has one
			t.Errorf("%q: %d", text, n)
		}
	})
}
