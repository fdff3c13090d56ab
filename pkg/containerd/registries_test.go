package containerd

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/remotes/docker"
	"github.com/containerd/containerd/v2/core/remotes/docker/config"
	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// authority is a certificate as a mirror may need it; that it has run out does not
// matter to anyone here.
const authority = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUR3uHEqw1WYhGrMZDzb2iR6e1f4UwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFbGFiQ0EwHhcNMjYwMTAxMDAwMDAwWhcNMjYwMTAyMDAwMDAw
WjAQMQ4wDAYDVQQDDAVsYWJDQTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKlZ
-----END CERTIFICATE-----
`

func registries(all ...api.Registry) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Registries = all }
}

func boolean(b bool) *bool { return &b }

const cache = "https://111122223333.dkr.ecr.us-west-2.amazonaws.com/v2/docker-hub"

// mirrorCases are the situations of which whole files are kept.
func mirrorCases() map[string][]api.Registry {
	password := api.MirrorCredentials{Source: api.CredentialsBasic, Username: "robot$pull", Password: "hunter2"}
	return map[string][]api.Registry{
		"a mirror before the registry": {{Registry: "docker.io", Mirrors: []api.Mirror{{URL: "https://mirror.example/"}}}},
		"a pull-through cache of ECR":  {{Registry: "docker.io", Mirrors: []api.Mirror{{URL: cache, Credentials: api.MirrorCredentials{Source: api.CredentialsECR}}}}},
		"two mirrors and no fallback": {{Registry: "quay.io", Fallback: boolean(false), Mirrors: []api.Mirror{
			{URL: "https://one.example:8443/quay/v2", CA: authority, Capabilities: []string{"pull"}},
			{URL: "https://two.example", CA: authority, InsecureSkipVerify: boolean(false), Credentials: password},
		}}},
		"passwords": {{Registry: "registry.example.com:5000", Mirrors: []api.Mirror{
			{URL: "https://harbor.example/v2/proxy", Credentials: password},
			{URL: "http://10.0.0.5:5000", OverridePath: boolean(false), InsecureSkipVerify: boolean(true), Capabilities: []string{"resolve", "pull", "push"}},
		}}},
		"every registry, and one of this machine": {
			{Registry: "localhost:5000", Mirrors: []api.Mirror{{URL: "https://mirror.example/local", OverridePath: boolean(false)}}},
			{Registry: "*", Mirrors: []api.Mirror{{URL: "http://127.0.0.1:30020"}, {URL: "http://[::1]:30020"}}},
		},
	}
}

// written returns the resources below the folders of registries, as text.
func written(t *testing.T, in node.Input) string {
	t.Helper()
	state, err := node.Desired(in, []node.Component{Component()})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range state.Entries() {
		if !strings.HasPrefix(e.Resource.ID().Name, "/etc/containerd/certs.d/") {
			continue
		}
		switch r := e.Resource.(type) {
		case host.Dir:
			fmt.Fprintf(&b, "== %s mode %o\n", r.ID(), r.Mode)
		case host.File:
			fmt.Fprintf(&b, "== %s mode %o secret %t\n%s", r.ID(), r.Mode, r.Secret, r.Content)
		}
	}
	return b.String()
}

func fileName(name string) string {
	return filepath.Join("testdata", "registries", strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")+".txt")
}

func TestRegistriesBecomeWhatContainerdReadsAtEveryPull(t *testing.T) {
	for name, all := range mirrorCases() {
		t.Run(name, func(t *testing.T) {
			golden.Assert(t, fileName(name), []byte(written(t, input(registries(all...)))))
		})
	}
}

// seen is what containerd makes of one host of hosts.toml.
type seen struct {
	URL          string
	Capabilities string
	Login        string
	Verified     bool
}

// What is written is read by containerd's own code as it is meant: which hosts are
// asked, in what order, for what, and with which login.
func TestContainerdAsksTheHostsThatAreMeantInTheirOrder(t *testing.T) {
	const login = "Basic cm9ib3QkcHVsbDpodW50ZXIy"
	for _, row := range []struct {
		name, registry string
		want           []seen
	}{
		{"a mirror before the registry", "docker.io", []seen{{"https://mirror.example/v2", "pull resolve", "", true}, {"https://registry-1.docker.io/v2", "pull resolve push", "", true}}},
		{"a pull-through cache of ECR", "docker.io", []seen{{cache, "pull resolve", "", true}}},
		{"two mirrors and no fallback", "quay.io", []seen{{"https://one.example:8443/quay/v2", "pull", "", true}, {"https://two.example/v2", "pull resolve", login, true}}},
		{"passwords", "registry.example.com:5000", []seen{
			{"https://harbor.example/v2/proxy", "pull resolve", login, true},
			// skip_verify makes containerd try https first.
			{"https://10.0.0.5:5000/v2", "pull resolve push", "", false},
			{"https://registry.example.com:5000/v2", "pull resolve push", "", true},
		}},
		{"every registry, and one of this machine", "localhost:5000", []seen{{"https://mirror.example/local/v2", "pull resolve", "", true}, {"https://localhost:5000/v2", "pull resolve push", "", false}}},
		{"every registry, and one of this machine", "ghcr.io", []seen{
			{"http://127.0.0.1:30020/v2", "pull resolve", "", true}, {"http://[::1]:30020/v2", "pull resolve", "", true}, {"https://ghcr.io/v2", "pull resolve push", "", true},
		}},
	} {
		t.Run(row.name+" "+row.registry, func(t *testing.T) {
			root := t.TempDir()
			for _, r := range decide(t, registries(mirrorCases()[row.name]...)).Registries {
				for i := range r.Mirrors { // whether the certificate is one is not asked here
					r.Mirrors[i].CA = ""
				}
				dir := filepath.Join(root, filepath.Base(r.Dir))
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, "hosts.toml"), r.hosts(), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			hosts, err := config.ConfigureHosts(t.Context(), config.HostOptions{HostDir: config.HostDirFromRoot(root)})(row.registry)
			if err != nil {
				t.Fatal(err)
			}
			var got []seen
			for _, h := range hosts {
				got = append(got, look(h))
			}
			if d := cmp.Diff(row.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func look(h docker.RegistryHost) seen {
	s := seen{URL: h.Scheme + "://" + h.Host + h.Path, Login: h.Header.Get("Authorization"), Verified: true}
	var can []string
	for _, c := range []struct {
		name string
		bit  docker.HostCapabilities
	}{{"pull", docker.HostCapabilityPull}, {"resolve", docker.HostCapabilityResolve}, {"push", docker.HostCapabilityPush}} {
		if h.Capabilities.Has(c.bit) {
			can = append(can, c.name)
		}
	}
	s.Capabilities = strings.Join(can, " ")
	if tr, ok := h.Client.Transport.(*http.Transport); !ok || tr.TLSClientConfig.InsecureSkipVerify {
		s.Verified = false
	}
	return s
}

func TestContainerdIsNotRestartedForAMirror(t *testing.T) {
	for name, all := range mirrorCases() {
		rs, err := Desired(input(registries(all...)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rs {
			service, ok := r.(host.Service)
			if !ok {
				continue
			}
			for _, id := range service.Reads {
				if strings.Contains(id.Name, "certs.d") {
					t.Errorf("%s: %s reads %s", name, service.Name, id)
				}
			}
		}
	}
}

func TestPasswordsOfMirrorsAreNotShown(t *testing.T) {
	all := mirrorCases()["passwords"]
	all[0].Mirrors[0].URL = "http://harbor.example" // of which there is something to say
	s := decide(t, registries(all...))
	text, err := json.Marshal(s)
	shown := string(text) + fmt.Sprintf("%+v %#v", s, s)
	if err != nil || strings.Contains(shown, "hunter2") || strings.Contains(shown, "cm9ib3Qk") {
		t.Errorf("%v: %s", err, shown)
	}
	if len(s.Notes) == 0 {
		t.Error("there are no notes to look at")
	}
}

func TestMirrorsThatContainerdWouldPassOverInSilenceAreRefused(t *testing.T) {
	with := func(name string, ms ...api.Mirror) []api.Registry {
		return []api.Registry{{Registry: name, Mirrors: ms}}
	}
	login := func(user, password string) api.Mirror {
		return api.Mirror{URL: "https://m", Credentials: api.MirrorCredentials{Source: api.CredentialsBasic, Username: user, Password: api.Secret(password)}}
	}
	good := api.Mirror{URL: "https://m"}
	for phrase, all := range map[string][]api.Registry{
		`"x": it has no mirrors`:                               with("x"),
		`"../../etc": it is no host`:                           with("../../etc", good),
		`"..": it is no host`:                                  with("..", good),
		`"": it is no host`:                                    with("", good),
		`"_default/x": it is no host`:                          with("_default/x", good),
		`"https://docker.io": it is no host`:                   with("https://docker.io", good),
		`write that`:                                           with("index.docker.io", good),
		`mirrors[0]: its URL is not https://HOST`:              with("x", api.Mirror{URL: "m.example"}),
		`mirrors[1]: its URL is not https`:                     with("x", good, api.Mirror{URL: "https://m\"\n[host]"}),
		`mirrors[0]: its URL is not https://HOST/PATH or http`: with("x", api.Mirror{URL: "ftp://m"}),
		`mirrors[0]: its URL holds a user`:                     with("x", api.Mirror{URL: "https://u:hunter2@m"}),
		`mirrors[0]: its URL has more than a path`:             with("x", api.Mirror{URL: "https://m/?hunter2"}),
		`mirrors[1]: its URL is that of another mirror`:        with("x", good, api.Mirror{URL: "https://m/"}),
		`"list" is no capability`:                              with("x", api.Mirror{URL: "https://m", Capabilities: []string{"pull", "list"}}),
		`mirrors[0]: its ca is no certificate`:                 with("x", api.Mirror{URL: "https://m", CA: "hunter2"}),
		`the source "token"`:                                   with("x", api.Mirror{URL: "https://m", Credentials: api.MirrorCredentials{Source: "token"}}),
		`need a username without a colon and a password`:       with("x", login("", "hunter2")),
		`mirrors[0]: its credentials need a username`:          with("x", login("u:v", "hunter2")),
		`mirrors[0]: its credentials need`:                     with("x", login("u", "")),
		`neither with control characters`:                      with("x", login("u", "hunter2\r\n")),
		`the same registry as "a.example"`:                     append(with("a.example", good), with("a.example", good)...),
		`the ECR token that is meant for the mirror`: {{Registry: "docker.io", Fallback: boolean(true), Mirrors: []api.Mirror{
			{URL: cache, Credentials: api.MirrorCredentials{Source: api.CredentialsECR}},
		}}},
		`no host of ECR`: with("docker.io", api.Mirror{URL: "https://m", Credentials: api.MirrorCredentials{Source: api.CredentialsECR}}),
	} {
		t.Run(phrase, func(t *testing.T) {
			_, err := Decide(input(registries(all...)))
			if f, ok := fault.Find(err); !ok || f.Code != fault.ConfigInvalid || f.Remedy == "" || !strings.Contains(err.Error(), phrase) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAConfigurationThatDoesNotReadTheMirrorsIsRefused(t *testing.T) {
	for containerd, plugin := range map[string]string{"1.7.28": cri, "2.2.9": images} {
		for text, refused := range map[string]bool{
			plugin + "registry.config_path = ''":                                                      true,
			plugin + "registry.config_path = '/opt/certs.d'":                                          true,
			plugin + "registry.config_path = '/opt/certs.d:/etc/containerd/certs.d'":                  false,
			plugin + "registry.config_path = '/etc/containerd/certs.d'\nmax_concurrent_downloads = 5": false,
		} {
			_, err := Decide(input(func(in *node.Input) {
				with(containerd, text)(in)
				registries(api.Registry{Registry: "docker.io", Mirrors: []api.Mirror{{URL: "https://m"}}})(in)
			}))
			if refused != (err != nil) || refused && (fault.CodeOf(err) != fault.ConfigInvalid || !strings.Contains(err.Error(), "spec.containerd.config makes containerd look in")) {
				t.Errorf("containerd %s, %s: %v", containerd, text, err)
			}
		}
	}
}

func TestContainerd1CannotReadAMirrorByIPv6AddressUnlessItIsTheLast(t *testing.T) {
	for _, row := range []struct {
		containerd string
		fallback   bool
		refused    bool
	}{{"1.7.28", true, true}, {"1.7.28", false, false}, {"2.0.1", true, false}} {
		_, err := Decide(input(func(in *node.Input) {
			in.Versions.Containerd = version(row.containerd)
			in.Config.Spec.Registries = []api.Registry{{Registry: "docker.io", Fallback: &row.fallback, Mirrors: []api.Mirror{{URL: "http://[::1]:30020"}}}}
		}))
		if row.refused != (err != nil) || row.refused && fault.CodeOf(err) != fault.ConfigInvalid {
			t.Errorf("%+v: %v", row, err)
		}
	}
}

func TestWhatWouldSurpriseAboutAMirrorIsNoted(t *testing.T) {
	basic := api.MirrorCredentials{Source: api.CredentialsBasic, Username: "u", Password: "p"}
	ecr := api.MirrorCredentials{Source: api.CredentialsECR}
	soci := func(in *node.Input) {
		in.Config.Spec.FeatureGates = api.FeatureGates{api.FastImagePull: true}
		in.Present.SOCISnapshotter = true
	}
	one := func(m api.Mirror) func(*node.Input) {
		return registries(api.Registry{Registry: "docker.io", Mirrors: []api.Mirror{m}})
	}
	for _, row := range []struct {
		name   string
		change []func(*node.Input)
		want   []string
	}{
		{"nothing odd", []func(*node.Input){one(api.Mirror{URL: "https://m", Credentials: basic})}, nil},
		{"a password in the clear", []func(*node.Input){one(api.Mirror{URL: "http://m", Credentials: basic})}, []string{"in the clear"}},
		{"containerd that gives no password to a server of tokens", []func(*node.Input){with("1.7.28", ""), one(api.Mirror{URL: "https://m", Credentials: basic})}, []string{"before 2.1"}},
		{"a path without the API", []func(*node.Input){one(api.Mirror{URL: "https://m/docker"})}, []string{"no /v2 in it"}},
		{"a path without the API, as asked", []func(*node.Input){one(api.Mirror{URL: "https://m/docker", OverridePath: boolean(true)})}, nil},
		{"a path to which the API is added", []func(*node.Input){one(api.Mirror{URL: "https://m/docker", OverridePath: boolean(false)})}, nil},
		{"another mirror beside ECR's", []func(*node.Input){registries(api.Registry{Registry: "docker.io", Mirrors: []api.Mirror{{URL: "https://m"}, {URL: cache, Credentials: ecr}}})}, []string{"https://m is shown the ECR token"}},
		{"nobody resolves tags", []func(*node.Input){registries(api.Registry{Registry: "docker.io", Fallback: boolean(false), Mirrors: []api.Mirror{{URL: "https://m", Capabilities: []string{"pull"}}}})}, []string{"by digest only"}},
		{"the registry resolves tags", []func(*node.Input){one(api.Mirror{URL: "https://m", Capabilities: []string{"pull"}})}, nil},
		{"fast pulls", []func(*node.Input){soci, one(api.Mirror{URL: "https://m"})}, []string{"does not use mirrors"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := decide(t, func(in *node.Input) {
				for _, c := range row.change {
					c(in)
				}
			})
			if len(s.Notes) != len(row.want) {
				t.Fatalf("got %q", s.Notes)
			}
			for i := range row.want {
				if !strings.Contains(s.Notes[i], row.want[i]) {
					t.Errorf("got %q", s.Notes[i])
				}
			}
		})
	}
}

func TestTheSandboxImageIsUnpackedForTheSnapshotterThatPodsUse(t *testing.T) {
	soci := func(in *node.Input) {
		in.Config.Spec.FeatureGates = api.FeatureGates{api.FastImagePull: true}
		in.Present.SOCISnapshotter = true
	}
	for _, row := range []struct {
		name   string
		change func(*node.Input)
		want   string
	}{
		{"the usual one", nil, ""},
		{"fast pulls", soci, "soci"},
		{"fast pulls on containerd 1.7", func(in *node.Input) { soci(in); in.Versions.Containerd = version("1.7.28") }, "soci"},
		{"the user's", with("2.2.9", images+"snapshotter = 'native'"), "native"},
		{"the user's on containerd 1.7", with("1.7.28", cri+"containerd.snapshotter = 'native'"), "native"},
	} {
		if got := decide(t, row.change).Sandbox.Snapshotter; got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// Whatever is accepted comes back from the file as it was given, and nothing that
// was not.
func FuzzWhatIsWrittenIsReadBack(f *testing.F) {
	f.Add("docker.io", "https://mirror.example", "u", "p", true)
	f.Add("*", "http://[::1]:5000/a/", "robot$x", "\"\\\n[host]", false)
	f.Add("a.example:5000", "https://h/%22%0a?x#y", "ü", "😀", false)
	f.Add("[::1]:5000", "https://h/v2/\u0085", "u", "\x7f", true)
	f.Fuzz(func(t *testing.T, registry, address, user, password string, fallback bool) {
		s, err := Decide(input(registries(api.Registry{Registry: registry, Fallback: &fallback, Mirrors: []api.Mirror{{
			URL: address, Credentials: api.MirrorCredentials{Source: api.CredentialsBasic, Username: user, Password: api.Secret(password)},
		}}})))
		if err != nil {
			return
		}
		r := s.Registries[0]
		if rest, ok := strings.CutPrefix(r.Dir, "/etc/containerd/certs.d/"); !ok || rest == "" || strings.ContainsAny(rest, "/\n") || strings.Trim(rest, ".") == "" {
			t.Fatalf("the folder is %q", r.Dir)
		}
		var file struct {
			Server string
			Header map[string]string
			Host   map[string]struct{ Header map[string]string }
		}
		if err := toml.Unmarshal(r.hosts(), &file); err != nil {
			t.Fatalf("%v:\n%s", err, r.hosts())
		}
		mirror, header := file.Server, file.Header
		if fallback {
			if len(file.Host) != 1 {
				t.Fatalf("hosts %v", file.Host)
			}
			for name, h := range file.Host {
				mirror, header = name, h.Header
			}
		}
		want := "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		if mirror != r.Mirrors[0].URL || place(t, mirror) != place(t, address) || len(header) != 1 || header["Authorization"] != want {
			t.Fatalf("%q with %v is read from\n%s", mirror, header, r.hosts())
		}
	})
}

// place is where a URL leads to, however it is written.
func place(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/")
}
