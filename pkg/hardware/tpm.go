package hardware

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
)

const (
	probeTPM      = "tpm"
	probeEnclaves = "enclaves"

	tpmDir = "sys/class/tpm"
	// enclavesDevice is made by the module nitro_enclaves, on instances that were
	// launched with enclaves enabled.
	enclavesDevice = "dev/nitro_enclaves"
)

// TPM is a trusted platform module; on EC2, a NitroTPM.
type TPM struct {
	// Name is the device's: tpm0.
	Name string `json:"name"`
	// Version is the specification's major: 1 or 2; empty where an
	// older kernel does not tell.
	Version string `json:"version,omitempty"`
}

// lookAtTPM lists the modules that have a driver. A kernel without any has no such
// folder.
func lookAtTPM(root fs.FS, f *Facts) []Problem {
	names, err := list(root, tpmDir)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = there(root, "sys/class", tpmDir)
	}
	if err != nil {
		return []Problem{failed(probeTPM, err)}
	}
	var problems []Problem
	for _, n := range numbered(names, "tpm") {
		version, err := readText(root, path.Join(tpmDir, n.name, "tpm_version_major"))
		if notMissing(err) != nil {
			problems = append(problems, failed(probeTPM, err))
		}
		f.TPM = append(f.TPM, TPM{Name: n.name, Version: version})
	}
	slices.SortFunc(f.TPM, func(a, b TPM) int { return cmp.Compare(a.Name, b.Name) })
	return problems
}

// Enclaves is what the machine has for Nitro Enclaves.
type Enclaves struct {
	// Device is whether /dev/nitro_enclaves is there.
	Device bool `json:"device"`
	// CPUs are those taken offline, which is how the allocator sets them aside; with
	// a device only.
	CPUs CPUSet `json:"cpus,omitempty"`
}

// lookAtEnclaves looks for the device.
func lookAtEnclaves(root fs.FS, f *Facts) []Problem {
	device, err := there(root, "dev", enclavesDevice)
	if err != nil {
		return []Problem{failed(probeEnclaves, err)}
	}
	if device {
		f.Enclaves = Enclaves{Device: true, CPUs: f.CPU.Offline}
	}
	return nil
}
