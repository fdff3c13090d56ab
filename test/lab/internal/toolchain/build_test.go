package toolchain

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// module writes a consumer module of two programs that print what the linker says.
func module(t *testing.T, tools string) Tool {
	t.Helper()
	const program = "package main\n\nvar version = \"none\"\n\nfunc main() { println(version) }\n"
	for name, content := range map[string]string{"go.mod": "module example.test/tool\n\ngo 1.26.0\n", "go.sum": "", "one/main.go": program, "two/main.go": program} {
		path := filepath.Join(tools, "tool-1.0.0", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Tool{Name: "tool", Version: "1.0.0", Packages: map[string]string{"one": "example.test/tool/one", "two": "example.test/tool/two"},
		Variables: map[string]string{"main.version": "v1.0.0"}}
}

func TestBuildCompilesOnceAndAgainWhenTheModuleChanges(t *testing.T) {
	var compiled int
	b := &Builder{Tools: t.TempDir(), Cache: t.TempDir(), Progress: func(_ string, took time.Duration) {
		if took == 0 {
			compiled++
		}
	}}
	tool := module(t, b.Tools)
	for range 2 {
		paths, err := b.Build(t.Context(), tool)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{"one", "two"} {
			out, err := exec.Command(paths[p]).CombinedOutput()
			if err != nil || string(out) != "v1.0.0\n" {
				t.Errorf("%s says %q (%v)", p, out, err)
			}
		}
	}
	if compiled != 1 || b.Missing(tool) {
		t.Errorf("compiled %d times, want once for both programs", compiled)
	}
	if err := os.WriteFile(filepath.Join(b.Tools, tool.Dir(), "go.mod"), []byte("module example.test/tool\n\ngo 1.26.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !b.Missing(tool, "one") {
		t.Error("a changed go.mod does not count")
	}
	tool.Variables["main.version"] = "v2"
	if !b.Missing(tool, "one") {
		t.Error("a changed version does not count")
	}
}

func TestBuildOfTheSameSourceHasTheSameBytes(t *testing.T) {
	var programs [2][]byte
	for n := range programs {
		b := &Builder{Tools: t.TempDir(), Cache: t.TempDir()}
		paths, err := b.Build(t.Context(), module(t, b.Tools), "one")
		if err != nil {
			t.Fatal(err)
		}
		if programs[n], err = os.ReadFile(paths["one"]); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(programs[0], programs[1]) {
		t.Error("two builds in two folders differ")
	}
}

func TestBuildFailureSaysWhatTheCompilerSaid(t *testing.T) {
	b := &Builder{Tools: t.TempDir(), Cache: t.TempDir()}
	tool := module(t, b.Tools)
	if err := os.WriteFile(filepath.Join(b.Tools, tool.Dir(), "one/main.go"), []byte("package main\n\nfunc main() { nowhere() }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := b.Build(t.Context(), tool, "one")
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("undefined: nowhere")) {
		t.Errorf("the error is %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(b.Cache, "*", ".building-*")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
	if _, err := b.Build(t.Context(), tool, "three"); err == nil {
		t.Error("a program that the tool does not have is built")
	}
}

func TestLockIsHeldUntilItIsReleased(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, file); err == nil {
		t.Error("a lock is taken twice")
	}
	unlock()
	again, err := Lock(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	again()
}

func TestCatalogNamesModulesThatAreThere(t *testing.T) {
	tools := []Tool{Etcd(), CNI(), Authenticator()}
	for _, v := range ContainerdVersions() {
		tools = append(tools, Containerd(v))
	}
	for _, v := range KubeletVersions() {
		k, err := Kubernetes(v)
		if err != nil {
			t.Fatal(err)
		}
		tools = append(tools, k)
	}
	for _, tool := range tools {
		for _, f := range []string{"go.mod", "go.sum"} {
			if _, err := os.Stat(filepath.Join("..", "..", "tools", tool.Dir(), f)); err != nil {
				t.Error(err)
			}
		}
	}
	for _, bad := range []string{"", "1.37", "v1.37.2.1"} {
		if _, err := Kubernetes(bad); err == nil {
			t.Errorf("Kubernetes version %q is accepted", bad)
		}
	}
}
