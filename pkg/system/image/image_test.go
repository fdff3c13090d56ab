package image

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
)

const (
	pause  = "localhost/kubernetes/pause:latest"
	source = "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.10"
)

// fakeStore is a containerd in memory. It records writes and fails on demand.
type fakeStore struct {
	records map[string]record
	writes  []string
	// down is how many more connects are refused; below zero, all are.
	down int
	// imports and pulls are the errors of the next ones, nil for success; the
	// last stays.
	imports, pulls []error
	// snapshotter is what the last connect was for.
	snapshotter string
	// archive is what the last import read.
	archive string
}

func (f *fakeStore) connect(ctx context.Context, snapshotter string) (store, error) {
	f.snapshotter = snapshotter
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.down != 0 {
		f.down--
		return nil, fmt.Errorf("%w: no socket", errUnreachable)
	}
	return f, nil
}

func (f *fakeStore) wrote(format string, args ...any) {
	f.writes = append(f.writes, fmt.Sprintf(format, args...))
}

func (f *fakeStore) Get(_ context.Context, ref string) (*record, error) {
	r, ok := f.records[ref]
	if !ok {
		return nil, nil
	}
	return &r, nil
}

func (f *fakeStore) Made(_ context.Context, ref string) ([]record, error) {
	var out []record
	for _, name := range slices.Sorted(maps.Keys(f.records)) {
		if r := f.records[name]; r.labels[labelOurs] == "true" && r.labels[labelFor] == ref {
			out = append(out, r)
		}
	}
	return out, nil
}

func (f *fakeStore) Name(_ context.Context, ref string, t target, labels map[string]string) error {
	f.wrote("name %s %s", ref, t.Digest)
	merged := maps.Clone(f.records[ref].labels)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, labels)
	maps.DeleteFunc(merged, func(_, v string) bool { return v == "" })
	f.records[ref] = record{ref: ref, target: t, labels: merged, usable: true}
	return nil
}

func (f *fakeStore) Import(ctx context.Context, r io.Reader, ref string, then func(context.Context, target) error) error {
	f.wrote("import for %s", ref)
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	f.archive = string(b)
	if err := next(&f.imports); err != nil {
		return err
	}
	return then(ctx, target{Digest: "sha256:archive"})
}

func (f *fakeStore) Pull(_ context.Context, source string, labels map[string]string) (target, error) {
	f.wrote("pull %s", source)
	if err := next(&f.pulls); err != nil {
		return target{}, err
	}
	t := target{Digest: "sha256:registry"}
	f.records[source] = record{ref: source, target: t, labels: labels, usable: true}
	return t, nil
}

func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	if len(*errs) > 1 {
		*errs = (*errs)[1:]
	}
	return err
}

func (f *fakeStore) Unpack(_ context.Context, ref string) error {
	f.wrote("unpack %s", ref)
	return nil
}

func (f *fakeStore) Delete(_ context.Context, ref string) error {
	f.wrote("delete %s", ref)
	delete(f.records, ref)
	return nil
}

func (f *fakeStore) Close() error { return nil }

// took returns the writes since the last time it was asked.
func (f *fakeStore) took() []string {
	out := f.writes
	f.writes = nil
	return out
}

// on returns a driver on a fake store with some records.
func on(records ...record) (*Driver, *fakeStore) {
	f := &fakeStore{records: map[string]record{}}
	for _, r := range records {
		f.records[r.ref] = r
	}
	d := New(Options{Ready: 2 * time.Second, Bound: 10 * time.Second})
	d.connect = f.connect
	return d, f
}

func there(ref, content string, labels map[string]string) record {
	return record{ref: ref, target: target{Digest: digest.Digest("sha256:" + content)}, labels: labels, usable: true}
}

func archiveFile(t *testing.T, content []byte) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "pause.tar")
	if err := os.WriteFile(p, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestImageDriverKeepsTheLawsOnAFakeStore(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		d, f := on()
		archive := archiveFile(t, []byte("tar"))
		return drivertest.Case{
			Driver: d,
			Wants:  []host.Resource{host.Image{Ref: pause, Pinned: true, Archive: archive}, host.Image{Ref: pause, Archive: archive}},
			Print:  func() (string, error) { return strings.Join(f.writes, "\n"), nil },
		}
	})
}

func TestTheFirstWayThatWorksIsTaken(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.tar")
	archive := archiveFile(t, []byte("tar"))
	transient := errors.New("lookup 602401143452.dkr.ecr.us-west-2.amazonaws.com: no such host")
	for _, row := range []struct {
		name    string
		have    []record
		want    host.Image
		imports []error
		pulls   []error
		writes  []string
	}{
		{
			name: "baked into the image and pinned",
			have: []record{there(pause, "ami", map[string]string{labelPinned: pinned})},
			want: host.Image{Ref: pause, Pinned: true, Archive: archive, Source: source},
		},
		{
			name:   "there but not pinned",
			have:   []record{there(pause, "ami", nil)},
			want:   host.Image{Ref: pause, Pinned: true, Archive: archive, Source: source},
			writes: []string{"name " + pause + " sha256:ami"},
		},
		{
			name:   "there under the registry's name",
			have:   []record{there(source, "ami", nil)},
			want:   host.Image{Ref: pause, Pinned: true, Archive: archive, Source: source},
			writes: []string{"unpack " + source, "name " + pause + " sha256:ami"},
		},
		{
			name:   "there with content missing",
			have:   []record{{ref: pause, target: target{Digest: "sha256:half"}}, {ref: source}},
			want:   host.Image{Ref: pause, Pinned: true, Archive: archive, Source: source},
			writes: []string{"import for " + pause, "name " + pause + " sha256:archive"},
		},
		{
			name:   "no archive",
			want:   host.Image{Ref: pause, Pinned: true, Archive: absent, Source: source},
			writes: []string{"pull " + source, "name " + pause + " sha256:registry"},
		},
		{
			name:    "broken archive",
			want:    host.Image{Ref: pause, Pinned: true, Archive: archive, Source: source},
			imports: []error{errors.New("unexpected EOF")},
			writes:  []string{"import for " + pause, "pull " + source, "name " + pause + " sha256:registry"},
		},
		{
			name:   "network comes up while we try",
			want:   host.Image{Ref: pause, Pinned: true, Source: source},
			pulls:  []error{transient, nil},
			writes: []string{"pull " + source, "pull " + source, "name " + pause + " sha256:registry"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			d, f := on(row.have...)
			f.imports, f.pulls = row.imports, row.pulls
			if err := d.Apply(t.Context(), row.want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.writes, f.took()); diff != "" {
				t.Errorf("writes differ (-want +got):\n%s", diff)
			}
			seen, err := d.Observe(t.Context(), row.want)
			if err != nil || !host.Satisfies(seen, row.want) {
				t.Errorf("seen %+v (%v)", seen, err)
			}
		})
	}
}

