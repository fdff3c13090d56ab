package tuning

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Environment is the variables of one service, or of all.
type Environment struct {
	// Unit is the service's unit; empty for the manager's environment, which
	// all services get.
	Unit string `json:"unit,omitempty"`
	Path string `json:"path"`
	// Variables are printed as [redacted].
	Variables map[string]api.Secret `json:"variables"`
}

// environments decides the files of spec.instance.environment and spec.proxy, the
// manager's first. Values are never part of an error.
func environments(in node.Input) ([]Environment, error) {
	var out []Environment
	var errs []error
	byPath := map[string]string{}
	refuse := func(key, format string, args ...any) {
		errs = append(errs, fault.New(fault.ConfigInvalid, "Correct spec.instance.environment.",
			fmt.Errorf("cannot use spec.instance.environment %q: "+format, append([]any{key}, args...)...)))
	}
	all := in.Config.Spec.Instance.Environment
	for _, key := range slices.Sorted(maps.Keys(all)) {
		e := Environment{Variables: all[key], Path: in.Layout.ManagerEnvironment}
		if key != api.EnvironmentDefault {
			if err := unitName(key); err != nil {
				refuse(key, "%w", err)
				continue
			}
			e.Unit = node.EnvironmentUnit(key)
			e.Path = in.Layout.EnvironmentDropIn(e.Unit)
		}
		if other, taken := byPath[e.Path]; taken {
			refuse(key, "it is the same service as %q", other)
			continue
		}
		byPath[e.Path] = key
		for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
			if err := variable(name, e.Variables[name].Reveal()); err != nil {
				refuse(key, "%w", err)
			}
		}
		if len(e.Variables) > 0 {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Environment) int { return strings.Compare(a.Unit, b.Unit) })
	out, err := proxied(in, out)
	return out, errors.Join(append(errs, err)...)
}

// unitName refuses what is no name of a unit, systemd.unit(5), and so could
// name a file elsewhere.
func unitName(key string) error {
	if key == "" || len(key) > 200 || strings.Trim(key, ".") == "" {
		return errors.New("it is no name of a service")
	}
	for _, r := range key {
		if !strings.ContainsRune(`:_.\@-`, r) && !alphanumeric(r) {
			return fmt.Errorf("%q cannot be in the name of a service", r)
		}
	}
	return nil
}

func alphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// variable refuses what systemd would not take as an environment variable, and
// would pass over with a warning.
func variable(name, value string) error {
	for i, r := range name {
		if r != '_' && !alphanumeric(r) || i == 0 && r >= '0' && r <= '9' {
			return fmt.Errorf("%q is no name of a variable", name)
		}
	}
	if name == "" {
		return errors.New("a variable has no name")
	}
	if !utf8.ValidString(value) {
		return fmt.Errorf("the value of %s is not UTF-8", name)
	}
	for _, r := range value {
		if r < ' ' && r != '\t' && r != '\n' || r == 0x7f {
			return fmt.Errorf("the value of %s has a control character in it", name)
		}
	}
	return nil
}

// file renders an environment as a drop-in of systemd.
func (e Environment) file() host.File {
	head, directive := "[Manager]", "DefaultEnvironment"
	if e.Unit != "" {
		head, directive = "[Service]", "Environment"
	}
	var b strings.Builder
	b.WriteString(head + "\n")
	for _, name := range slices.Sorted(maps.Keys(e.Variables)) {
		b.WriteString(directive + "=" + quote(name+"="+e.Variables[name].Reveal()) + "\n")
	}
	return host.File{Path: e.Path, Content: []byte(b.String()), Mode: 0o600, Secret: true}
}

// quote writes an assignment so that systemd reads it back exactly: in double
// quotes, inside of which a backslash starts an escape (systemd.syntax(7)), and
// with percent signs doubled, which start a specifier.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "%", "%%").Replace(s) + `"`
}
