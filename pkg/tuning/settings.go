package tuning

import (
	"errors"
	"fmt"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Settings is everything that is decided about the machine itself.
type Settings struct {
	// Exact are the kernel parameters that must have one value, AtLeast the
	// limits that are only raised.
	Exact   []host.Sysctl `json:"exact"`
	AtLeast []host.Sysctl `json:"atLeast"`
	// Environments are in the order of their files. Nameservers and Domains
	// configure the resolver; both empty leave it alone.
	Environments []Environment `json:"environments,omitempty"`
	Nameservers  []string      `json:"nameservers,omitempty"`
	Domains      []string      `json:"domains,omitempty"`
	Why          []node.Reason `json:"why"`
}

// Decide decides everything about the machine itself. It returns all that is
// wrong with the input at once, each as a fault.
func Decide(in node.Input) (Settings, error) {
	s := Settings{Exact: exact(in), AtLeast: atLeast()}
	var errs []error
	if strategy := in.Config.Spec.Instance.LocalStorage.Strategy; strategy != "" {
		errs = append(errs, fault.New(fault.ConfigInvalid,
			"Leave spec.instance.localStorage out and prepare the disks in the machine image or before the agent runs.",
			fmt.Errorf("cannot prepare local disks as %s: this version does not do that", strategy)))
	}
	var err error
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
	for _, p := range append(append([]host.Sysctl(nil), s.Exact...), s.AtLeast...) {
		value := p.Value
		if p.AtLeast {
			value = "at least " + value
		}
		s.Why = append(s.Why, node.Reason{Setting: p.Key, Value: value, From: why[p.Key]})
	}
	return s, nil
}
