package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
)

func TestManyMachinesAreATable(t *testing.T) {
	for _, tt := range []struct {
		name   string
		args   []string
		config string
		code   int
	}{
		{"family.text", []string{"--as", "ec2:m5.*"}, "testdata/valid.yaml", 0},
		{"profiles.text", []string{"--as", "ec2:t3.nano", "--cni", "all"}, "testdata/valid.yaml", 0},
		{"two-profiles.json", []string{"--as", "ec2:c7g.large", "--cni", "vpc-cni,calico", "-o", "json"}, "testdata/valid.yaml", 0},
		{"own-profile.text", []string{"--as", "ec2:p5*.48xlarge"}, "testdata/superset.yaml", 0},
		{"refused.text", []string{"--as", "ec2:t3.*", "--kubernetes", "1.29", "--fact", "instance.tags.team=ml"}, "testdata/machine.yaml", 1},
		{"refused-twice.text", []string{"--as", "ec2:m5.*large"}, "testdata/machine.yaml", 1},
		{"refused.json", []string{"--as", "ec2:c7i.[lx]*", "--kubernetes", "1.29", "--fact", "instance.tags.team=ml", "-o", "json"}, "testdata/machine.yaml", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := agent(append([]string{"plan", tt.config}, tt.args...)...).by(1000).run(t)
			golden.Assert(t, filepath.Join("testdata", "sweep", tt.name), c.stdout)
			if c.code != tt.code || c.stderr != "" {
				t.Errorf("exit status %d, want %d; stderr %s", c.code, tt.code, c.stderr)
			}
		})
	}
}

// TestEveryKnownTypeGetsADecisionWithEveryPlugin makes the whole decision for each
// machine that there is.
func TestEveryKnownTypeGetsADecisionWithEveryPlugin(t *testing.T) {
	types := 0
	for range instancetype.All() {
		types++
	}
	c := agent("plan", "testdata/valid.yaml", "--as", "ec2:*", "--cni", "all", "-o", "json").by(1000).run(t)
	var rows []sweepRow
	if err := json.Unmarshal([]byte(c.stdout), &rows); err != nil {
		t.Fatalf("%v; stderr %s", err, c.stderr)
	}
	if want := types * len(allProfiles()); c.code != 0 || len(rows) != want || types < 500 {
		t.Errorf("exit status %d, %d rows, want %d; stderr %s", c.code, len(rows), want, c.stderr)
	}
	bad := 0
	for _, r := range rows {
		if r.Error != "" || r.MaxPods < 1 || r.CPUs < 1 || r.MemoryMiB < 1 || r.ReservedMemory == "" || r.ReservedCPU == "" || r.Resources < 10 {
			if bad++; bad <= 10 {
				t.Errorf("without a decision: %+v", r)
			}
		}
	}
	if bad > 10 {
		t.Errorf("%d rows are without a decision", bad)
	}
}

func TestRowsKeepTheOrderOfTypesAndPlugins(t *testing.T) {
	c := agent("plan", "testdata/valid.yaml", "--as", "ec2:m5.*", "--cni", "calico,vpc-cni", "-o", "json").by(1000).run(t)
	var rows []sweepRow
	if err := json.Unmarshal([]byte(c.stdout), &rows); err != nil {
		t.Fatal(err)
	}
	half := len(rows) / 2
	for i := range half {
		a, b := rows[i], rows[half+i]
		if a.Type != b.Type || a.CNI != "calico" || b.CNI != "vpc-cni" || !strings.HasPrefix(a.Type, "m5.") {
			t.Errorf("row %d: %+v, %+v", i, a, b)
		}
	}
	if half < 5 {
		t.Errorf("%d rows", len(rows))
	}
}
