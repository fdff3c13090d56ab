package winhardware

// cpuid asks the processor.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// xgetbv returns the lower half of XCR0: the registers that the system saves. It must
// not be called where CPUID does not say OSXSAVE.
func xgetbv() uint32

// thisProcessor asks the one that this runs on.
func thisProcessor() (asker, bool) {
	return asker{
		cpuid: func(leaf, subleaf uint32) [4]uint32 {
			a, b, c, d := cpuid(leaf, subleaf)
			return [4]uint32{a, b, c, d}
		},
		xcr0: xgetbv,
	}, true
}
