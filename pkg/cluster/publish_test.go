package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/fault"
)

// registry is an API server's store of the one Node, with what it does about
// resource versions and merge patches.
type registry struct {
	*world
	mu      sync.Mutex
	version int
	gets    int
	patches []string // the metadata of each, as sent
	before  func()   // comes in between a look and the patch
	refuse  func(rw http.ResponseWriter) bool
}

func newRegistry(t *testing.T, labels, annotations map[string]string) *registry {
	r := &registry{world: newWorld(t), version: 7}
	r.stored.Labels, r.stored.Annotations = labels, annotations
	r.node = func(rw http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.gets++
		r.stored.ResourceVersion = strconv.Itoa(r.version)
		r.answerNode(rw, req)
	}
	r.patch = r.takePatch
	return r
}

// change is what somebody else does to the Node.
func (r *registry) change(f func(*metav1.ObjectMeta)) {
	r.version++
	f(&r.stored.ObjectMeta)
}

func (r *registry) takePatch(rw http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var patch struct {
		Metadata struct {
			ResourceVersion string             `json:"resourceVersion"`
			Labels          map[string]*string `json:"labels"`
			Annotations     map[string]*string `json:"annotations"`
		} `json:"metadata"`
	}
	decoder := json.NewDecoder(req.Body)
	decoder.DisallowUnknownFields() // nothing else is touched
	if err := decoder.Decode(&patch); err != nil || req.Header.Get("Content-Type") != "application/merge-patch+json" || req.PathValue("name") != r.stored.Name {
		r.t.Errorf("got patch %+v as %q for %s: %v", patch, req.Header.Get("Content-Type"), req.URL, err)
	}
	text, err := json.Marshal(patch.Metadata)
	if err != nil {
		r.t.Error(err)
	}
	r.patches = append(r.patches, string(text))
	if r.before != nil {
		r.before()
	}
	if r.refuse != nil && r.refuse(rw) {
		return
	}
	if patch.Metadata.ResourceVersion != strconv.Itoa(r.version) {
		writeJSON(rw, http.StatusConflict, metav1.Status{Status: "Failure", Reason: metav1.StatusReasonConflict, Code: http.StatusConflict,
			Message: "Operation cannot be fulfilled on nodes: the object has been modified; please apply your changes to the latest version and try again"})
		return
	}
	r.version++
	r.stored.Labels = merge(r.stored.Labels, patch.Metadata.Labels)
	r.stored.Annotations = merge(r.stored.Annotations, patch.Metadata.Annotations)
	r.answerNode(rw, req)
}

func merge(have map[string]string, patch map[string]*string) map[string]string {
	out := maps.Clone(have)
	if out == nil {
		out = map[string]string{}
	}
	for k, v := range patch {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = *v
	}
	return out
}

func pairs(m map[string]string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return strings.Join(out, " ")
}

type kv = map[string]string

