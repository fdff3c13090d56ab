package tuning

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// fromSpec is the reason of a value that a person has asked for.
const fromSpec = "spec.sysctls"

// parameters are the kernel parameters of a machine: the agent's own, and those
// of spec.sysctls, whose values are used where both name one.
type parameters struct {
	exact, atLeast []host.Sysctl
	// file is what the file for sysctl.d sets, in its order.
	file []host.Sysctl
	// asked are the values of spec.sysctls by their dotted names.
	asked map[string]string
}

// decideParameters returns all that is wrong with spec.sysctls at once.
func decideParameters(in node.Input, modules []Module) (parameters, error) {
	asked, err := askedParameters(in)
	if err != nil {
		return parameters{}, err
	}
	p := parameters{asked: asked}
	rest := maps.Clone(asked)
	own := func(s host.Sysctl) host.Sysctl {
		if value, ok := asked[s.Key]; ok {
			s.Value, s.AtLeast = value, false
			delete(rest, s.Key)
		}
		return s
	}
	for _, s := range exact() {
		p.exact = append(p.exact, own(s))
	}
	p.file = slices.Clone(p.exact)
	bridged := in.Present.BridgeNetfilter || slices.ContainsFunc(modules, func(m Module) bool { return m.Name == bridgeModule })
	for _, s := range bridge() {
		_, wanted := asked[s.Key]
		s = own(s)
		p.file = append(p.file, s)
		if bridged || wanted {
			p.exact = append(p.exact, s)
		}
	}
	for _, s := range atLeast() {
		if _, ok := asked[s.Key]; !ok { // else it is one of the rest: a value, and no bound
			p.atLeast = append(p.atLeast, s)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(rest)) {
		s := host.Sysctl{Key: key, Value: rest[key]}
		p.exact, p.file = append(p.exact, s), append(p.file, s)
	}
	return p, nil
}

// askedParameters checks spec.sysctls and returns it by dotted names.
func askedParameters(in node.Input) (map[string]string, error) {
	out := map[string]string{}
	var errs []error
	refuse := func(key, remedy string, err error) {
		errs = append(errs, fault.New(fault.ConfigInvalid, remedy, fmt.Errorf("cannot use spec.sysctls %q: %w", key, err)))
	}
	all := in.Config.Spec.Sysctls
	for _, key := range slices.Sorted(maps.Keys(all)) {
		dotted, err := parameterName(key)
		if err != nil {
			refuse(key, "Name the parameter as sysctl(8) prints it: net.ipv4.ip_forward.", err)
			continue
		}
		value := canonical(dotted, all[key])
		if err := parameterValue(all[key]); err != nil {
			refuse(key, "Correct the value.", err)
		}
		if _, taken := out[dotted]; taken {
			refuse(key, "Name each parameter once.", fmt.Errorf("%s is named twice, with dots and with slashes", dotted))
		}
		if i := slices.IndexFunc(exact(), func(s host.Sysctl) bool { return s.Key == dotted }); i >= 0 && why[dotted] == fromKubelet && exact()[i].Value != value {
			refuse(key, "Leave the parameter out.", fmt.Errorf("%s, and sets %s itself where protectKernelDefaults is off", fromKubelet, exact()[i].Value))
		}
		if strings.HasPrefix(dotted, "vm.nr_hugepages") && len(in.Config.Spec.HugePages) > 0 {
			refuse(key, "Say it in spec.hugePages alone.", errors.New("it sets a pool of spec.hugePages a second time"))
		}
		out[dotted] = value
	}
	related(out, func(key string, err error) { refuse(key, "Name one of the two.", err) })
	return out, errors.Join(errs...)
}

// parameterName returns a name with dots as separators. As in sysctl(8), the first
// separator decides, and what is not a separator then is part of a name: the
// interface eth0.100 is net/ipv4/conf/eth0.100/forwarding or
// net.ipv4.conf.eth0/100.forwarding. In the file of sysctl.d more characters would
// have a meaning than a parameter's name can have.
func parameterName(key string) (string, error) {
	if i := strings.IndexAny(key, "./"); i >= 0 && key[i] == '/' {
		key = strings.Map(func(r rune) rune {
			switch r {
			case '.':
				return '/'
			case '/':
				return '.'
			}
			return r
		}, key)
	}
	names := strings.Split(key, ".")
	if strings.HasPrefix(key, "-") { // sysctl.d(5) reads it as: do without
		return "", errors.New("it is no name of a kernel parameter")
	}
	for _, name := range names {
		if strings.Trim(name, "/") == "" || strings.ContainsFunc(name, func(r rune) bool { return !strings.ContainsRune("/_-:@+", r) && !alphanumeric(r) }) {
			return "", errors.New("it is no name of a kernel parameter")
		}
	}
	if len(names) < 2 {
		return "", errors.New("it is no name of a kernel parameter: those have a dot in them")
	}
	return key, nil
}

// parameterValue refuses what would be another line of the file.
func parameterValue(value string) error {
	const longest = 4000 // the kernel takes one page for most
	if len(value) > longest || !utf8.ValidString(value) || strings.ContainsFunc(strings.TrimSpace(value), func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("its value is not one line of text")
	}
	return nil
}

// notes says what a person may not have expected of spec.sysctls.
func (p parameters) notes() []string {
	if value, ok := p.asked["net.ipv4.ip_forward"]; ok && value != "1" {
		return []string{"spec.sysctls sets net.ipv4.ip_forward to " + value + ": pods of other nodes and services cannot be reached"}
	}
	return nil
}

// from says where the value of a parameter comes from.
func (p parameters) from(key string) string {
	if _, ok := p.asked[key]; ok {
		return fromSpec
	}
	return why[key]
}
