package hardware

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/internal/golden"
)

// arch is the architecture of a machine, by its processors: Arm's have features
// where others have flags.
func arch(t *testing.T, name string) string {
	if info := machine(t, name)[cpuInfo]; info != nil && strings.Contains(string(info.Data), "CPU implementer") {
		return "arm64"
	}
	return "amd64"
}

func TestInspectTellsEveryRecordedMachine(t *testing.T) {
	for _, name := range machines(t) {
		t.Run(name, func(t *testing.T) {
			b, err := json.MarshalIndent(Inspect(machine(t, name), arch(t, name)), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, filepath.Join("testdata", name, "want.json"), append(b, '\n'))
		})
	}
}

// A real directory has real symbolic links, and the kernel follows them. These are
// the machines in which every probe sees something, right or wrong, and which are
// small.
func TestInspectSeesTheSameOnARealFilesystem(t *testing.T) {
	for _, name := range []string{"m5.large", "m5.2xlarge-enclave", "t2.medium", "nutanix", "vmware", "i4i.4xlarge", "foreign-nvme", "no-pci-bus", "no-numa-nodes", "garbage", "empty"} {
		t.Run(name, func(t *testing.T) {
			tree := machine(t, name)
			dir := t.TempDir()
			for path, file := range tree {
				write(t, filepath.Join(dir, path), file)
			}
			want, got := Inspect(tree, arch(t, name)), Inspect(os.DirFS(dir), arch(t, name))
			// Packages fs and os word the same mishap differently.
			for _, f := range []*Facts{&want, &got} {
				for i := range f.Problems {
					f.Problems[i].Message = strings.Replace(f.Problems[i].Message, "no such file or directory", fs.ErrNotExist.Error(), -1)
					f.Problems[i].Message = strings.Replace(f.Problems[i].Message, "is a directory", fs.ErrInvalid.Error(), -1)
				}
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("in memory (-), on disk (+):\n%s", d)
			}
		})
	}
}

