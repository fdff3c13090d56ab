//go:build !linux

package atomicfile

// copyLabel does nothing: only Linux has SELinux.
func copyLabel(string, string) error { return nil }
