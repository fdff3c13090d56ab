// Package deptest holds the floors of the house: which package may import
// which, and why. Its test fails with the reason when a rule is broken.
package deptest

import "strings"

// Package is one package of the module as `go list` sees it. Paths of the
// module's own packages are relative to it: pkg/host.
type Package struct {
	Path    string
	Imports []string
}

// floors is the house, lowest first. A package belongs to the longest prefix
// that fits; it may import its module's packages of lower floors only, and its
// own sub-packages' vocabulary where the table says so.
var floors = []struct {
	prefix string
	floor  int
}{
	{"internal/", -1},
	{"pkg/fault", 0},
	{"pkg/api", 0},
	{"pkg/host", 0},
	{"pkg/host/hosttest", 1},
	{"pkg/hardware", 0},
	{"pkg/hardware/instancetype", 1},
	{"pkg/convert", 1},
	{"pkg/node", 2},
	{"pkg/health", 2},
	{"pkg/kubelet", 3}, {"pkg/containerd", 3}, {"pkg/cni", 3}, {"pkg/volume", 3}, {"pkg/credential", 3}, {"pkg/tuning", 3}, {"pkg/hook", 3}, {"pkg/accelerator", 3},
	{"pkg/system", 3},
	{"pkg/aws", 3},
	{"pkg/cluster", 3},
	{"pkg/platform", 4},
	{"pkg/platform/", 5},
	{"pkg/bootstrap", 5},
	{"pkg/daemon", 6},
	{"cmd/", 7},
	{"test/", 8},
}

// pure are the packages whose answers must depend on their arguments alone.
var pure = []string{
	"pkg/api", "pkg/convert", "pkg/fault", "pkg/host", "pkg/hardware", "pkg/node", "pkg/health",
	"pkg/kubelet", "pkg/containerd", "pkg/cni", "pkg/volume", "pkg/credential", "pkg/tuning", "pkg/hook", "pkg/accelerator",
}

// impure are what a pure package must not import, with the reason.
var impure = map[string]string{
	"os":         "a decision reads values, not the machine",
	"os/exec":    "a decision executes nothing",
	"net":        "a decision asks nobody",
	"net/http":   "a decision asks nobody",
	"math/rand":  "the same input gives the same bytes",
	"log":        "loggers are passed in",
	"syscall":    "a decision reads values, not the machine",
	"testing":    "test helpers live in packages of their own",
	"io/ioutil":  "a decision reads values, not the machine",
	"os/user":    "a decision reads values, not the machine",
	"os/signal":  "only main listens to signals",
	"crypto/tls": "a decision asks nobody",
}

// banned are what no package of the product may import, with the reason.
var banned = map[string]string{
	"text/template":      "it switches the linker's dead-code elimination off, which costs tens of megabytes",
	"html/template":      "it switches the linker's dead-code elimination off, which costs tens of megabytes",
	"log":                "log/slog is the house's logger",
	"io/ioutil":          "it is deprecated",
	"plugin":             "the binary is static",
	"net/http/pprof":     "the node's agent opens no debug port",
	"github.com/pkg/err": "errors are wrapped with %w",
}

// Check returns every broken rule as one sentence, in the order of packages.
func Check(pkgs []Package) []string {
	var broken []string
	complain := func(p Package, imp, why string) {
		broken = append(broken, p.Path+" imports "+imp+": "+why)
	}
	for _, p := range pkgs {
		for _, imp := range p.Imports {
			if why, ok := banned[imp]; ok && !strings.HasPrefix(p.Path, "test/") {
				complain(p, imp, why)
			}
			if why, ok := impureImport(imp); ok && within(p.Path, pure) && p.Path != "pkg/host/hosttest" {
				complain(p, imp, why)
			}
			if why := climbs(p.Path, imp); why != "" {
				complain(p, imp, why)
			}
		}
	}
	return broken
}

func impureImport(imp string) (string, bool) {
	for _, prefix := range []string{"github.com/aws/", "k8s.io/client-go", "github.com/containerd/containerd/v2/client", "github.com/coreos/go-systemd"} {
		if strings.HasPrefix(imp, prefix) {
			return "only drivers talk to services", true
		}
	}
	why, ok := impure[imp]
	return why, ok
}

// climbs says why p may not import imp, or nothing when it may. imp is a
// package of the module when it has a floor.
func climbs(path, imp string) string {
	from, okFrom := floorOf(path)
	to, okTo := floorOf(imp)
	if !okFrom {
		return "the package is on no floor: give it one in internal/deptest"
	}
	if !okTo || within(imp, []string{path}) || to < from {
		return "" // someone else's, its own sub-package, or a lower floor
	}
	if sameRoom(path, imp) {
		return ""
	}
	return "a package imports lower floors only"
}

// sameRoom reports whether two packages belong to one driver family, whose
// packages may share: pkg/system/file and pkg/system/systemd.
func sameRoom(a, b string) bool {
	for _, room := range []string{"pkg/system", "pkg/aws", "cmd/agent", "internal", "test"} {
		if within(a, []string{room}) && within(b, []string{room}) {
			return true
		}
	}
	return false
}

func floorOf(path string) (floor int, ok bool) {
	best := -1
	for _, f := range floors {
		if (path == f.prefix || strings.HasPrefix(path, strings.TrimSuffix(f.prefix, "/")+"/")) && len(f.prefix) > best {
			best, floor, ok = len(f.prefix), f.floor, true
		}
	}
	return floor, ok
}

func within(path string, roots []string) bool {
	for _, r := range roots {
		if path == r || strings.HasPrefix(path, r+"/") {
			return true
		}
	}
	return false
}
