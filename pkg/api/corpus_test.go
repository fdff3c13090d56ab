package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
)

// inputs returns the name and content of each *.in below a folder.
func inputs(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.in"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no inputs in %s: %v", folder, err)
	}
	out := make(map[string][]byte, len(paths))
	for _, p := range paths {
		raw, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(p), ".in")] = raw
	}
	return out
}

func TestBrokenInputGetsTheMessageAPersonWants(t *testing.T) {
	const folder = "testdata/broken"
	corpus := inputs(t, folder)
	for name, raw := range generated() {
		corpus[name] = raw
	}
	for name, raw := range corpus {
		t.Run(name, func(t *testing.T) {
			_, problems := load(t, raw, api.Options{})
			if len(problems) == 0 {
				t.Error("nothing was reported")
			}
			got := render(problems)
			for _, secret := range []string{"hunter2", "user:"} {
				if strings.Contains(got, secret) {
					t.Errorf("the report holds the secret %q", secret)
				}
			}
			golden.Assert(t, filepath.Join(folder, name+".want"), got)
		})
	}
}

// generated are inputs too large to keep as files.
func generated() map[string][]byte {
	long := strings.Repeat("# a comment that goes on and on\n", (16<<20)/32)
	return map[string][]byte{
		"large-16mib-of-comments":    []byte(header + long[:len(long)-len(header)]),
		"large-17mib":                []byte(header + long + long[:1<<20]),
		"large-2mib-nodeconfig":      []byte(header + long[:2<<20]),
		"large-part":                 []byte("Content-Type: multipart/mixed; boundary=B\n\n--B\nContent-Type: application/node.eks.aws\n\n" + header + long[:2<<20] + "--B--\n"),
		"large-line":                 []byte(header + "x: " + strings.Repeat("é", 300_000) + "\n"),
		"mime-too-many-parts":        []byte("Content-Type: multipart/mixed; boundary=B\n\n" + strings.Repeat("--B\nContent-Type: application/node.eks.aws\n\n"+header, 300) + "--B--\n"),
		"yaml-too-many-documents":    []byte(strings.Repeat("---\n"+header, 100)),
		"yaml-too-many-values":       []byte(header + "x: [" + strings.Repeat("1,", 200_000) + "]\n"),
		"yaml-too-deep-for-parser":   []byte(header + "x: " + strings.Repeat("[", 20_000) + "\n"),
		"yaml-long-alias":            []byte(header + "x:\n- &a " + strings.Repeat("y", 200_000) + "\n" + strings.Repeat("- *a\n", 1000)),
		"containerd-toml-large":      []byte(header + "spec:\n  containerd:\n    config: |\n" + strings.Repeat("      # a comment\n", 30_000)),
		"containerd-toml-many-keys":  []byte(header + "spec:\n  containerd:\n    config: |\n" + numbered("      key%d = 1\n", 10_000)),
		"containerd-toml-deep-table": []byte(header + "spec:\n  containerd:\n    config: |\n      [a" + strings.Repeat(".a", 100) + "]\n"),
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func TestShapesOfRealUserDataAreRead(t *testing.T) {
	const folder = "testdata/shapes"
	for name, raw := range inputs(t, folder) {
		t.Run(name, func(t *testing.T) {
			m, problems := load(t, raw, api.Options{})
			if api.HasErrors(problems) {
				t.Errorf("errors:\n%s", render(problems))
			}
			config, err := api.Encode(m.Config, api.EncodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var b strings.Builder
			fmt.Fprintf(&b, "# problems\n%s\n# configuration\n%s\n# origins\n", render(problems), config)
			for _, l := range m.Leaves() {
				fmt.Fprintf(&b, "%s: %v\n", l.Path, l.Origins)
			}
			golden.Assert(t, filepath.Join(folder, name+".want"), b.String())
		})
	}
}
