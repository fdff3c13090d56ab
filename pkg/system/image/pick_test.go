package image

import (
	"testing"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestTheImageThatIsMeantIsPicked(t *testing.T) {
	entry := func(content, name string) target {
		e := target{Digest: digest.Digest("sha256:" + content)}
		if name != "" {
			e.Annotations = map[string]string{images.AnnotationImageName: name}
		}
		return e
	}
	tag := func(content, tag string) target {
		return target{Digest: digest.Digest("sha256:" + content), Annotations: map[string]string{ocispec.AnnotationRefName: tag}}
	}
	signature := entry("sig", "")
	signature.Annotations = map[string]string{images.AnnotationManifestSubject: "sha256:a"}
	for _, row := range []struct {
		name    string
		entries []target
		want    string // a digest; empty for an error
	}{
		{"the only one, under another name", []target{entry("a", "registry.k8s.io/pause:3.10")}, "sha256:a"},
		{"the only one, without a name", []target{entry("a", "")}, "sha256:a"},
		{"the only one, with a tag", []target{tag("a", "latest")}, "sha256:a"},
		{"docker's, with two tags", []target{entry("a", "x:1"), entry("a", "x:2")}, "sha256:a"},
		{"among others, by its name", []target{entry("a", "x:1"), entry("b", pause)}, "sha256:b"},
		{"several platforms under one name", []target{entry("a", "x:1"), entry("b", "x:1")}, "sha256:index"},
		{"several platforms under its own name", []target{entry("a", pause), entry("b", pause)}, "sha256:index"},
		{"several platforms without a name", []target{entry("a", ""), entry("b", "")}, "sha256:index"},
		{"with a signature beside it", []target{entry("a", "x:1"), signature}, "sha256:a"},
		{"nothing", nil, ""},
		{"several others", []target{entry("a", "x:1"), entry("b", "y:1")}, ""},
		{"several of its name among others", []target{entry("a", pause), entry("b", pause), entry("c", "y:1")}, ""},
	} {
		got, err := pick(target{Digest: "sha256:index"}, row.entries, pause)
		if row.want == "" {
			if err == nil {
				t.Errorf("%s: picked %s", row.name, got.Digest)
			}
			continue
		}
		if err != nil || got.Digest.String() != row.want || len(got.Annotations) > 0 {
			t.Errorf("%s: picked %+v (%v), want %s", row.name, got, err, row.want)
		}
	}
}
