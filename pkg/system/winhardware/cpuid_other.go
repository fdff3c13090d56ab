//go:build !amd64

package winhardware

// thisProcessor asks nobody: CPUID is x86's.
func thisProcessor() (asker, bool) { return asker{}, false }
