package hardware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

const cpuInfo = "proc/cpuinfo"

// lookAtProcessor reads the maker, the model and the features of the first CPU that
// /proc/cpuinfo tells of; no EC2 instance type mixes models.
func lookAtProcessor(root fs.FS, f *Facts) []Problem {
	text, err := readHead(root, cpuInfo)
	if err != nil {
		return []Problem{failed(probeProcessor, err)}
	}
	p := parseCPUInfo(text)
	if p.vendor == "" && len(p.flags) == 0 {
		return []Problem{failed(probeProcessor, fmt.Errorf("cannot find a processor in /%s", cpuInfo))}
	}
	f.CPU.Vendor, f.CPU.Model = p.vendor, p.model
	f.CPU.Features, f.CPU.Level = NotableFeatures(f.CPU.Architecture, p.flags)
	return nil
}

// readHead reads the beginning of a file that may be long: the kernel writes
// /proc/cpuinfo on demand, a block a CPU, and only the first is wanted.
func readHead(root fs.FS, name string) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", name, cause(err))
	}
	defer func() { _ = f.Close() }() // nothing was written
	const most = 8 << 10             // one CPU of many features takes 2 KiB
	b := make([]byte, most)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", fmt.Errorf("cannot read /%s: %w", name, cause(err))
	}
	return string(b[:n]), nil
}

// processor is what /proc/cpuinfo says of one CPU.
type processor struct {
	vendor, model string
	flags         []string
}

// parseCPUInfo reads the first block of /proc/cpuinfo that names a processor. On
// x86 the lines are vendor_id, model name and flags; on Arm CPU implementer, CPU
// part and Features, whose numbers are the fields of MIDR_EL1.
func parseCPUInfo(text string) processor {
	var p processor
	var implementer, part string
	for line := range strings.Lines(text) {
		if strings.TrimSpace(line) == "" && len(p.flags) > 0 {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = printable(value)
		switch strings.TrimSpace(name) {
		case "vendor_id":
			p.vendor = value
		case "model name":
			p.model = value
		case "flags", "Features":
			p.flags = strings.Fields(value)
		case "CPU implementer":
			implementer = value
		case "CPU part":
			part = value
		}
	}
	if implementer != "" && p.vendor == "" {
		p.vendor, p.model = armProcessor(implementer, part)
	}
	return p
}

// armProcessor names a processor by its MIDR_EL1: the implementers and parts that
// servers have (the kernel's arch/arm64/include/asm/cputype.h). One that is not in
// the table keeps its numbers.
func armProcessor(implementer, part string) (vendor, model string) {
	vendors := map[string]string{"0x41": "ARM", "0x42": "Broadcom", "0x43": "Cavium", "0x46": "Fujitsu", "0x48": "HiSilicon", "0x4e": "NVIDIA", "0x51": "Qualcomm", "0x61": "Apple", "0x6d": "Microsoft", "0xc0": "Ampere"}
	models := map[string]string{
		"0x41 0xd08": "Cortex-A72",  // Graviton
		"0x41 0xd0c": "Neoverse-N1", // Graviton2
		"0x41 0xd40": "Neoverse-V1", // Graviton3
		"0x41 0xd4f": "Neoverse-V2", // Graviton4, Grace
		"0x41 0xd49": "Neoverse-N2",
		"0x41 0xd84": "Neoverse-V3", // Graviton5
		"0x41 0xd8e": "Neoverse-N3",
		"0xc0 0xac3": "Ampere-1",
	}
	if vendor = vendors[implementer]; vendor == "" {
		vendor = implementer
	}
	if model = models[implementer+" "+part]; model == "" {
		model = part
	}
	return vendor, model
}

// NotableFeatures returns what CPU.Features and CPU.Level are of a processor with the
// features given, by the kernel's names for them.
func NotableFeatures(arch string, flags []string) (features []string, reached string) {
	return notable(flags), level(arch, flags)
}

// notable returns, sorted, those of the kernel's features that decide whether
// images run, how fast, or how the machine is used.
func notable(flags []string) []string {
	known := []string{
		// x86
		"sse4_2", "avx", "avx2", "fma", "bmi2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_tile", "amx_bf16", "amx_int8",
		"aes", "vaes", "sha_ni", "gfni", "rdrand", "rdseed", "pdpe1gb", "constant_tsc", "nonstop_tsc", "hypervisor", "vmx", "svm", "sgx", "sev", "sev_snp", "tdx_guest",
		// Arm
		"asimd", "atomics", "crc32", "pmull", "sha2", "sha3", "sha512", "sve", "sve2", "sme", "bf16", "i8mm", "svebf16", "svei8mm", "rng", "paca", "bti", "sm4",
	}
	var out []string
	for _, f := range flags {
		if slices.Contains(known, f) && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}

// level is the highest level of the x86-64 psABI that a processor reaches, in the
// kernel's names for its features; distributions build for one of them. Empty on
// others.
func level(arch string, flags []string) string {
	if arch != "amd64" || len(flags) == 0 {
		return ""
	}
	reached := "x86-64-v1"
	for _, l := range []struct {
		name  string
		needs []string
	}{
		{"x86-64-v2", []string{"cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2"}},
		{"x86-64-v3", []string{"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}},
		{"x86-64-v4", []string{"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}},
	} {
		for _, need := range l.needs {
			if !slices.Contains(flags, need) {
				return reached
			}
		}
		reached = l.name
	}
	return reached
}
