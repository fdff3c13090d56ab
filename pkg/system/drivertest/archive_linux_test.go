package drivertest_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// testImage is a container image of one layer, made from nothing.
type testImage struct {
	blobs                   map[string][]byte // by digest
	config, layer, manifest string            // digests
}

// newImage makes an image whose only file has the given content, so that two
// images of different content share nothing.
func newImage(t *testing.T, content string) testImage {
	t.Helper()
	i := testImage{blobs: map[string][]byte{}}
	layer := tarball(t, map[string][]byte{"pause": []byte(content)})
	i.layer = i.add(layer)
	i.config = i.add(mustJSON(t, map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": map[string]any{"Entrypoint": []string{"/pause"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{i.layer}},
	}))
	i.manifest = i.add(mustJSON(t, map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": i.descriptor("application/vnd.oci.image.config.v1+json", i.config),
		"layers": []any{i.descriptor("application/vnd.oci.image.layer.v1.tar", i.layer)},
	}))
	return i
}

func (i testImage) add(b []byte) string {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(b))
	i.blobs[digest] = b
	return digest
}

func (i testImage) descriptor(mediaType, digest string) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest, "size": len(i.blobs[digest])}
}

// oci returns the image as an archive of the OCI layout.
func (i testImage) oci(t *testing.T, name string) []byte {
	t.Helper()
	entry := i.descriptor("application/vnd.oci.image.manifest.v1+json", i.manifest)
	if name != "" {
		entry["annotations"] = map[string]string{"io.containerd.image.name": name}
	}
	files := map[string][]byte{
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json": mustJSON(t, map[string]any{"schemaVersion": 2, "manifests": []any{entry}}),
	}
	for digest, b := range i.blobs {
		files["blobs/"+strings.Replace(digest, ":", "/", 1)] = b
	}
	return tarball(t, files)
}

// docker returns the image as docker save writes it.
func (i testImage) docker(t *testing.T, tag string) []byte {
	t.Helper()
	return tarball(t, map[string][]byte{
		"config.json": i.blobs[i.config], "layer/layer.tar": i.blobs[i.layer],
		"manifest.json": mustJSON(t, []any{map[string]any{"Config": "config.json", "RepoTags": []string{tag}, "Layers": []string{"layer/layer.tar"}}}),
	})
}

// registry serves the image as name:tag to whoever knows the password.
func (i testImage) registry(t *testing.T, name, tag, user, password string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok || u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		digest := ""
		if rest, ok := strings.CutPrefix(r.URL.Path, "/v2/"+name+"/manifests/"); ok && (rest == tag || rest == i.manifest) {
			digest = i.manifest
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		} else if rest, ok := strings.CutPrefix(r.URL.Path, "/v2/"+name+"/blobs/"); ok {
			digest = rest
		}
		b, ok := i.blobs[digest]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Docker-Content-Digest", digest)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(s.Close)
	return s
}

func tarball(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func saved(t *testing.T, b []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "image.tar")
	if err := os.WriteFile(p, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}