// publish is Publish without its pauses.
func publish(ctx context.Context, target Target, want Metadata) (bool, error) {
	return newProber(target).publishUntil(ctx, want, retry.Clock{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

func TestANodeBearsWhatIsWantedAndNothingElseIsTouched(t *testing.T) {
	for name, row := range map[string]struct {
		labels, annotations         kv
		want                        Metadata
		wantLabels, wantAnnotations string
		unchanged                   bool
	}{
		"nothing wanted, nothing there": {unchanged: true},
		"nothing wanted of somebody else's": {labels: kv{"a": "1"}, annotations: kv{"b": "2"}, unchanged: true,
			wantLabels: "a=1", wantAnnotations: "b=2"},
		"a new node": {labels: kv{"kubernetes.io/os": "linux"}, want: Metadata{Labels: kv{"team": "x"}, Annotations: kv{"note": "hello, world"}},
			wantLabels: "kubernetes.io/os=linux team=x", wantAnnotations: `eksnode.dev/managed-keys={"annotations":["note"],"labels":["team"]} note=hello, world`},
		"kubelet has set the label when it registered": {labels: kv{"team": "x"}, want: Metadata{Labels: kv{"team": "x"}},
			wantLabels: "team=x", wantAnnotations: `eksnode.dev/managed-keys={"labels":["team"]}`},
		"all is well": {labels: kv{"team": "x"}, annotations: kv{ManagedKeys: `{"labels":["team"]}`}, want: Metadata{Labels: kv{"team": "x"}}, unchanged: true,
			wantLabels: "team=x", wantAnnotations: `eksnode.dev/managed-keys={"labels":["team"]}`},
		"somebody has changed the value": {labels: kv{"team": "y"}, annotations: kv{ManagedKeys: `{"labels":["team"]}`}, want: Metadata{Labels: kv{"team": "x"}},
			wantLabels: "team=x", wantAnnotations: `eksnode.dev/managed-keys={"labels":["team"]}`},
		"an empty value is a value": {labels: kv{}, want: Metadata{Labels: kv{"e": ""}},
			wantLabels: "e=", wantAnnotations: `eksnode.dev/managed-keys={"labels":["e"]}`},
		"one is not wanted any more": {labels: kv{"team": "x", "rack": "7", "other": "1"}, annotations: kv{"note": "n", ManagedKeys: `{"annotations":["note"],"labels":["rack","team"]}`}, want: Metadata{Labels: kv{"team": "x"}},
			wantLabels: "other=1 team=x", wantAnnotations: `eksnode.dev/managed-keys={"labels":["team"]}`},
		"none is wanted any more": {labels: kv{"team": "x", "other": "1"}, annotations: kv{ManagedKeys: `{"labels":["team"]}`, "b": "2"},
			wantLabels: "other=1", wantAnnotations: "b=2"},
		"one has been taken away by somebody already": {annotations: kv{ManagedKeys: `{"labels":["team"]}`}},
		"a record that cannot be read takes nothing away": {labels: kv{"team": "x"}, annotations: kv{ManagedKeys: "[broken"}, want: Metadata{Labels: kv{"b": "1"}},
			wantLabels: "b=1 team=x", wantAnnotations: `eksnode.dev/managed-keys={"labels":["b"]}`},
		"a record that names itself": {annotations: kv{ManagedKeys: `{"annotations":["eksnode.dev/managed-keys"]}`}, want: Metadata{Labels: kv{"b": "1"}},
			wantLabels: "b=1", wantAnnotations: `eksnode.dev/managed-keys={"labels":["b"]}`},
		"a user who wants the record": {want: Metadata{Labels: kv{"b": "1"}, Annotations: kv{ManagedKeys: "mine"}},
			wantLabels: "b=1", wantAnnotations: `eksnode.dev/managed-keys={"labels":["b"]}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, row.labels, row.annotations)
			target := r.start()
			changed, err := Publish(t.Context(), target, row.want)
			if err != nil {
				t.Fatal(err)
			}
			if pairs(r.stored.Labels) != row.wantLabels || pairs(r.stored.Annotations) != row.wantAnnotations {
				t.Errorf("labels      %s\nannotations %s\nwant %s\nand  %s", pairs(r.stored.Labels), pairs(r.stored.Annotations), row.wantLabels, row.wantAnnotations)
			}
			if changed == row.unchanged || len(r.patches) > 1 || (len(r.patches) == 0) != row.unchanged {
				t.Errorf("changed %t with patches %q", changed, r.patches)
			}
			if changed, err := Publish(t.Context(), target, row.want); changed || err != nil {
				t.Errorf("a second time: changed %t, %v", changed, err)
			}
		})
	}
}

// Between our look and our patch somebody else changes the same label and another
// one: neither change may be overwritten without having been seen.
func TestAnUpdateInBetweenIsNotLost(t *testing.T) {
	r := newRegistry(t, kv{"team": "old"}, kv{ManagedKeys: `{"labels":["gone","team"]}`})
	r.before = func() {
		if len(r.patches) == 1 {
			r.change(func(m *metav1.ObjectMeta) {
				m.Labels["theirs"], m.Labels["gone"] = "1", "back"
			})
		}
	}
	changed, err := publish(t.Context(), r.start(), Metadata{Labels: kv{"team": "new"}})
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got := pairs(r.stored.Labels); got != "team=new theirs=1" {
		t.Errorf("labels %s", got)
	}
	if len(r.patches) != 2 || r.gets != 2 || strings.Contains(r.patches[0], "gone") || !strings.Contains(r.patches[1], `"gone":null`) {
		t.Errorf("%d looks, patches %q", r.gets, r.patches)
	}
}

func TestWhatSomebodyElseHasDoneMeanwhileNeedsNoPatch(t *testing.T) {
	r := newRegistry(t, nil, nil)
	r.before = func() {
		r.change(func(m *metav1.ObjectMeta) {
			m.Labels, m.Annotations = kv{"team": "x"}, kv{ManagedKeys: `{"labels":["team"]}`}
		})
	}
	changed, err := publish(t.Context(), r.start(), Metadata{Labels: kv{"team": "x"}})
	if changed || err != nil || len(r.patches) != 1 {
		t.Errorf("changed %t, %v, patches %q", changed, err, r.patches)
	}
}

func TestConflictsWithoutEndAreGivenUp(t *testing.T) {
	r := newRegistry(t, nil, nil)
	r.before = func() { r.version++ }
	changed, err := publish(t.Context(), r.start(), Metadata{Labels: kv{"team": "x"}})
	f, ok := fault.Find(err)
	if changed || !ok || f.Code != fault.EndpointHTTP || !strings.Contains(f.Remedy, "managed-fields") || !strings.Contains(err.Error(), "cannot publish labels and annotations of node "+nodeName) {
		t.Errorf("changed %t, %v", changed, err)
	}
	if len(r.patches) != publishAttempts {
		t.Errorf("%d attempts", len(r.patches))
	}
}

func TestARefusalIsSaidAtOnceWithItsReason(t *testing.T) {
	restriction := fmt.Sprintf("nodes %q is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/x", nodeName)
	for name, row := range map[string]struct {
		status       int
		message      string
		code         fault.Code
		says, remedy string
	}{
		"NodeRestriction":      {http.StatusForbidden, restriction, fault.ConfigInvalid, "node-restriction.kubernetes.io/x", "NodeRestriction"},
		"another node's name":  {http.StatusForbidden, `nodes "a" is forbidden: node "b" is not allowed to modify node "a"`, fault.WrongIdentity, "not allowed to modify node", "system:node:" + nodeName},
		"no such right at all": {http.StatusForbidden, `nodes "a" is forbidden: User "x" cannot patch resource "nodes" in API group ""`, fault.WrongIdentity, "cannot patch", "system:node:" + nodeName},
		"a value that is none": {http.StatusUnprocessableEntity, "metadata.labels: Invalid value", fault.ConfigInvalid, "Invalid value", "spec.labels"},
		"an unknown identity":  {http.StatusUnauthorized, "Unauthorized", fault.Unauthorized, "401", "create-access-entry"},
		"a node that has gone": {http.StatusNotFound, "not found", fault.NotRegistered, "deleted", "restart kubelet"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t, nil, nil)
			r.refuse = func(rw http.ResponseWriter) bool {
				refuse(row.status, row.message)(rw, nil)
				return true
			}
			changed, err := publish(t.Context(), r.start(), Metadata{Labels: kv{"a": "b"}})
			f, ok := fault.Find(err)
			if changed || !ok || f.Code != row.code || !strings.Contains(err.Error(), row.says) || !strings.Contains(f.Remedy, row.remedy) {
				t.Errorf("changed %t, %v\nremedy %q", changed, err, f.Remedy)
			}
			if len(r.patches) != 1 {
				t.Errorf("%d attempts", len(r.patches))
			}
			if pairs(r.stored.Labels) != "" {
				t.Errorf("labels %v", r.stored.Labels)
			}
		})
	}
}

func TestAServerInTroubleIsAskedAgain(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		r := newRegistry(t, nil, nil)
		r.refuse = func(rw http.ResponseWriter) bool {
			if len(r.patches) < 3 {
				refuse(status, "try again")(rw, nil)
				return true
			}
			return false
		}
		changed, err := publish(t.Context(), r.start(), Metadata{Annotations: kv{"a": "b"}})
		if !changed || err != nil || len(r.patches) != 3 {
			t.Errorf("%d: changed %t, %v after %d patches", status, changed, err, len(r.patches))
		}
	}
}

func TestNobodyElsesNodeIsChanged(t *testing.T) {
	r := newRegistry(t, nil, nil)
	r.stored.Spec.ProviderID = "aws:///eu-west-1a/i-0fedcba9876543210"
	_, err := publish(t.Context(), r.start(), Metadata{Labels: kv{"a": "b"}})
	if fault.CodeOf(err) != fault.NotRegistered || !strings.Contains(err.Error(), "another machine") || r.gets != 1 || len(r.patches) != 0 {
		t.Errorf("got %v after %d looks, patches %q", err, r.gets, r.patches)
	}
	r = newRegistry(t, nil, nil)
	r.stored.Name = "another"
	if _, err := publish(t.Context(), r.start(), Metadata{}); fault.CodeOf(err) != fault.NotRegistered {
		t.Errorf("got %v", err)
	}
	if _, err := Publish(t.Context(), Target{}, Metadata{}); fault.CodeOf(err) != fault.NodeNameUnknown {
		t.Errorf("got %v", err)
	}
}

func TestAPublicationEndsWithItsContext(t *testing.T) {
	r := newRegistry(t, nil, nil)
	r.before = func() { r.version++ }
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.refuse = func(http.ResponseWriter) bool { cancel(); return false }
	if _, err := publish(ctx, r.start(), Metadata{Labels: kv{"a": "b"}}); err == nil || len(r.patches) != 1 {
		t.Errorf("got %v after %d patches", err, len(r.patches))
	}
}

func FuzzRecordsOfManagedKeys(f *testing.F) {
	f.Add(`{"labels":["a"]}`, "a")
	f.Add(`{"annotations":["eksnode.dev/managed-keys"],"labels":[""]}`, "")
	f.Add("null", "x")
	f.Add(`{"labels":7}`, "x")
	f.Fuzz(func(t *testing.T, record, key string) {
		have := nodeMetadata{ResourceVersion: "1", Labels: kv{key: "1", "keep": "1"}, Annotations: kv{ManagedKeys: record}}
		want := Metadata{Labels: kv{"keep": "2"}}
		text, err := patchOf(have, want)
		if err != nil {
			t.Fatal(err)
		}
		var patch struct {
			Metadata struct{ Labels, Annotations map[string]*string }
		}
		if err := json.Unmarshal(text, &patch); err != nil {
			t.Fatal(err)
		}
		after := nodeMetadata{Labels: merge(have.Labels, patch.Metadata.Labels), Annotations: merge(have.Annotations, patch.Metadata.Annotations)}
		if again, err := patchOf(after, want); again != nil || err != nil {
			t.Errorf("after %s it is still %s (%v)", text, again, err)
		}
		if after.Labels["keep"] != "2" {
			t.Errorf("labels %v", after.Labels)
		}
	})
}