func TestAnImageThatCannotBeHadTellsWhatBecameOfEachWay(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "absent.tar")
	denied := fault.New(fault.ECRDenied, "Attach the pull policy.", errors.New("AccessDenied"))
	for _, row := range []struct {
		name         string
		want         host.Image
		pull         error
		code         fault.Code
		message      []string
		remedy       string
		pulls        int
		imports      error
		contentsGzip bool
	}{
		{
			name: "no way at all", want: host.Image{Ref: pause}, code: fault.ImageUnavailable,
			message: []string{"cannot get image " + pause + ": no registry reference to pull it from is known"}, remedy: "Bake the image",
		},
		{
			name: "no archive and no permission", want: host.Image{Ref: pause, Archive: absent, Source: source}, pull: denied, code: fault.ImageUnavailable,
			message: []string{"there is no archive " + absent, "pulling " + source + ": AccessDenied"}, remedy: "Attach the pull policy.", pulls: 1,
		},
		{
			name: "disk full", want: host.Image{Ref: pause, Archive: "x", Source: source}, imports: errors.New("write: no space left on device"),
			pull: fault.New(fault.ECRDenied, "x", errors.New("no")), code: fault.DiskFull, message: []string{"no space left"}, remedy: "/var/lib/containerd", pulls: 1,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			d, f := on()
			f.pulls, f.imports = []error{row.pull}, []error{row.imports}
			if row.want.Archive == "x" {
				row.want.Archive = archiveFile(t, []byte("tar"))
			}
			err := d.Apply(t.Context(), row.want)
			found, ok := fault.Find(err)
			if !ok || found.Code != row.code || !strings.Contains(found.Remedy, row.remedy) {
				t.Errorf("got %v with %+v", err, found)
			}
			for _, part := range row.message {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("message %q does not have %q", err, part)
				}
			}
			pulls := 0
			for _, w := range f.took() {
				if strings.HasPrefix(w, "pull ") {
					pulls++
				}
			}
			if pulls != row.pulls {
				t.Errorf("pulled %d times, want %d", pulls, row.pulls)
			}
		})
	}
}

func TestWhileContainerdDoesNotRunEveryImageIsAbsent(t *testing.T) {
	d, f := on(there(pause, "ami", nil))
	f.down = -1
	want := host.Image{Ref: pause, Pinned: true}
	if seen, err := d.Observe(t.Context(), want); seen != nil || err != nil {
		t.Errorf("seen %v (%v)", seen, err)
	}
	if err := d.Remove(t.Context(), want.ID()); err != nil {
		t.Errorf("Remove says %v", err)
	}
	d.Ready = 120 * time.Millisecond
	err := d.Apply(t.Context(), want)
	if fault.CodeOf(err) != fault.ImageUnavailable || !strings.Contains(err.Error(), "after 120ms: containerd does not run") {
		t.Errorf("Apply says %v", err)
	}
}

func TestApplyWaitsForContainerd(t *testing.T) {
	d, f := on(there(pause, "ami", nil))
	f.down = 3
	if err := d.Apply(t.Context(), host.Image{Ref: pause, Pinned: true}); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhatTheDriverMadeIsRemoved(t *testing.T) {
	d, f := on(there(pause, "ami", map[string]string{labelPinned: pinned}), there("other", "x", map[string]string{labelOurs: "true", labelFor: "other"}))
	want := host.Image{Ref: pause, Pinned: true, Source: source}
	if err := d.Remove(t.Context(), want.ID()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string(nil), f.took()); diff != "" {
		t.Errorf("writes differ (-want +got):\n%s", diff)
	}

	d, f = on()
	if err := d.Apply(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	f.took()
	if err := d.Remove(t.Context(), want.ID()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"delete " + source, "delete " + pause}, f.took()); diff != "" {
		t.Errorf("writes differ (-want +got):\n%s", diff)
	}
}

func TestACompressedArchiveIsUnzipped(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte("a tar")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, content := range [][]byte{b.Bytes(), []byte("a tar")} {
		d, f := on()
		if err := d.Apply(t.Context(), host.Image{Ref: pause, Archive: archiveFile(t, content)}); err != nil {
			t.Fatal(err)
		}
		if f.archive != "a tar" {
			t.Errorf("imported %q", f.archive)
		}
	}
}

func TestACallerWhoLeavesGetsItsOwnError(t *testing.T) {
	d, f := on()
	f.down = -1
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if err := d.Apply(ctx, host.Image{Ref: pause}); !errors.Is(err, context.DeadlineExceeded) || fault.CodeOf(err) != fault.Internal {
		t.Errorf("got %v", err)
	}
}
