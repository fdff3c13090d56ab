package tuning

import (
	"fmt"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// decidePools returns the pools of spec.hugePages. Pools that need all of the
// memory are refused: the kernel would take it from programs that run.
func decidePools(in node.Input) ([]host.HugePages, error) {
	pools, err := in.HugePages()
	if err != nil || len(pools) == 0 {
		return nil, err
	}
	if err := in.Require("hardware.memory"); err != nil {
		return nil, err
	}
	left := in.Hardware.Memory.OnlineBytes >> 10
	for _, p := range pools {
		if left == 0 {
			break // not told; the kernel will say what it has
		}
		if p.Count >= (left+p.SizeKiB-1)/p.SizeKiB { // what is left then is nothing
			return nil, fault.New(fault.ConfigInvalid, "Ask for fewer pages, or choose a larger instance type.",
				fmt.Errorf("cannot use spec.hugePages: the pools need all of the %d MiB of memory", in.Hardware.Memory.OnlineBytes>>20))
		}
		left -= p.Count * p.SizeKiB
	}
	return pools, nil
}
