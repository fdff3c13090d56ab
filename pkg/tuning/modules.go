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

// Module is a kernel module to be loaded.
type Module struct {
	// Name has underscores for dashes, as lsmod prints it.
	Name string `json:"name"`
	// Options is what follows the name in modprobe.d(5): a=1 b="x y". Empty for none.
	Options string `json:"options,omitempty"`
}

// decideModules checks spec.kernelModules; they keep the order in which they are
// listed, in which they are loaded.
func decideModules(in node.Input) ([]Module, error) {
	var out []Module
	var errs []error
	for _, m := range in.Config.Spec.KernelModules {
		refuse := func(err error) {
			errs = append(errs, fault.New(fault.ConfigInvalid, "Correct spec.kernelModules.", fmt.Errorf("cannot use the kernel module %q: %w", m.Name, err)))
		}
		// The kernel takes dashes for underscores, and shows names with the latter.
		name := strings.ReplaceAll(m.Name, "-", "_")
		if !moduleName(name) {
			refuse(errors.New("it is no name of a module: those have letters, digits and underscores"))
			continue
		}
		if slices.ContainsFunc(out, func(o Module) bool { return o.Name == name }) {
			refuse(errors.New("it is listed twice"))
			continue
		}
		options, err := moduleOptions(m.Parameters)
		if err != nil {
			refuse(err)
		}
		out = append(out, Module{Name: name, Options: options})
	}
	return out, errors.Join(errs...)
}

// moduleName reports whether s can be the name of a module: MODULE_NAME_LEN of the
// kernel is 56, with a zero byte.
func moduleName(s string) bool { return len(s) < 56 && moduleWord(s) }

// moduleWord reports whether s has the letters of names in the kernel. Those of
// parameters may be of any length.
func moduleWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r != '_' && !alphanumeric(r) })
}

// moduleOptions writes parameters for modprobe.d(5), sorted by name. The kernel
// reads them as it reads its command line: white space separates, double quotes
// keep it together, and nothing can stand for a double quote. A parameter without
// a value is one that is switched on.
func moduleOptions(parameters map[string]string) (string, error) {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		value := parameters[name]
		// Some modules have parameters of their parts: acpi.debug, dyndbg.
		if !moduleWord(strings.NewReplacer("-", "_", ".", "_").Replace(name)) {
			return "", fmt.Errorf("%q is no name of a parameter", name)
		}
		if !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' }) {
			return "", fmt.Errorf("the value of its parameter %s has a control character, a quotation mark or a backslash in it", name)
		}
		switch {
		case value == "":
			out = append(out, name)
		case strings.ContainsFunc(value, func(r rune) bool { return r == ' ' || r > '~' }):
			// Beyond ASCII, too: the kernel takes the byte 0xa0 for a blank, and it is
			// part of many letters in UTF-8.
			out = append(out, name+`="`+value+`"`)
		default:
			out = append(out, name+"="+value)
		}
	}
	return strings.Join(out, " "), nil
}

// moduleResources are the files by which the modules are loaded at each boot, and
// the loaded modules. Loading reads the files, so they come first.
func moduleResources(modules []Module, l node.Layout) (files, loaded []host.Resource) {
	if len(modules) == 0 {
		return nil, nil
	}
	const head = "# Written by eksnode.\n"
	load, options := head, ""
	for _, m := range modules {
		load += m.Name + "\n"
		if m.Options != "" {
			options += "options " + m.Name + " " + m.Options + "\n"
		}
		loaded = append(loaded, host.Module{Name: m.Name})
	}
	files = []host.Resource{host.File{Path: l.ModulesLoad, Content: []byte(load), Mode: 0o644}}
	if options != "" {
		files = append(files, host.File{Path: l.ModuleOptions, Content: []byte(head + options), Mode: 0o644})
	}
	return files, loaded
}

// moduleNotes says when parameters have an effect, which the kernel reads as it
// loads a module and not later.
func moduleNotes(modules []Module) []string {
	var names []string
	for _, m := range modules {
		if m.Options != "" {
			names = append(names, m.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"parameters of kernel modules (" + strings.Join(names, ", ") + ") are read when the module is loaded: where it is loaded already, at the next boot"}
}
