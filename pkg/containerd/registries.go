package containerd

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Registry is from where the images of one registry are pulled.
type Registry struct {
	// Registry is its name in image references, or "*".
	Registry string `json:"registry"`
	// Dir is where containerd looks for what is said of it.
	Dir string `json:"dir"`
	// Server is asked last. Empty is the registry itself, where containerd finds
	// it by its name.
	Server string `json:"server,omitempty"`
	// Mirrors are asked in their order. Without Fallback the last one is the server.
	Mirrors  []Mirror `json:"mirrors"`
	Fallback bool     `json:"fallback"`
}

// Mirror is one place from which images are pulled.
type Mirror struct {
	URL          string   `json:"url"`
	Capabilities []string `json:"capabilities"`
	OverridePath bool     `json:"overridePath,omitempty"`
	SkipVerify   *bool    `json:"skipVerify,omitempty"`
	// CA is the name of a file in the registry's directory; Bundle is its content.
	CA     string `json:"ca,omitempty"`
	Bundle string `json:"-"`
	// Authorization is the header of that name; empty without a login of its own.
	Authorization api.Secret `json:"authorization,omitempty"`
}

// registries decides spec.registries. It comes after config, since containerd reads
// what is decided here only where its configuration says so.
func (d *decider) registries() {
	all := d.in.Config.Spec.Registries
	if len(all) == 0 {
		return
	}
	root := d.registryDir()
	byDir := map[string]string{}
	for _, r := range all {
		s, errs := d.registry(r, root)
		for _, err := range errs {
			d.fail(invalid("Correct spec.registries.", "cannot use spec.registries %q: %w", r.Registry, err))
		}
		fallback, err := node.RegistryFallback(r)
		d.fail(err)
		_, err = node.ECRMirror(r)
		d.fail(err)
		if other, taken := byDir[s.Dir]; taken && s.Dir != "" {
			d.fail(invalid("Keep one of the two.", "cannot use spec.registries %q: it is the same registry as %q", r.Registry, other))
			continue
		}
		byDir[s.Dir] = r.Registry
		s.Fallback = fallback
		if !fallback {
			s.Server = ""
		}
		if hosts, _ := s.order(); d.s.Schema == 2 && slices.ContainsFunc(hosts, func(m Mirror) bool { return strings.Contains(m.URL, "[") }) {
			// Its parser of TOML ends the head of a table at the first bracket, quoted or
			// not (go-toml 1.9); the file would be passed over.
			d.fail(invalid("Give the mirror by a name.", "cannot use spec.registries %q: containerd %s cannot read a mirror with an IPv6 address", r.Registry, d.s.Version))
		}
		d.s.Registries = append(d.s.Registries, s)
		d.remark(r, s)
	}
	slices.SortFunc(d.s.Registries, func(a, b Registry) int { return strings.Compare(a.Dir, b.Dir) })
	if d.s.SOCI {
		d.note("spec.registries: the SOCI snapshotter, which fetches the layers of images with FastImagePull, does not use mirrors, but asks the registries themselves (awslabs/soci-snapshotter, issues 1561 and 1013)")
	}
}

// registryDir returns the first of containerd's folders of registries, and refuses
// a configuration in which containerd does not read it.
func (d *decider) registryDir() string {
	dirs := d.in.Layout.RegistryConfigDirs
	if len(dirs) == 0 {
		d.fail(fmt.Errorf("internal error: the layout has no folder for registries"))
		return ""
	}
	plugin := pluginCRI
	if d.s.Schema == 3 {
		plugin = pluginImages
	}
	read, _ := at(d.s.Config, "plugins", plugin, "registry", "config_path").(string)
	if d.s.Config != nil && !slices.Contains(strings.Split(read, ":"), dirs[0]) {
		d.fail(invalid("Leave registry.config_path out of spec.containerd.config, or configure the registries there and not in spec.registries.",
			"cannot use spec.registries: they are written to %s, and spec.containerd.config makes containerd look in %q", dirs[0], read))
	}
	return dirs[0]
}

// registry decides one registry. It returns all that is wrong with it.
func (d *decider) registry(r api.Registry, root string) (Registry, []error) {
	var errs []error
	name, err := registryFolder(r.Registry)
	if err != nil {
		return Registry{Registry: r.Registry}, []error{err}
	}
	if len(r.Mirrors) == 0 {
		errs = append(errs, fmt.Errorf("it has no mirrors"))
	}
	s := Registry{Registry: r.Registry, Dir: path.Join(root, name), Server: upstream(r.Registry)}
	for i, m := range r.Mirrors {
		decided, wrong := mirror(m, i)
		for _, err := range wrong {
			errs = append(errs, fmt.Errorf("mirrors[%d]: %w", i, err))
		}
		if slices.ContainsFunc(s.Mirrors, func(other Mirror) bool { return other.URL == decided.URL }) {
			errs = append(errs, fmt.Errorf("mirrors[%d]: its URL is that of another mirror", i))
		}
		s.Mirrors = append(s.Mirrors, decided)
	}
	return s, errs
}

