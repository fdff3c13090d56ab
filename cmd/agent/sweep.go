package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/hardware/instancetype"
	"github.com/eksnode/eksnode/pkg/kubelet"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
)

// allProfiles are the network plugins and options that --cni=all stands for.
func allProfiles() []string {
	return []string{
		"vpc-cni", "vpc-cni+prefixDelegation", "vpc-cni+customNetworking", "vpc-cni+customNetworking+prefixDelegation",
		"vpc-cni+securityGroupsForPods", "vpc-cni+securityGroupsForPods+prefixDelegation",
		"cilium-eni", "cilium-eni+prefixDelegation", "cilium-overlay", "calico", "none",
	}
}

// sweepRow is what is decided about one instance type; its fields are part of the
// interface.
type sweepRow struct {
	Type           string `json:"type"`
	CNI            string `json:"cni"`
	CPUs           int    `json:"cpus"`
	MemoryMiB      int64  `json:"memoryMiB"`
	MaxPods        int    `json:"maxPods"`
	ReservedCPU    string `json:"reservedCPU"`
	ReservedMemory string `json:"reservedMemory"`
	Resources      int    `json:"resources"`
	Error          string `json:"error,omitempty"`
}

var sweepPrinters = map[string]func(io.Writer, []sweepRow) error{"text": sweepText, "json": sweepJSON}

// isSweep reports whether --as names many instance types, or --cni many plugins.
func (f simulateFlags) isSweep() bool {
	return strings.ContainsAny(f.as, "*?[") || f.cni == "all" || strings.Contains(f.cni, ",")
}

// sweep makes the whole decision for every instance type that the pattern of --as
// matches, with each of the network plugins, and prints a line for each.
func (a *app) sweep(ctx context.Context, f simulateFlags, sources []string, output string) error {
	printRows, ok := sweepPrinters[output]
	if !ok {
		return fmt.Errorf("cannot print many plans as %q: known are text and json; name one instance type and one --cni for the others", output)
	}
	if err := f.check(); err != nil {
		return err
	}
	switch {
	case f.as == "":
		return errors.New("cannot compare network plugins without --as, which names the machines, as ec2:m5.large or ec2:*")
	case f.against != "":
		return errors.New("cannot use --against for many machines: name one instance type and one --cni")
	}
	inputs, err := a.sweepInputs(ctx, f, sources)
	if err != nil {
		return err
	}
	rows := decideAll(inputs)
	if err := printRows(a.stdout, rows); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Error != "" {
			return status(1)
		}
	}
	return nil
}

// sweepInput is one machine with one network plugin.
type sweepInput struct {
	cni        string
	input      node.Input
	components []node.Component
	err        error
}

// sweepInputs reads the configuration once for each plugin and makes the machines.
func (a *app) sweepInputs(ctx context.Context, f simulateFlags, sources []string) ([]sweepInput, error) {
	if err := needSources(sources); err != nil {
		return nil, err
	}
	pattern, err := f.instanceType()
	if err != nil {
		return nil, err
	}
	types, err := typesMatching(pattern)
	if err != nil {
		return nil, err
	}
	var out []sweepInput
	for _, cni := range profilesOf(f.cni) {
		var loaded bootstrap.Loaded
		for i, t := range types {
			one := f
			one.as = "ec2:" + t
			s, err := a.simulation(one)
			if err != nil {
				return nil, err
			}
			if i == 0 {
				if loaded, err = a.loadFor(ctx, s, cni, sources); err != nil {
					return nil, err
				}
			}
			in, err := s.platform.Gather(ctx, platform.Question{Config: loaded.Merged.Config, Log: a.log})
			out = append(out, sweepInput{cniName(cni, loaded.Merged.Config), in, s.platform.Components, err})
		}
	}
	return out, nil
}

func profilesOf(cni string) []string {
	if cni == "all" {
		return allProfiles()
	}
	return strings.Split(cni, ",") // of nothing: one that is empty, the configuration's own
}

func cniName(flag string, c api.NodeConfig) string {
	if flag != "" {
		return flag
	}
	return string(c.Spec.CNI.Profile)
}

// typesMatching returns the known instance types that a pattern matches, or the one
// type that it names.
func typesMatching(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}, nil
	}
	var types []string
	for t := range instancetype.All() {
		ok, err := path.Match(pattern, t)
		if err != nil {
			return nil, fmt.Errorf("cannot read the pattern %q: %w", pattern, err)
		}
		if ok {
			types = append(types, t)
		}
	}
	if len(types) == 0 {
		return nil, fmt.Errorf("cannot find an instance type that matches %q", pattern)
	}
	return types, nil
}

// decideAll decides about all machines, on all CPUs; the rows keep the order.
func decideAll(inputs []sweepInput) []sweepRow {
	rows := make([]sweepRow, len(inputs))
	var next sync.WaitGroup
	work := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		next.Go(func() {
			for i := range work {
				rows[i] = decideRow(inputs[i])
			}
		})
	}
	for i := range inputs {
		work <- i
	}
	close(work)
	next.Wait()
	return rows
}

func decideRow(s sweepInput) sweepRow {
	in := s.input
	row := sweepRow{Type: in.Instance.Type, CNI: s.cni, CPUs: in.Hardware.CPU.Online, MemoryMiB: in.Hardware.Memory.OnlineBytes >> 20}
	err := s.err
	if err == nil {
		want, errWant := node.Desired(in, s.components)
		row.Resources, err = len(want.Entries()), errWant
	}
	if err == nil {
		k, errKubelet := kubelet.Decide(in)
		row.MaxPods, row.ReservedCPU, row.ReservedMemory, err = k.MaxPods, k.Reserved.CPU, k.Reserved.Memory, errKubelet
	}
	if err != nil {
		row.Error = err.Error()
	}
	return row
}

func sweepText(w io.Writer, rows []sweepRow) error {
	p := &printer{w: w}
	table := [][]string{{"TYPE", "CNI", "CPUS", "MEMORY", "PODS", "RESERVED CPU", "RESERVED MEMORY", ""}}
	failed := 0
	for _, r := range rows {
		pods := strconv.Itoa(r.MaxPods)
		if r.Error != "" {
			failed++
			pods = "-"
		}
		table = append(table, []string{r.Type, r.CNI, strconv.Itoa(r.CPUs), strconv.FormatInt(r.MemoryMiB, 10) + "Mi", pods, r.ReservedCPU, r.ReservedMemory, strings.ReplaceAll(r.Error, "\n", "; ")})
	}
	p.table(table...)
	p.line("%d machines, %d without a decision. Nothing has been changed.", len(rows), failed)
	return p.err
}

func sweepJSON(w io.Writer, rows []sweepRow) error { return writeJSON(w, rows) }
