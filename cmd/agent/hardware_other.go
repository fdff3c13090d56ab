//go:build !windows

package main

import (
	"os"
	"runtime"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// inspect looks at the machine whose root filesystem is at root.
func inspect(root string) hardware.Facts {
	return hardware.Inspect(os.DirFS(root), runtime.GOARCH)
}
