package main

import (
	"os"
	"runtime"

	"github.com/eksnode/eksnode/pkg/hardware"
	"github.com/eksnode/eksnode/pkg/system/winhardware"
)

// inspect looks at this machine; given the root of another, which must be a
// Linux's, at that.
func inspect(root string) hardware.Facts {
	if root != "/" {
		return hardware.Inspect(os.DirFS(root), runtime.GOARCH)
	}
	return winhardware.Inspect(runtime.GOARCH)
}
