package hardware

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandLinesAreSplitAsTheKernelDoes(t *testing.T) {
	for name, row := range map[string]struct {
		text string
		want []string
	}{
		"plain":                    {"ro  quiet\tisolcpus=2-3\n", []string{"ro", "quiet", "isolcpus=2-3"}},
		"blanks in a value":        {`a="b c" d`, []string{"a=b c", "d"}},
		"a quoted parameter":       {`"a=b c" d`, []string{"a=b c", "d"}},
		"a quote that stays open":  {`a="b c`, []string{"a=b c"}},
		"what is behind is init's": {"a -- isolcpus=1", []string{"a"}},
		"-- in a word is none":     {"a --b c", []string{"a", "--b", "c"}},
		"nothing":                  {" ", nil},
		"only what is behind":      {"-- x", nil},
	} {
		if got := parseCmdline(row.text); !slices.Equal(got, row.want) {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func TestOnlyWhatMattersOfACommandLineIsKept(t *testing.T) {
	got := essential(parseCmdline("ro root=/dev/x token=secret hugepagesz=1G hugepages=4 hugepagesz=2M hugepages=64 transparent-hugepage=never systemd.setenv=A=secret isolcpus=1"))
	want := []string{"hugepagesz=1G", "hugepages=4", "hugepagesz=2M", "hugepages=64", "transparent-hugepage=never", "isolcpus=1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func FuzzCmdline(f *testing.F) {
	for _, s := range []string{"ro quiet", `a="b c" "d e"`, "x -- y", `"`, `a="`, "\x00\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		all := parseCmdline(text)
		for _, p := range all {
			if len(p) > len(text) {
				t.Errorf("%q holds %q", text, p)
			}
		}
		for _, p := range essential(all) {
			if p != printable(p) {
				t.Errorf("%q holds %q", text, p)
			}
		}
	})
}

func TestModulesAreReadWithTheirTaint(t *testing.T) {
	got := parseModules("nvidia 9715712 12 nvidia_uvm,nvidia_modeset, Live 0x0000000000000000 (POE)\noverlay 212992 0 - Live 0x0\nshort 1 2\n\n")
	want := []Module{{Name: "nvidia", Taint: "POE"}, {Name: "overlay"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

func FuzzModules(f *testing.F) {
	f.Add("nvidia 9715712 12 - Live 0x0 (POE)\n")
	f.Add("() () () () () ()")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range parseModules(text) {
			if m.Name == "" || strings.ContainsAny(m.Name+m.Taint, " \n") {
				t.Errorf("%q holds %+v", text, m)
			}
		}
	})
}

func TestTheChoiceIsTheWordInBrackets(t *testing.T) {
	for text, want := range map[string]string{"always [madvise] never": "madvise", "[none] integrity confidentiality": "none", "[x]": "x"} {
		if got, err := chosen(text); err != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "always madvise never", "[]", "[a", "a]"} {
		if got, err := chosen(text); err == nil {
			t.Errorf("%s: got %s", text, got)
		}
	}
}

func TestSwapsAreRead(t *testing.T) {
	got, err := parseSwaps("Filename\tType\tSize\tUsed\tPriority\n/dev/zram0  partition\t1024\t0\t100\n/swap\\040file file 2048 0 -2\n")
	want := []Swap{{"/dev/zram0", "partition", 1 << 20}, {`/swap\040file`, "file", 2 << 20}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, want (-), got (+):\n%s", err, d)
	}
	for _, text := range []string{"h\n/swap file 1 2", "h\n/swap file x 0 -2", "h\n/swap file -1 0 -2", "h\n/swap file 9223372036854775807 0 -2"} {
		if got, err := parseSwaps(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func FuzzSwaps(f *testing.F) {
	f.Add("Filename\tType\tSize\tUsed\tPriority\n/dev/zram0  partition\t1024\t0\t100\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseSwaps(text)
		for _, s := range got {
			if s.Bytes < 0 || err != nil {
				t.Errorf("%q: %+v, %v", text, s, err)
			}
		}
	})
}
