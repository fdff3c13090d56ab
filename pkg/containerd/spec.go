package containerd

import (
	_ "embed"
	"encoding/json"
	"fmt"

	"github.com/eksnode/eksnode/pkg/api"
)

// defaultRuntimeSpec is the part of an OCI runtime specification that every
// container starts from: nodeadm's, whose point is the limit of open files
// (systemd's would be too small, and containerd's own is unlimited).
//
//go:embed baseruntimespec.json
var defaultRuntimeSpec []byte

// baseRuntimeSpec decides the base runtime specification: objects merge key by
// key, all else of the user's replaces the default.
func (d *decider) baseRuntimeSpec() {
	var base api.Object
	if err := json.Unmarshal(defaultRuntimeSpec, &base); err != nil {
		d.fail(fmt.Errorf("internal error: the default base runtime specification cannot be read: %w", err))
		return
	}
	d.s.BaseRuntimeSpec = api.Object(merge(base, d.in.Config.Spec.Containerd.BaseRuntimeSpec))
}
