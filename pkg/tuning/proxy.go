package tuning

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

// proxied adds what spec.proxy makes of the services that reach the outside to
// their environments, and keeps the order of all. The environment of the machine
// as a whole is left alone: everything else on it may have a way of its own. Values
// are never part of an error.
func proxied(in node.Input, all []Environment) ([]Environment, error) {
	p, ok := in.Proxy()
	if !ok {
		return all, nil
	}
	var errs []error
	refuse := func(err error) {
		errs = append(errs, fault.New(fault.ConfigInvalid, "Correct spec.proxy.", fmt.Errorf("cannot use spec.proxy: %w", err)))
	}
	if err := p.Check(); err != nil {
		refuse(err)
	}
	for _, unit := range in.ProxyUnits() {
		added := in.ProxyEnvironment(unit)
		for _, name := range slices.Sorted(maps.Keys(added)) {
			if err := variable(name, added[name].Reveal()); err != nil {
				refuse(err)
			}
		}
		if len(added) > 0 {
			all = with(all, Environment{Unit: unit, Path: in.Layout.EnvironmentDropIn(unit), Variables: added})
		}
	}
	slices.SortFunc(all, func(a, b Environment) int { return strings.Compare(a.Unit, b.Unit) })
	return all, errors.Join(errs...)
}

// with returns all with the variables of e added to the environment of its file.
// Nothing that it was given is changed.
func with(all []Environment, e Environment) []Environment {
	i := slices.IndexFunc(all, func(a Environment) bool { return a.Path == e.Path })
	if i < 0 {
		return append(slices.Clip(all), e)
	}
	all = slices.Clone(all)
	merged := map[string]api.Secret{}
	maps.Copy(merged, all[i].Variables)
	maps.Copy(merged, e.Variables)
	all[i].Variables = merged
	return all
}