func write(t *testing.T, path string, file *fstest.MapFile) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	switch {
	case err != nil:
	case file.Mode&fs.ModeSymlink != 0:
		err = os.Symlink(string(file.Data), path)
	case file.Mode.IsDir():
		err = os.MkdirAll(path, 0o755)
	default:
		err = os.WriteFile(path, file.Data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFailedProbeCostsOnlyItself(t *testing.T) {
	whole := Detect(machine(t, "m5.large"), "amd64")
	if len(whole.Problems) != 0 {
		t.Fatalf("the whole machine has problems: %v", whole.Problems)
	}
	for _, tc := range []struct {
		probe  string
		broken []string
		lose   func(*Facts)
	}{
		{"cpu", []string{cpuDir}, func(f *Facts) { f.CPU.Online = 0 }},
		{"memory", []string{memoryDir, meminfo}, func(f *Facts) { f.Memory = Memory{} }},
		{"pci", []string{pciDir}, func(f *Facts) { f.PCI = nil }},
		{"os", []string{"etc/os-release", "usr/lib/os-release", kernelRelease, cgroupDir}, func(f *Facts) { f.OS = OS{} }},
		{"dmi", []string{dmiDir}, func(f *Facts) { f.DMI = DMI{} }},
	} {
		t.Run(tc.probe, func(t *testing.T) {
			for _, cause := range []error{fs.ErrPermission, errors.New("input/output error"), fs.ErrNotExist} {
				if tc.probe == "pci" && cause == fs.ErrNotExist {
					continue // no such folder beside other buses is an answer; see no-pci-bus
				}
				root := broken{machine(t, "m5.large"), tc.broken, cause}
				if cause == fs.ErrNotExist && tc.probe == "cpu" {
					root.paths = append(root.paths, nodeDir)
				}
				got := Detect(root, "amd64")
				if len(got.Problems) == 0 {
					t.Fatalf("%v: lost without a problem", cause)
				}
				for _, p := range got.Problems {
					if p.Probe != tc.probe || p.Remark || !strings.Contains(p.Message, cause.Error()) {
						t.Errorf("%v: got problem %+v", cause, p)
					}
				}
				want := whole
				tc.lose(&want)
				got.Problems = nil
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%v: want (-), got (+):\n%s", cause, d)
				}
			}
		})
	}
}

func TestOnlyMemTotalIsARemarkAndNoFailure(t *testing.T) {
	got := Detect(without(machine(t, "m5.large"), memoryDir), "amd64")
	if got.Memory.OnlineBytes != 7915844*1024 {
		t.Errorf("got %d bytes", got.Memory.OnlineBytes)
	}
	if len(got.Problems) != 1 || !got.Problems[0].Remark || got.Problems[0].Probe != "memory" {
		t.Errorf("got problems %+v", got.Problems)
	}
}

func TestOneBrokenPCIFunctionCostsOnlyItself(t *testing.T) {
	const ena = "sys/devices/pci0000:00/0000:00:05.0"
	for _, attribute := range []string{"vendor", "device", "class", "driver"} {
		got, problems := pci(broken{machine(t, "m5.large"), []string{pciDir + "/0000:00:05.0/" + attribute}, fs.ErrPermission})
		if len(got) != 5 || len(problems) != 1 || !strings.Contains(problems[0].Message, "0000:00:05.0/"+attribute) {
			t.Errorf("%s: got %d functions, problems %v", attribute, len(got), problems)
		}
	}
	// The folder listed it, and then it was pulled out.
	tree := without(machine(t, "m5.large"), ena)
	got, problems := pci(tree)
	if len(got) != 5 || len(problems) != 0 {
		t.Errorf("unplugged: got %d functions, problems %v", len(got), problems)
	}
}

// plain hides everything but Open.
type plain struct{ root fs.FS }

func (p plain) Open(name string) (fs.File, error) { return p.root.Open(name) }

func TestDriversThatCannotBeToldAreSaidSo(t *testing.T) {
	got, problems := pci(plain{machine(t, "p5.48xlarge")})
	if len(problems) != 1 || !problems[0].Remark {
		t.Fatalf("got problems %v", problems)
	}
	for _, d := range got {
		if d.Driver != "" || d.Vendor == "" {
			t.Errorf("got %+v", d)
		}
	}
}

func TestHasNVIDIALooksAtVendorsAlone(t *testing.T) {
	for name, want := range map[string]bool{"p5.48xlarge": true, "m5.large": false, "firecracker-guest": false} {
		if got := Detect(machine(t, name), "amd64").HasNVIDIA(); got != want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	// A card without a driver is there all the same.
	f := Detect(plain{machine(t, "p5.48xlarge")}, "amd64")
	if !f.HasNVIDIA() {
		t.Error("a GPU without a bound driver is not seen")
	}
}

func TestAFileWithoutEndIsRefused(t *testing.T) {
	tree := machine(t, "m5.large")
	tree["usr/lib/os-release"] = &fstest.MapFile{Data: make([]byte, maxFileSize+1)}
	_, problems := operatingSystem(tree)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "longer than") {
		t.Errorf("got %v", problems)
	}
}

func TestOSReleaseIsReadAsAShellWould(t *testing.T) {
	got := parseOSRelease("# ID=comment\n\nID=first\r\nID=\"amzn\"\nSINGLE='a\\b \"c\"'\nDOUBLE=\"a \\\"b\\\" \\$c\\\\\"\n" +
		"BARE=a\\ b\nEMPTY=\nHALF=\"open\nno assignment\n=nameless\nTAIL=x\\")
	want := map[string]string{
		"ID": "amzn", "SINGLE": `a\b "c"`, "DOUBLE": `a "b" $c\`, "BARE": "a b", "EMPTY": "", "HALF": `"open`, "TAIL": `x\`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("want (-), got (+):\n%s", d)
	}
}

func FuzzOSRelease(f *testing.F) {
	f.Add("ID=\"amzn\"\nVERSION_ID='2023'\nPRETTY_NAME=a\\ b\n")
	f.Add("=\n\"\nX=\"\nY='\\")
	f.Fuzz(func(t *testing.T, text string) {
		for name, value := range parseOSRelease(text) {
			if name == "" || strings.Contains(name+value, "\n") {
				t.Errorf("%q reads as %q=%q", text, name, value)
			}
			// What was read reads back, written in the manual's way.
			quoted := name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
			if again := parseOSRelease(quoted); again[name] != value {
				t.Errorf("%s reads as %q, want %q", quoted, again[name], value)
			}
		}
	})
}

func BenchmarkDetectOfThisMachine(b *testing.B) {
	for b.Loop() {
		Detect(os.DirFS("/"), "amd64")
	}
}

func BenchmarkInspectOfThisMachine(b *testing.B) {
	for b.Loop() {
		Inspect(os.DirFS("/"), "amd64")
	}
}
