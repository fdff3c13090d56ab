package instancetype

import (
	"slices"
	"strings"
	"testing"
)

func TestEveryTypeHasAShape(t *testing.T) {
	for name := range All() {
		s, ok := ShapeOf(name)
		switch {
		case !ok:
			t.Errorf("%s has no shape", name)
		case s.VCPUs < 1 || s.MemoryMiB < 512 || s.NetworkCards < 1:
			t.Errorf("%s: %+v", name, s)
		case s.Architecture != "amd64" && s.Architecture != "arm64":
			t.Errorf("%s is %q", name, s.Architecture)
		case s.Hypervisor != Nitro && s.Hypervisor != Xen && s.Hypervisor != Metal:
			t.Errorf("%s is on %q", name, s.Hypervisor)
		case strings.Contains(name, ".metal") != (s.Hypervisor == Metal):
			t.Errorf("%s is on %q", name, s.Hypervisor)
		}
	}
}

func TestFamiliesAreSortedAndAllAreUsed(t *testing.T) {
	used := map[string]bool{}
	for name := range All() {
		family, _, _ := strings.Cut(name, ".")
		used[family] = true
	}
	var names []string
	for line := range strings.Lines(families) {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
		if !used[name] {
			t.Errorf("no type is of the family %s", name)
		}
		if _, ok := familyOf(name); !ok {
			t.Errorf("the family %s is not found again", name)
		}
	}
	if !slices.IsSorted(names) || len(names) != len(used) {
		t.Errorf("%d families, sorted %t, of %d", len(names), slices.IsSorted(names), len(used))
	}
}

// The values are those of the EC2 instance type guide.
func TestShapesAreThoseThatEC2Documents(t *testing.T) {
	for name, want := range map[string]Shape{
		"m5.large":            {2, 8192, "amd64", Nitro, "", 1, true, false},
		"t3.nano":             {2, 512, "amd64", Nitro, "", 1, false, false},
		"t4g.medium":          {2, 4096, "arm64", Nitro, "", 1, false, false},
		"c4.8xlarge":          {36, 61440, "amd64", Xen, "", 1, false, false},
		"c5n.large":           {2, 5376, "amd64", Nitro, "", 1, true, false},
		"i3.xlarge":           {4, 31232, "amd64", Xen, "", 1, false, false},
		"i3en.metal":          {96, 786432, "amd64", Metal, "", 1, true, false},
		"i4i.large":           {2, 16384, "amd64", Nitro, "", 1, false, false},
		"m6g.metal":           {64, 262144, "arm64", Metal, "", 1, true, false},
		"m8i.96xlarge":        {384, 1572864, "amd64", Nitro, "", 1, true, false},
		"m8in.96xlarge":       {384, 1572864, "amd64", Nitro, "", 2, true, false},
		"x8aedz.24xlarge":     {96, 3145728, "amd64", Nitro, "", 1, true, false},
		"g4dn.xlarge":         {4, 16384, "amd64", Nitro, "nvidia", 1, true, false},
		"g4ad.xlarge":         {4, 16384, "amd64", Nitro, "amd", 1, true, false},
		"g5g.xlarge":          {4, 8192, "arm64", Nitro, "nvidia", 1, true, false},
		"g7e.48xlarge":        {192, 2097152, "amd64", Nitro, "nvidia", 4, true, false},
		"p4d.24xlarge":        {96, 1179648, "amd64", Nitro, "nvidia", 4, true, false},
		"p5.48xlarge":         {192, 2097152, "amd64", Nitro, "nvidia", 32, true, false},
		"trn1.32xlarge":       {128, 524288, "amd64", Nitro, "neuron", 8, true, false},
		"inf2.xlarge":         {4, 16384, "amd64", Nitro, "neuron", 1, true, false},
		"hpc7g.4xlarge":       {16, 131072, "arm64", Nitro, "", 1, true, false},
		"u7in-32tb.224xlarge": {896, 33554432, "amd64", Nitro, "", 2, true, false},
		"u-6tb1.56xlarge":     {224, 6291456, "amd64", Nitro, "", 1, false, false},
		"mac2.metal":          {8, 16384, "arm64", Metal, "", 1, true, false},
		"bmn-sf1.metal":       {64, 262144, "amd64", Metal, "", 1, true, true},
	} {
		if got, ok := ShapeOf(name); !ok || got != want {
			t.Errorf("%s: %+v, %t; want %+v", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "m5", "m5.", ".large", "m99.large", "m5.large "} {
		if s, ok := ShapeOf(name); ok {
			t.Errorf("%q has a shape: %+v", name, s)
		}
	}
}

func TestAGuessedShapeFollowsTheNameOfTheType(t *testing.T) {
	for name, want := range map[string]Shape{
		"m99i.2xlarge":    {8, 32768, "amd64", Nitro, "", 1, true, true},
		"c10gd.medium":    {1, 2048, "arm64", Nitro, "", 1, true, true},
		"r12a.metal-24xl": {96, 786432, "amd64", Metal, "", 1, true, true},
		"q1.large":        {2, 4096, "amd64", Nitro, "", 1, true, true},
		"m5.96xlarge":     {384, 1572864, "amd64", Nitro, "", 1, true, true},
		"p5.12xlarge":     {48, 524256, "amd64", Nitro, "nvidia", 1, true, true},
		"t3.16xlarge":     {64, 16384, "amd64", Nitro, "", 1, false, true}, // the least of its sizes
		"t9g.small":       {0, 0, "arm64", Nitro, "", 1, false, true},
		"r4.metal":        {0, 0, "amd64", Metal, "", 1, true, true},
		"m7.huge":         {0, 0, "amd64", Nitro, "", 1, true, true},
		"m9.1001xlarge":   {0, 0, "amd64", Nitro, "", 1, true, true},
		"m9.-1xlarge":     {0, 0, "amd64", Nitro, "", 1, true, true},
	} {
		if got, ok := GuessShape(name); !ok || got != want {
			t.Errorf("%s: %+v, %t; want %+v", name, got, ok, want)
		}
	}
	for _, name := range []string{"", "m5", "m.large", ".large", "9.large", "m9."} {
		if s, ok := GuessShape(name); ok {
			t.Errorf("%q was guessed: %+v", name, s)
		}
	}
}

// Where a guess and the table differ, the guess is the smaller, but for the types
// whose families go their own way.
func TestAGuessIsSeldomMoreThanTheTruth(t *testing.T) {
	more := 0
	for name := range All() {
		s, _ := ShapeOf(name)
		g, ok := GuessShape(name)
		if !ok || g.Architecture != s.Architecture || g.Hypervisor != s.Hypervisor || g.Trunking != s.Trunking || g.Accelerator != s.Accelerator {
			t.Errorf("%s: guessed %+v, is %+v", name, g, s)
		}
		if g.VCPUs > s.VCPUs || g.MemoryMiB > s.MemoryMiB {
			more++
		}
	}
	if more > 20 {
		t.Errorf("%d guesses are more than the type has", more)
	}
}
