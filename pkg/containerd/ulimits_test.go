package containerd

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/internal/golden"
	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/node"
)

func ulimits(limits map[string]api.Ulimit) func(*node.Input) {
	return func(in *node.Input) { in.Config.Spec.Ulimits = limits }
}

func rlimits(t *testing.T, s Settings) string {
	t.Helper()
	v, _ := s.BaseRuntimeSpec.Lookup("process", "rlimits")
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func userSpec(t *testing.T, text string) api.Object {
	t.Helper()
	var o api.Object
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestUlimitsAreLaidOverTheBaseRuntimeSpec(t *testing.T) {
	for name, row := range map[string]struct {
		user   string
		limits map[string]api.Ulimit
		want   string
		notes  []string
	}{
		"beside the default": {
			limits: map[string]api.Ulimit{"memlock": {Hard: "unlimited"}, "core": {Soft: "0", Hard: "unlimited"}},
			want: `[{"hard":18446744073709551615,"soft":0,"type":"RLIMIT_CORE"},{"hard":18446744073709551615,"soft":18446744073709551615,"type":"RLIMIT_MEMLOCK"},` +
				`{"hard":1048576,"soft":65536,"type":"RLIMIT_NOFILE"}]`,
		},
		"in place of the default": {
			limits: map[string]api.Ulimit{"nofile": {Soft: "1024", Hard: "524288"}},
			want:   `[{"hard":524288,"soft":1024,"type":"RLIMIT_NOFILE"}]`,
		},
		"more files than a stock kernel allows": {
			limits: map[string]api.Ulimit{"nofile": {Hard: "2097152"}},
			want:   `[{"hard":2097152,"soft":2097152,"type":"RLIMIT_NOFILE"}]`,
			notes:  []string{"spec.ulimits.nofile is above 1048576: no container starts where the kernel parameter fs.nr_open is below 2097152"},
		},
		"over the user's own base": {
			user:   `{"process": {"rlimits": [{"type": "RLIMIT_STACK", "soft": 1, "hard": 2}, {"type": "RLIMIT_CPU", "soft": 3, "hard": 18446744073709551615}]}}`,
			limits: map[string]api.Ulimit{"stack": {Hard: "8388608"}},
			want:   `[{"hard":18446744073709551615,"soft":3,"type":"RLIMIT_CPU"},{"hard":8388608,"soft":8388608,"type":"RLIMIT_STACK"}]`,
			notes:  []string{"spec.ulimits sets stack, which spec.containerd.baseRuntimeSpec sets too: the former has effect"},
		},
		"over a base that has taken all limits away": {
			user:   `{"process": {"rlimits": null}}`,
			limits: map[string]api.Ulimit{"nproc": {Hard: "4096"}},
			want:   `[{"hard":4096,"soft":4096,"type":"RLIMIT_NPROC"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var user api.Object
			if row.user != "" {
				user = userSpec(t, row.user)
			}
			s := decide(t, func(in *node.Input) {
				in.Config.Spec.Ulimits, in.Config.Spec.Containerd.BaseRuntimeSpec = row.limits, user
			})
			if got := rlimits(t, s); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
			if diff := cmp.Diff(row.notes, s.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			if row.user != "" && cmp.Diff(userSpec(t, row.user), user) != "" {
				t.Error("the user's part has changed")
			}
		})
	}
}

func TestTheFileWithUlimitsIsWhole(t *testing.T) {
	rs, err := Desired(input(ulimits(map[string]api.Ulimit{"memlock": {Hard: "unlimited"}, "nofile": {Soft: "65536", Hard: "1048576"}, "nproc": {Hard: "65536"}})))
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, "testdata/ulimits.json", file(t, rs, "/etc/containerd/base-runtime-spec.json").Content)
}

func TestUlimitsWithWhichNoContainerStartsAreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		limits map[string]api.Ulimit
		says   string
	}{
		"no such limit":           {map[string]api.Ulimit{"RLIMIT_NOFILE": {Hard: "1"}}, "there is no such limit"},
		"no hard limit":           {map[string]api.Ulimit{"core": {Soft: "1"}}, "neither a whole number nor unlimited"},
		"a size":                  {map[string]api.Ulimit{"memlock": {Hard: "64Mi"}}, "neither a whole number nor unlimited"},
		"less than nothing":       {map[string]api.Ulimit{"core": {Hard: "-1"}}, "neither a whole number nor unlimited"},
		"soft above hard":         {map[string]api.Ulimit{"core": {Soft: "unlimited", Hard: "1"}}, "above its hard limit"},
		"unlimited files":         {map[string]api.Ulimit{"nofile": {Hard: "unlimited"}}, "fs.nr_open"},
		"more files than can be":  {map[string]api.Ulimit{"nofile": {Hard: "2147483648"}}, "fs.nr_open"},
		"bad soft beside a good":  {map[string]api.Ulimit{"core": {Soft: "x", Hard: "1"}}, "neither a whole number nor unlimited"},
		"good one beside a bad":   {map[string]api.Ulimit{"core": {Hard: "1"}, "stack": {Hard: ""}}, `spec.ulimits "stack"`},
		"name in capital letters": {map[string]api.Ulimit{"NOFILE": {Hard: "1"}}, "there is no such limit"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, ulimits(row.limits), fault.ConfigInvalid, "spec.ulimits", row.says) })
	}
	refused(t, func(in *node.Input) {
		in.Config.Spec.Ulimits = map[string]api.Ulimit{"core": {Hard: "1"}}
		in.Config.Spec.Containerd.BaseRuntimeSpec = userSpec(t, `{"process": {"rlimits": "none"}}`)
	}, fault.ConfigInvalid, "spec.containerd.baseRuntimeSpec", "no list")
}