// registryFolder returns the folder that containerd looks in for a registry
// (hostPaths in core/remotes/docker/config): a colon before a port is written with
// underscores, and _default is for all registries without a folder.
func registryFolder(registry string) (string, error) {
	if registry == node.AnyRegistry {
		return "_default", nil
	}
	if registry == "index.docker.io" {
		return "", fmt.Errorf("its images are those of docker.io: write that")
	}
	bad := func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune(".-_:[]", r))
	}
	if registry == "" || len(registry) > 255 || strings.Trim(registry, ".") == "" || strings.ContainsFunc(registry, bad) {
		return "", fmt.Errorf("it is no host of a registry, such as registry.example.com:5000")
	}
	if i := strings.LastIndex(registry, ":"); i > strings.LastIndex(registry, "]") && i > 0 {
		return registry[:i] + "_" + registry[i+1:] + "_", nil
	}
	return registry, nil
}

// upstream returns the URL of a registry itself. It is empty where containerd must
// find it: for any registry, and on this machine, where it tries http as well.
func upstream(registry string) string {
	name, _, _ := strings.Cut(registry, ":")
	switch {
	case registry == node.AnyRegistry, name == "localhost", strings.HasPrefix(name, "127."), strings.HasPrefix(registry, "[::1]"):
		return ""
	case registry == "docker.io":
		return "https://registry-1.docker.io"
	}
	return "https://" + registry
}

