package system

import (
	"errors"

	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// Programs tells which of the named programs the machine under root has: regular
// files, or links to such, that somebody may execute. The error joins everything
// that could not be looked at; those programs are not in the answer.
func Programs(root rootfs.Root, paths []string) (map[string]bool, error) {
	var found map[string]bool
	var errs []error
	for _, name := range paths {
		p := presence{root: root}
		there := p.program(name)
		if len(p.errs) > 0 {
			errs = append(errs, p.errs...)
			continue
		}
		if found == nil {
			found = map[string]bool{}
		}
		found[name] = there
	}
	return found, errors.Join(errs...)
}
