package image

import (
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/core/images"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pick returns which image of an archive is meant: the one named ref, or the
// only one under whatever name. Entries of one name, or of none, are the same
// image for several platforms; the index itself then stands for it.
func pick(index target, entries []target, ref string) (target, error) {
	entries = slices.DeleteFunc(slices.Clone(entries), func(e target) bool {
		return e.Annotations[images.AnnotationManifestSubject] != "" // a signature or the like
	})
	named := slices.DeleteFunc(slices.Clone(entries), func(e target) bool { return name(e) != ref })
	if len(named) > 0 && len(named) < len(entries) {
		return one(named, ref)
	}
	switch {
	case len(entries) == 0:
		return target{}, fmt.Errorf("it holds no image")
	case same(entries, func(e target) string { return e.Digest.String() }):
		return bare(entries[0]), nil
	case same(entries, name):
		return index, nil
	}
	return target{}, fmt.Errorf("it holds several images, none of which is %s: %s", ref, strings.Join(names(entries), ", "))
}

// one returns the only entry. Several, of which some are other images, cannot
// be told apart by their name.
func one(entries []target, ref string) (target, error) {
	if !same(entries, func(e target) string { return e.Digest.String() }) {
		return target{}, fmt.Errorf("it holds several images that are called %s", ref)
	}
	return bare(entries[0]), nil
}

// bare drops the name that the archive gave.
func bare(t target) target {
	t.Annotations = nil
	return t
}

// name is an entry's name: in full where containerd or docker wrote the
// archive, else what the image specification keeps, often only a tag.
func name(t target) string {
	if n := t.Annotations[images.AnnotationImageName]; n != "" {
		return n
	}
	return t.Annotations[ocispec.AnnotationRefName]
}

func names(entries []target) []string {
	var out []string
	for _, e := range entries {
		out = append(out, fmt.Sprintf("%q", name(e)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func same(entries []target, of func(target) string) bool {
	for _, e := range entries {
		if of(e) != of(entries[0]) {
			return false
		}
	}
	return true
}