// mirror decides one mirror. It returns all that is wrong with it; credentials are
// never part of an error.
func mirror(m api.Mirror, i int) (Mirror, []error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	u, err := url.Parse(m.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsFunc(m.URL, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		wrong("its URL is not https://HOST/PATH or http://HOST/PATH")
		return Mirror{URL: strconv.Itoa(i)}, errs
	case u.User != nil:
		wrong("its URL holds a user; write it under credentials")
	case u.RawQuery != "" || u.Fragment != "":
		wrong("its URL has more than a path")
	}
	u.RawPath = strings.TrimRight(u.EscapedPath(), "/")
	u.Path, _ = url.PathUnescape(u.RawPath) // it has been read as one
	// Written anew it is in ASCII, with the zone of an IPv6 address escaped: what
	// containerd could not read as a URL would cost all mirrors of the registry.
	again := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	out := Mirror{URL: again.String(), OverridePath: u.Path != "", SkipVerify: m.InsecureSkipVerify, Capabilities: m.Capabilities}
	if m.OverridePath != nil {
		out.OverridePath = *m.OverridePath
	}
	if len(out.Capabilities) == 0 {
		out.Capabilities = []string{"pull", "resolve"}
	}
	for _, c := range out.Capabilities {
		// containerd takes a file with any other word for none at all.
		if c != "pull" && c != "resolve" && c != "push" {
			wrong("%.40q is no capability; there are pull, resolve and push", c)
		}
	}
	if m.CA != "" {
		// Not .crt: without a usable hosts.toml those would be trusted for the registry.
		out.CA, out.Bundle = fmt.Sprintf("mirror-%d.pem", i+1), m.CA
		if block, _ := pem.Decode([]byte(m.CA)); block == nil || block.Type != "CERTIFICATE" {
			wrong("its ca is no certificate in PEM")
		}
	}
	switch c := m.Credentials; c.Source {
	case "", api.CredentialsECR:
	case api.CredentialsBasic:
		user, password := c.Username, c.Password.Reveal()
		if user == "" || password == "" || strings.Contains(user, ":") || strings.ContainsFunc(user+password, unicode.IsControl) {
			wrong("its credentials need a username without a colon and a password, neither with control characters")
		}
		out.Authorization = api.Secret("Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	default:
		wrong("its credentials have the source %.40q; there are ecr and basic", c.Source)
	}
	return out, errs
}

// remark tells what would surprise about a registry.
func (d *decider) remark(r api.Registry, s Registry) {
	var order []string
	resolves := s.Fallback
	for i, m := range s.Mirrors {
		order = append(order, m.URL)
		resolves = resolves || slices.Contains(m.Capabilities, "resolve")
		source := r.Mirrors[i].Credentials.Source
		if m.Authorization != "" && strings.HasPrefix(m.URL, "http://") {
			d.note("spec.registries %q: the password of mirror %s goes over the network in the clear", r.Registry, m.URL)
		}
		if m.Authorization != "" && !d.s.Version.AtLeast(2, 1) {
			// https://github.com/containerd/containerd/pull/11092
			d.note("spec.registries %q: containerd before 2.1 logs in to mirror %s only if that takes a password itself; it gives none to a server of tokens", r.Registry, m.URL)
		}
		if ecr, _ := node.ECRMirror(r); ecr != "" && source != api.CredentialsECR {
			d.note("spec.registries %q: mirror %s is shown the ECR token that is meant for %s if it asks for a login", r.Registry, m.URL, ecr)
		}
		if m.OverridePath && r.Mirrors[i].OverridePath == nil && !strings.Contains(m.URL+"/", "/v2/") {
			d.note("spec.registries %q: the URL of mirror %s is taken for the whole path of its API, and has no /v2 in it; if that is to be added, set overridePath: false", r.Registry, m.URL)
		}
	}
	if !resolves {
		d.note("spec.registries %q: no mirror may resolve tags, and there is no fallback, so images can be pulled by digest only", r.Registry)
	}
	from := "spec.registries"
	if s.Fallback {
		order = append(order, "the registry itself")
	} else {
		from += ", without fallback"
	}
	d.because("pulls from "+r.Registry, strings.Join(order, ", then "), from)
}

// resources returns a registry's folder and what is in it. containerd reads it at
// every pull (docs/hosts.md), so nothing is restarted for it.
func (s Registry) resources() []host.Resource {
	file := host.File{Path: path.Join(s.Dir, "hosts.toml"), Content: s.hosts(), Mode: 0o644}
	out := []host.Resource{host.Dir{Path: s.Dir, Mode: 0o755}}
	for _, m := range s.Mirrors {
		if m.CA != "" {
			out = append(out, host.File{Path: path.Join(s.Dir, m.CA), Content: []byte(m.Bundle), Mode: 0o644})
		}
		if m.Authorization != "" {
			file.Secret, file.Mode = true, 0o600
		}
	}
	return append(out, file)
}

// order returns the mirrors that have tables in hosts.toml, and the one that is the
// server there, if one is.
func (s Registry) order() (hosts []Mirror, server *Mirror) {
	if n := len(s.Mirrors) - 1; !s.Fallback && n >= 0 {
		return s.Mirrors[:n], &s.Mirrors[n]
	}
	return s.Mirrors, nil
}

// hosts renders hosts.toml. It is written by hand, because the order of its tables
// is that in which mirrors are asked.
//
// Without fallback the last mirror is the server: containerd asks a server in any
// case after the hosts, and would make it the registry if none was named
// (parseHostsFile and ConfigureHosts in core/remotes/docker/config).
func (s Registry) hosts() []byte {
	var b strings.Builder
	b.WriteString("# Written by eksnode. containerd reads it at every pull.\n")
	hosts, last := s.order()
	if last != nil {
		fmt.Fprintf(&b, "server = %s\n", strconv.Quote(last.URL))
		last.settings(&b, "header")
	} else if s.Server != "" {
		fmt.Fprintf(&b, "server = %s\n", strconv.Quote(s.Server))
	}
	if len(hosts) == 0 {
		// containerd before 1.7.32 does not read a file without this table:
		// https://github.com/containerd/containerd/pull/10028
		b.WriteString("\n[host]\n")
	}
	for _, m := range hosts {
		table := "host." + strconv.Quote(m.URL)
		fmt.Fprintf(&b, "\n[%s]\n", table)
		m.settings(&b, table+".header")
	}
	return []byte(b.String())
}

// settings writes the keys of one host, and the table of its headers. Everything
// quoted is printable and in ASCII, for which TOML's quotes are Go's.
func (m Mirror) settings(b *strings.Builder, header string) {
	var quoted []string
	for _, c := range m.Capabilities {
		quoted = append(quoted, strconv.Quote(c))
	}
	fmt.Fprintf(b, "capabilities = [%s]\n", strings.Join(quoted, ", "))
	if m.OverridePath {
		b.WriteString("override_path = true\n")
	}
	if m.CA != "" {
		fmt.Fprintf(b, "ca = %s\n", strconv.Quote(m.CA))
	}
	if m.SkipVerify != nil {
		fmt.Fprintf(b, "skip_verify = %t\n", *m.SkipVerify)
	}
	if m.Authorization != "" {
		fmt.Fprintf(b, "\n[%s]\nAuthorization = %s\n", header, strconv.Quote(m.Authorization.Reveal()))
	}
}
