package tuning

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

func TestLocalDisksArePreparedByTheImagesProgram(t *testing.T) {
	for want, storage := range map[string]api.LocalStorage{
		"/usr/bin/setup-local-disks raid0":                      {Strategy: api.LocalStorageRAID0},
		"/usr/bin/setup-local-disks raid10 --no-bind-pods-logs": {Strategy: api.LocalStorageRAID10, DisabledMounts: []api.DisabledMount{api.DisabledMountPodLogs}},
		"/usr/bin/setup-local-disks mount --dir /disks --no-bind-containerd --no-bind-pods-logs --no-bind-soci": {
			Strategy: api.LocalStorageMount, MountPath: "/disks",
			DisabledMounts: []api.DisabledMount{api.DisabledMountSOCI, api.DisabledMountPodLogs, api.DisabledMountContainerd},
		},
	} {
		s := desired(t, func(in *node.Input) {
			in.Present.SetupLocalDisks = true
			in.Config.Spec.Instance.LocalStorage = storage
		})
		e, ok := s.Lookup(host.Command{Name: "local-disks"}.ID())
		c, _ := e.Resource.(host.Command)
		if got := strings.Join(c.Args, " "); !ok || got != want || c.Once || c.Tolerate || c.Stage != host.StageInPlace || c.Timeout <= 0 || c.Digest == "" {
			t.Errorf("got %q (%+v), want %q", got, c, want)
		}
	}
}

func TestLocalDisksWithoutAStrategyAreLeftAlone(t *testing.T) {
	s := desired(t, func(in *node.Input) {
		in.Present.SetupLocalDisks = true
		in.Config.Spec.Instance.LocalStorage.MountPath = "/disks"
	})
	if _, ok := s.Lookup(host.Command{Name: "local-disks"}.ID()); ok {
		t.Error("they are not")
	}
}

func TestLocalDisksThatCannotBePreparedAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*node.Input)
		code   fault.Code
	}{
		{"an image that is not EKS'", func(in *node.Input) {}, fault.BinaryMissing},
		{"what the image brings is unknown", func(in *node.Input) {
			in.Problems = []node.Problem{{Fact: "present", Code: fault.FactMissing, Message: "I/O error", Remedy: "Mend the disk."}}
		}, fault.FactMissing},
		{"a relative path", func(in *node.Input) {
			in.Present.SetupLocalDisks, in.Config.Spec.Instance.LocalStorage.MountPath = true, "disks"
		}, fault.ConfigInvalid},
	} {
		_, err := Decide(input(func(in *node.Input) {
			in.Config.Spec.Instance.LocalStorage.Strategy = api.LocalStorageRAID0
			tt.change(in)
		}))
		if f, ok := fault.Find(err); !ok || f.Code != tt.code || f.Remedy == "" {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}
