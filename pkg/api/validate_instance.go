package api

import (
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

func (c *checker) instance() {
	c.localStorage()
	c.environment()
	c.network()
}

func (c *checker) localStorage() {
	const base = "spec.instance.localStorage"
	if n := c.at("spec", "instance", "localStorage", "strategy"); !n.empty() {
		c.enum(n, base+".strategy", localStorageStrategies(), "") // nodeadm takes any case
	}
	if list := c.at("spec", "instance", "localStorage", "disabledMounts"); list != nil {
		for i, n := range list.items {
			c.enum(n, itemPath(base+".disabledMounts", i), disabledMounts(), "nodeadm would ignore it")
		}
	}
	n := c.at("spec", "instance", "localStorage", "mountPath")
	if n.empty() {
		return
	}
	at, p := base+".mountPath", n.scalar
	switch {
	case strings.ContainsFunc(p, control):
		c.fail(n, at, "", "the path holds a control character")
	case !strings.HasPrefix(p, "/"):
		c.fail(n, at, orTemplate(p, "write a path from the root, such as "+DefaultMountPath), "%s is not an absolute path", quoteName(p))
	case slices.Contains(strings.Split(p, "/"), ".."):
		c.fail(n, at, "write the directory that is meant", "%s holds \"..\"", quoteName(p))
	case path.Clean(p) == "/":
		c.fail(n, at, "write a directory, such as "+DefaultMountPath, "local disks cannot be mounted over the root directory")
	case path.Clean(p) != strings.TrimSuffix(p, "/"):
		c.fail(n, at, "write "+path.Clean(p), "%s is not a clean path", quoteName(p))
	}
}

// enum checks a value against the known ones. Only the case may differ; if that
// matters to others, otherCase says how.
func (c *checker) enum(n *node, at string, known []string, otherCase string) {
	if slices.Contains(known, n.scalar) {
		return
	}
	best, ok := nearest(n.scalar, known)
	switch {
	case ok && strings.EqualFold(best, n.scalar):
		if otherCase != "" {
			c.warn(n, at, "write "+best, "%s is read as %s, but %s", quoteName(n.scalar), best, otherCase)
		}
	case ok:
		c.fail(n, at, "did you mean "+best+"?", "unknown value %s; known are %s", quoteName(n.scalar), strings.Join(known, ", "))
	default:
		c.fail(n, at, orTemplate(n.scalar, ""), "unknown value %s; known are %s", quoteName(n.scalar), strings.Join(known, ", "))
	}
}

var (
	// systemd unit names without their type, systemd.unit(5), less the backslash.
	serviceNameForm = lazyregexp.New(`^[A-Za-z0-9:_.@-]+$`)
	// names of environment variables, POSIX.1-2017 section 8.1, and lower case.
	variableNameForm = lazyregexp.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

func (c *checker) environment() {
	const base = "spec.instance.environment"
	env := c.at("spec", "instance", "environment")
	if env == nil {
		return
	}
	for _, service := range env.fields {
		at := childPath(base, service.name)
		switch {
		case !serviceNameForm.MatchString(service.name) || strings.Contains(service.name, ".."):
			c.keyFail(service, base, "write the name of a systemd service without .service, or "+EnvironmentDefault,
				"%s is no name of a service", quoteName(service.name))
		case strings.HasSuffix(service.name, ".service"):
			c.report.warnf(service.value.src, service.value.src.pos(service.line, service.col), CodeSuspiciousValue, at,
				"write "+strings.TrimSuffix(service.name, ".service"), "the name of a service is written without .service")
		}
		for _, v := range service.value.fields {
			if !variableNameForm.MatchString(v.name) {
				c.keyFail(v, at, "names have letters, digits and underscores, and do not begin with a digit",
					"%s is no name of an environment variable", quoteName(v.name))
				continue
			}
			if strings.ContainsAny(v.value.scalar, "\n\r") {
				c.fail(v.value, childPath(at, v.name), "write the value on one line; in a YAML block use \">-\"", "the value holds a line break, which would break the unit file")
			}
		}
	}
}

// keyFail reports an error about a key and not its value.
func (c *checker) keyFail(f field, path, remedy, format string, args ...any) {
	c.report.errorf(f.value.src, f.value.src.pos(f.line, f.col), CodeInvalidValue, path, remedy, format, args...)
}

func (c *checker) network() {
	const base = "spec.instance.network"
	if list := c.at("spec", "instance", "network", "nameservers"); list != nil {
		for i, n := range list.items {
			if _, err := netip.ParseAddr(n.scalar); err != nil {
				c.fail(n, itemPath(base+".nameservers", i), orTemplate(n.scalar, "write one IPv4 or IPv6 address an item"), "%s is not an IP address", quoteName(n.scalar))
			}
		}
	}
	if list := c.at("spec", "instance", "network", "domains"); list != nil {
		for i, n := range list.items {
			// systemd-resolved takes ~ before a domain that only routes queries.
			name := strings.TrimPrefix(n.scalar, "~")
			if name == "." && name != n.scalar {
				continue
			}
			if !validDomain(name) {
				c.fail(n, itemPath(base+".domains", i), orTemplate(n.scalar, "write one DNS name an item"), "%s is not a DNS name", quoteName(n.scalar))
			}
		}
	}
}
