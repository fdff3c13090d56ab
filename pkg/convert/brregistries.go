package convert

import (
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// registries reads the mirrors, and the credentials whose registry is one of them.
func (r *bottlerocketReader) registries() {
	v, _, _ := r.get("container-registry", "mirrors")
	list, _ := v.([]any)
	for i, e := range list {
		p := itemPath("settings.container-registry.mirrors", i)
		s := source{p, r.l.line(p)}
		registry, ok := at(e, "registry").(string)
		endpoints, isList := texts(at(e, "endpoint"))
		if !ok || !isList || registry == "" {
			continue
		}
		out := api.Registry{Registry: registry}
		for _, u := range endpoints {
			out.Mirrors = append(out.Mirrors, api.Mirror{URL: u})
		}
		to := keyedPath("spec.registries", registry)
		r.config.Spec.Registries = append(r.config.Spec.Registries, out)
		r.each(s, e, []string{"registry"}, Translated, to+".registry", "", "")
		for j := range out.Mirrors {
			r.each(s, e, []string{"endpoint"}, Translated, itemPath(to+".mirrors", j)+".url", "", "")
		}
		if len(out.Mirrors) == 0 {
			r.each(s, e, []string{"endpoint"}, Implied, "", "it names no mirror", "")
		}
	}
	v, _, _ = r.get("container-registry", "credentials")
	list, _ = v.([]any)
	for i, e := range list {
		p := itemPath("settings.container-registry.credentials", i)
		r.credentials(source{p, r.l.line(p)}, e)
	}
}

func (r *bottlerocketReader) credentials(s source, e any) {
	host, _ := at(e, "registry").(string)
	user, okUser := at(e, "username").(string)
	password, okPassword := at(e, "password").(string)
	if auth, ok := at(e, "auth").(string); ok && !okUser {
		if raw, err := base64.StdEncoding.DecodeString(auth); err == nil {
			user, password, okUser = strings.Cut(string(raw), ":")
			okPassword = okUser
		}
	}
	found := false
	for i := range r.config.Spec.Registries {
		for j := range r.config.Spec.Registries[i].Mirrors {
			m := &r.config.Spec.Registries[i].Mirrors[j]
			if u, err := url.Parse(m.URL); err != nil || u.Host != host || !okUser || !okPassword {
				continue
			}
			m.Credentials = api.MirrorCredentials{Source: api.CredentialsBasic, Username: user, Password: api.Secret(password)}
			r.each(s, e, []string{"registry", "username", "password", "auth"}, Translated, itemPath(keyedPath("spec.registries", r.config.Spec.Registries[i].Registry)+".mirrors", j)+".credentials", "", "")
			found = true
		}
	}
	if !found {
		r.say(r.done(s), Lost, "", "NodeConfig has credentials for mirrors, by user name and password", "give the registry a mirror that is itself, or a provider at spec.imageCredentials")
	}
}
