package containerd

import (
	"net/url"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"github.com/eksnode/eksnode/pkg/api"
)

// Each of these is a URL for Go, and must be one for containerd once it has gone
// through hosts.toml.
func TestOddURLsOfMirrorsReachContainerd(t *testing.T) {
	for given, want := range map[string]string{
		"http://[fe80::1%25eth0]:5000":     "http://[fe80::1%25eth0]:5000",
		"https://m.example/é":              "https://m.example/%C3%A9",
		"https://m.example/a\"b\\c%20d$x/": "https://m.example/a%22b%5Cc%20d$x",
		"https://m.example/a%2Fb//":        "https://m.example/a%2Fb",
		"HTTPS://M.Example:0443":           "https://M.Example:0443",
	} {
		m, errs := mirror(api.Mirror{URL: given}, 0)
		if len(errs) > 0 || m.URL != want {
			t.Errorf("%s becomes %s, %v", given, m.URL, errs)
		}
		if u, err := url.Parse(m.URL); err != nil || u.String() != m.URL {
			t.Errorf("%s cannot be read: %v", m.URL, err)
		}
		r := Registry{Registry: "docker.io", Mirrors: []Mirror{m}, Fallback: true}
		var hosts struct {
			Host map[string]any `toml:"host"`
		}
		if err := toml.Unmarshal(r.hosts(), &hosts); err != nil || hosts.Host[m.URL] == nil {
			t.Errorf("%s: %v in\n%s", given, err, r.hosts())
		}
	}
}
