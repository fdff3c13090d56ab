package hardware

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
)

// Names of the CPU's further probes.
const (
	probeTopology  = "topology"
	probeProcessor = "processor"
	probeAllowance = "allowance"
)

// lookAtTopology reads which CPUs there are, and how they share sockets and cores
// (Documentation/admin-guide/cputopology.rst). Its parts are independent.
func lookAtTopology(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	note := func(err error) {
		if err != nil {
			problems = append(problems, failed(probeTopology, err))
		}
	}
	present, err := readCPUs(root, "present")
	note(err)
	f.CPU.OnlineSet, err = readCPUs(root, "online")
	if errors.Is(err, fs.ErrNotExist) {
		f.CPU.OnlineSet, err = present, nil // without CPU hotplug all are
	}
	note(err)
	if f.CPU.OnlineSet != "" {
		// Not the kernel's own list of offline CPUs: it also holds numbers up to the
		// most that it could have, for which there is no processor.
		f.CPU.Offline = present.Minus(f.CPU.OnlineSet)
	}
	f.CPU.Isolated, err = readCPUs(root, "isolated")
	note(notMissing(err)) // since Linux 4.2
	f.CPU.NoHzFull, err = readCPUs(root, "nohz_full")
	note(notMissing(err)) // only with CONFIG_NO_HZ_FULL
	note(countCores(root, &f.CPU))
	return problems
}

// notMissing drops the error of a file that some kernels do not have.
func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// readCPUs reads one of the lists of CPUs.
func readCPUs(root fs.FS, name string) (CPUSet, error) {
	name = path.Join(cpuDir, name)
	text, err := read(root, name)
	if err != nil {
		return "", err
	}
	if text == "(null)" { // nohz_full, where no CPU was given at boot
		return "", nil
	}
	s, err := ParseCPUSet(text)
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", name, err)
	}
	return s, nil
}

// countCores counts sockets and cores by the CPUs that are online: sockets by
// their numbers, cores by the sets of threads that share one, which are unique
// where core numbers are not.
func countCores(root fs.FS, cpu *CPU) error {
	sockets, cores := map[string]bool{}, map[CPUSet]bool{}
	threads := 1
	for _, n := range cpu.OnlineSet.Numbers() {
		dir := path.Join(cpuDir, "cpu"+strconv.Itoa(n), "topology")
		socket, err := read(root, path.Join(dir, "physical_package_id"))
		if err != nil {
			return err
		}
		if _, err := strconv.Atoi(socket); err != nil {
			return fmt.Errorf("cannot count sockets: CPU %d is in socket %s, which is no number", n, quote(socket))
		}
		sockets[socket] = true
		text, err := read(root, path.Join(dir, "thread_siblings_list"))
		if err != nil {
			return err
		}
		siblings, err := ParseCPUSet(text)
		if err != nil || siblings == "" {
			return fmt.Errorf("cannot count cores: CPU %d shares one with %s, which is no list of CPUs", n, quote(text))
		}
		if !cores[siblings] {
			cores[siblings] = true
			threads = max(threads, siblings.Count())
		}
	}
	if len(cores) > 0 {
		cpu.Sockets, cpu.Cores, cpu.ThreadsPerCore = len(sockets), len(cores), threads
	}
	return nil
}
