package kubelet

import (
	"fmt"
	"math"

	"github.com/eksnode/eksnode/internal/cel"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
)

// gkeSmallest is what GKE reserves on machines with less than 1 GiB, in MiB.
const gkeSmallest = 255

// reservation decides kubeReserved by spec.reserved, from the effective number of
// pods, and refuses what leaves no room for pods.
func (d *decider) reservation(cpus int) {
	r := d.in.Config.Spec.Reserved
	pods := d.s.EffectiveMaxPods
	k := kept{
		cpu: reservedCPU(cpus), memory: reservedMemory(pods),
		howCPU:    fmt.Sprintf("%d CPUs: 6%% of the first, 1%% of the second, 0.5%% of the next two, 0.25%% of the others", cpus),
		howMemory: fmt.Sprintf("%d + %d × %d pods", reservedMemoryBase, reservedMemoryPerPod, pods),
	}
	switch r.Model {
	case "", api.ReservationEKS:
	case api.ReservationGKE:
		total, ok := d.memoryNeeded()
		if !ok {
			return
		}
		k.memory, k.howMemory = gkeMemory(total), fmt.Sprintf("%d MiB: 25%% of the first 4 GiB, 20%% of the next 4, 10%% of the next 8, 6%% of the next 112, 2%% of the others", total)
		if total < 1<<10 {
			k.howMemory = fmt.Sprintf("%d MiB, less than 1 GiB", total)
		}
	case api.ReservationExpression:
		if !d.expressions(&k, cpus, pods) {
			return
		}
	default:
		d.fail(fault.New(fault.ConfigInvalid, "Set spec.reserved.model to one of eks, gke and expression.",
			fmt.Errorf("cannot reckon what is reserved: there is no model %q", r.Model)))
		return
	}
	d.s.Reserved = Reserved{CPU: itoa(k.cpu) + "m", Memory: itoa(k.memory) + "Mi", EphemeralStorage: "1Gi"}
	if r.EphemeralStorage != "" {
		d.s.Reserved.EphemeralStorage = r.EphemeralStorage
		if _, err := mebibytes(r.EphemeralStorage); err != nil {
			d.invalidQuantity("spec.reserved.ephemeralStorage", err)
		}
		d.because("kubeReserved.ephemeral-storage", r.EphemeralStorage, "spec.reserved.ephemeralStorage")
	}
	d.because("kubeReserved.cpu", d.s.Reserved.CPU, k.howCPU)
	d.because("kubeReserved.memory", d.s.Reserved.Memory, k.howMemory)
	d.roomForPods(k, cpus)
}

// kept is what is reserved: millicores and MiB, and how they were reckoned.
type kept struct {
	cpu, memory       int
	howCPU, howMemory string
}

// memoryNeeded returns the machine's memory in MiB for a model that cannot do
// without.
func (d *decider) memoryNeeded() (int, bool) {
	total := d.memoryMiB()
	if total > 0 {
		return total, true
	}
	_, err := d.in.Fact("hardware.memory", "")
	d.fail(err)
	return 0, false
}

// gkeMemory returns the MiB that GKE reserves on a machine with so much memory (GKE
// documentation, "About node sizes"): falling shares, whatever the number of pods.
func gkeMemory(total int) int {
	if total < 1<<10 {
		return gkeSmallest
	}
	hundredths, left := 0, total
	for _, band := range []struct{ size, percent int }{
		{4 << 10, 25},
		{4 << 10, 20},
		{8 << 10, 10},
		{112 << 10, 6},
		{left, 2},
	} {
		n := min(left, band.size)
		hundredths += n * band.percent
		left -= n
	}
	return hundredths / 100
}

// expressions evaluates spec.reserved.cpu and spec.reserved.memory.
func (d *decider) expressions(k *kept, cpus, pods int) bool {
	r := d.in.Config.Spec.Reserved
	total, ok := d.memoryNeeded()
	if !ok {
		return false
	}
	variables := map[string]int64{"cpus": int64(cpus), "memory_mib": int64(total), "max_pods": int64(pods)}
	given := fmt.Sprintf("with cpus=%d, memory_mib=%d, max_pods=%d", cpus, total, pods)
	for _, e := range []struct {
		field, text, unit string
		result            *int
		how               *string
	}{
		{"spec.reserved.cpu", r.CPU, "millicores", &k.cpu, &k.howCPU},
		{"spec.reserved.memory", r.Memory, "MiB", &k.memory, &k.howMemory},
	} {
		n, err := cel.Int(e.text, variables)
		if err == nil && (n < 0 || n > math.MaxInt32) {
			err = fmt.Errorf("the result %d is not between 0 and %d %s", n, math.MaxInt32, e.unit)
		}
		if err != nil {
			d.fail(fault.New(fault.ConfigInvalid, "Correct "+e.field+"; its variables are cpus, memory_mib and max_pods, all int.",
				fmt.Errorf("cannot evaluate %s %q %s: %w", e.field, e.text, given, err)))
			ok = false
			continue
		}
		*e.result, *e.how = int(n), e.field+" "+given
	}
	return ok
}

// systemReserve reads spec.reserved.system into kubelet's systemReserved.
func (d *decider) systemReserve() {
	s := d.in.Config.Spec.Reserved.System
	for _, q := range []struct {
		key, field, text string
		read             func(string) error
	}{
		{"cpu", "cpu", s.CPU, func(t string) (err error) { d.system.cpu, err = millicores(t); return }},
		{"memory", "memory", s.Memory, func(t string) (err error) { d.system.memory, err = mebibytes(t); return }},
		{"ephemeral-storage", "ephemeralStorage", s.EphemeralStorage, func(t string) error { _, err := mebibytes(t); return err }},
	} {
		if q.text == "" {
			continue
		}
		if err := q.read(q.text); err != nil {
			d.invalidQuantity("spec.reserved.system."+q.field, err)
			continue
		}
		if d.s.SystemReserved == nil {
			d.s.SystemReserved = map[string]string{}
		}
		d.s.SystemReserved[q.key] = q.text
		d.because("systemReserved."+q.key, q.text, "spec.reserved.system."+q.field)
	}
}

func (d *decider) invalidQuantity(field string, err error) {
	d.fail(fault.New(fault.ConfigInvalid, "Set "+field+" to a quantity as Kubernetes writes it: 500m of CPU, 512Mi of memory or storage.",
		fmt.Errorf("cannot use %s: %w", field, err)))
}

// mebibytes reads a quantity of bytes as MiB, rounded up.
func mebibytes(quantity string) (int, error) {
	const mebibyte = 1000 << 20 // in thousandths of a byte
	n, err := api.ParseQuantity(quantity)
	return int(n/mebibyte) + min(1, int(n%mebibyte)), err
}

// millicores reads a quantity of CPU.
func millicores(quantity string) (int, error) {
	n, err := api.ParseQuantity(quantity)
	return int(n), err
}
