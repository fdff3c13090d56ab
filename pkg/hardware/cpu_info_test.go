package hardware

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestProcessorsAreNamedByEachArchitecture(t *testing.T) {
	for name, row := range map[string]struct{ text, vendor, model string }{
		"Intel":                            {"processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R)\nflags\t\t: fpu\n", "GenuineIntel", "Intel(R) Xeon(R)"},
		"Graviton2":                        {"Features\t: fp asimd\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n", "ARM", "Neoverse-N1"},
		"a core that is not in the table":  {"Features\t: fp\nCPU implementer\t: 0x41\nCPU part\t: 0xfff\n", "ARM", "0xfff"},
		"a maker that is not in the table": {"Features\t: fp\nCPU implementer\t: 0x99\nCPU part\t: 0x001\n", "0x99", "0x001"},
		"the second CPU does not count":    {"vendor_id\t: A\nflags\t\t: fpu\n\nvendor_id\t: B\nflags\t\t: x\n", "A", ""},
		"a model with control characters":  {"vendor_id\t: A\nmodel name\t: \x1b[31mred\nflags\t: x\n", "A", "[31mred"},
		"nothing":                          {"", "", ""},
	} {
		if p := parseCPUInfo(row.text); p.vendor != row.vendor || p.model != row.model {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

func TestLevelsOfX8664NeedAllOfTheirFeatures(t *testing.T) {
	v2 := "cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2"
	v3 := v2 + " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
	for _, tc := range []struct{ arch, flags, want string }{
		{"amd64", "fpu", "x86-64-v1"}, {"amd64", v2, "x86-64-v2"}, {"amd64", v3, "x86-64-v3"},
		{"amd64", v3 + " avx512f avx512bw avx512cd avx512dq", "x86-64-v3"},
		{"amd64", v3 + " avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4"},
		{"amd64", "avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v1"},
		{"amd64", "", ""}, {"arm64", "fp asimd", ""},
	} {
		if got := level(tc.arch, strings.Fields(tc.flags)); got != tc.want {
			t.Errorf("%s %s: got %s, want %s", tc.arch, tc.flags, got, tc.want)
		}
	}
}

func FuzzCPUInfo(f *testing.F) {
	f.Add("vendor_id\t: GenuineIntel\nmodel name\t: X\nflags\t\t: fpu avx\n\n")
	f.Add("Features\t: fp\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n")
	f.Fuzz(func(t *testing.T, text string) {
		p := parseCPUInfo(text)
		if p.vendor != printable(p.vendor) || p.model != printable(p.model) {
			t.Errorf("%q names %q %q", text, p.vendor, p.model)
		}
		if n := notable(p.flags); !slices.IsSorted(n) || len(slices.Compact(slices.Clone(n))) != len(n) {
			t.Errorf("%q has %v", text, n)
		}
	})
}

func TestQuotasAreRead(t *testing.T) {
	for text, want := range map[string]int64{"max 100000": 0, "-1": 0, "150000 100000": 1500, "100000 100000": 1000, "1000 1000000": 1, "1 1000000": 1, "3200000 100000": 32000} {
		if got, err := parseQuota(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "100000", "a b", "0 100000", "100000 0", "-5 100000", "1 2 3", "9223372036854775807 1"} {
		if got, err := parseQuota(text); err == nil {
			t.Errorf("%q: got %d", text, got)
		}
	}
}

func FuzzQuota(f *testing.F) {
	f.Add("max 100000")
	f.Add("150000 100000")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parseQuota(text); err == nil && n < 0 || err != nil && n != 0 {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	})
}

func TestTheTightestQuotaOnTheWayUpCounts(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	for name, row := range map[string]struct {
		tree fstest.MapFS
		want int64
	}{
		"none":                       {fstest.MapFS{cgroupControllers: file("cpu"), selfCgroup: file("0::/a/b\n")}, 0},
		"own":                        {fstest.MapFS{cgroupControllers: file("cpu"), selfCgroup: file("0::/a/b\n"), "sys/fs/cgroup/a/b/cpu.max": file("50000 100000"), "sys/fs/cgroup/a/cpu.max": file("max 100000")}, 500},
		"of one above":               {fstest.MapFS{cgroupControllers: file("cpu"), selfCgroup: file("0::/a/b\n"), "sys/fs/cgroup/a/b/cpu.max": file("200000 100000"), "sys/fs/cgroup/a/cpu.max": file("150000 100000")}, 1500},
		"a namespace's root":         {fstest.MapFS{cgroupControllers: file("cpu"), selfCgroup: file("0::/\n"), "sys/fs/cgroup/cpu.max": file("50000 100000")}, 500},
		"outside of the namespace":   {fstest.MapFS{cgroupControllers: file("cpu"), selfCgroup: file("0::/../../x\n")}, 0},
		"version 1, in a hybrid":     {fstest.MapFS{"sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us": file("25000\n"), "sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us": file("100000\n"), selfCgroup: file("0::/x\n4:cpu,cpuacct:/a\n")}, 250},
		"version 1, without a quota": {fstest.MapFS{"sys/fs/cgroup/cpu/cpu.cfs_quota_us": file("-1\n"), selfCgroup: file("4:cpu:/\n3:cpuset:/\n")}, 0},
		"no controller of CPUs":      {fstest.MapFS{selfCgroup: file("1:name=systemd:/a\n")}, 0},
	} {
		if got, err := quota(row.tree); err != nil || got != row.want {
			t.Errorf("%s: got %d, %v, want %d", name, got, err, row.want)
		}
	}
}
