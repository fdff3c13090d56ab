package tuning

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Settings is everything that is decided about the machine itself.
type Settings struct {
	// Exact are the kernel parameters that must have one value, AtLeast the
	// limits that are only raised.
	Exact   []host.Sysctl `json:"exact"`
	AtLeast []host.Sysctl `json:"atLeast"`
	// Persistent are the parameters that are set at every boot, in this order.
	Persistent []host.Sysctl `json:"persistent"`
	// Modules are loaded before any parameter is set, in this order.
	Modules []Module `json:"modules,omitempty"`
	// HugePages are the pools of huge pages, the largest pages first.
	HugePages []host.HugePages `json:"hugePages,omitempty"`
	// LocalDisks is the program that prepares the disks of the instance; nil where
	// they are left alone.
	LocalDisks *host.Command `json:"localDisks,omitempty"`
	// Swap is the swap file; nil where none is wanted.
	Swap *host.SwapFile `json:"swap,omitempty"`
	// TimeSync is nil where the image's clock is left alone.
	TimeSync *TimeSync `json:"timeSync,omitempty"`
	// Environments are in the order of their files. Nameservers and Domains
	// configure the resolver; both empty leave it alone.
	Environments []Environment `json:"environments,omitempty"`
	Nameservers  []string      `json:"nameservers,omitempty"`
	Domains      []string      `json:"domains,omitempty"`
	Why          []node.Reason `json:"why"`
	// Notes are what a person may want to know and nothing else would say.
	Notes []string `json:"notes,omitempty"`
}

// Decide decides everything about the machine itself. It returns all that is
// wrong with the input at once, each as a fault.
func Decide(in node.Input) (Settings, error) {
	var s Settings
	errs := []error{s.kernel(in)}
	var err error
	s.LocalDisks, err = decideDisks(in)
	errs = append(errs, err)
	if s.LocalDisks != nil {
		s.because("local disks", strings.Join(s.LocalDisks.Args, " "), "spec.instance.localStorage")
	}
	s.TimeSync, err = decideTimeSync(in)
	errs = append(errs, err)
	if s.TimeSync != nil {
		s.because("time servers of "+s.TimeSync.Unit, strings.Join(s.TimeSync.Servers, " "), "spec.timeSync")
	}
	s.Environments, err = environments(in)
	errs = append(errs, err)
	network := in.Config.Spec.Instance.Network
	s.Nameservers, err = words("spec.instance.network.nameservers", network.Nameservers)
	errs = append(errs, err)
	s.Domains, err = words("spec.instance.network.domains", network.Domains)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return Settings{}, err
	}
	return s, nil
}

func (s *Settings) because(setting, value, from string) {
	s.Why = append(s.Why, node.Reason{Setting: setting, Value: value, From: from})
}

// kernel decides what concerns the running kernel.
func (s *Settings) kernel(in node.Input) error {
	var errs [4]error
	var p parameters
	s.Modules, errs[0] = decideModules(in)
	p, errs[1] = decideParameters(in, s.Modules)
	s.HugePages, errs[2] = decidePools(in)
	s.Swap, errs[3] = in.SwapFile()
	s.Exact, s.AtLeast, s.Persistent = p.exact, p.atLeast, p.file
	s.Notes = append(p.notes(), moduleNotes(s.Modules)...)
	for _, parameter := range slices.Concat(s.Exact, s.AtLeast) {
		value := parameter.Value
		if parameter.AtLeast {
			value = "at least " + value
		}
		s.because(parameter.Key, value, p.from(parameter.Key))
	}
	for _, m := range s.Modules {
		s.because("kernel module "+m.Name, "loaded", "spec.kernelModules")
	}
	for _, pool := range s.HugePages {
		s.because("huge pages "+pool.ID().Name, strconv.FormatInt(pool.Count, 10), "spec.hugePages")
	}
	if s.Swap != nil {
		s.because("swap file "+s.Swap.Path, strconv.FormatInt(s.Swap.Bytes>>20, 10)+" MiB", "spec.swap")
	}
	return errors.Join(errs[:]...)
}
