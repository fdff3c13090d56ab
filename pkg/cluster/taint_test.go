package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/fault"
)

var startup = Taint{"eksnode.dev/initializing", "NoSchedule"}

func taintOf(text string) corev1.Taint {
	pair, effect, _ := strings.Cut(text, ":")
	key, value, _ := strings.Cut(pair, "=")
	return corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
}

// tainted is an API server that applies JSON patches to the taints of its Node, as
// the real one does: whole or not at all, to what the Node is at that moment.
type tainted struct {
	*world
	patches int
	// before comes in between a look and the patch.
	before func()
	refuse http.HandlerFunc
}

func newTainted(t *testing.T, taints ...string) *tainted {
	w := &tainted{world: newWorld(t)}
	w.stored.UID = "u-1"
	w.set(taints...)
	w.patch = w.take
	return w
}

func (w *tainted) set(taints ...string) {
	w.stored.Spec.Taints = nil
	for _, text := range taints {
		w.stored.Spec.Taints = append(w.stored.Spec.Taints, taintOf(text))
	}
}

func (w *tainted) taints() string {
	var out []string
	for _, t := range w.stored.Spec.Taints {
		out = append(out, t.Key+"="+t.Value+":"+string(t.Effect))
	}
	return strings.Join(out, " ")
}

func (w *tainted) take(rw http.ResponseWriter, req *http.Request) {
	w.patches++
	if got := req.Header.Get("Content-Type"); got != "application/json-patch+json" {
		w.t.Errorf("the patch is %q", got)
	}
	if w.before != nil {
		w.before()
	}
	if w.refuse != nil {
		w.refuse(rw, req)
		return
	}
	var operations []struct {
		Op, Path string
		Value    json.RawMessage
	}
	if err := json.NewDecoder(req.Body).Decode(&operations); err != nil || len(operations) != 3 {
		w.t.Errorf("patch %+v: %v", operations, err)
		return
	}
	after := slices.Clone(w.stored.Spec.Taints)
	for _, o := range operations {
		if !w.apply(&after, o.Op, o.Path, o.Value) {
			refuse(http.StatusUnprocessableEntity, "the server rejected our request due to an error in our request")(rw, req)
			return
		}
	}
	w.stored.Spec.Taints = after
	w.answerNode(rw, req)
}

func (w *tainted) apply(taints *[]corev1.Taint, op, path string, value json.RawMessage) bool {
	if path == "/metadata/uid" {
		return op == "test" && string(value) == strconv.Quote(string(w.stored.UID))
	}
	text, ok := strings.CutPrefix(path, "/spec/taints/")
	i, err := strconv.Atoi(text)
	if !ok || err != nil || i >= len(*taints) {
		return false
	}
	switch op {
	case "test":
		have, _ := json.Marshal((*taints)[i])
		var a, b any
		return json.Unmarshal(have, &a) == nil && json.Unmarshal(value, &b) == nil && reflect.DeepEqual(a, b)
	case "remove":
		*taints = slices.Delete(*taints, i, i+1)
		return true
	}
	w.t.Errorf("operation %s", op)
	return false
}

// remove is RemoveTaint without its pauses.
func (w *tainted) remove(t *testing.T, target Target, by Remover) (bool, error) {
	t.Helper()
	return newProber(target).removeTaint(t.Context(), by, startup, retry.Clock{Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
}

const mine = "eksnode.dev/initializing=:NoSchedule"

func TestOneTaintIsTakenAwayAndNoOther(t *testing.T) {
	for name, row := range map[string]struct {
		taints  []string
		want    string
		removed bool
	}{
		"alone":                       {[]string{mine}, "", true},
		"among others":                {[]string{"a=1:NoSchedule", mine, "b=:NoExecute"}, "a=1:NoSchedule b=:NoExecute", true},
		"whatever its value":          {[]string{"eksnode.dev/initializing=x:NoSchedule"}, "", true},
		"its key with another effect": {[]string{"eksnode.dev/initializing=:NoExecute"}, "eksnode.dev/initializing=:NoExecute", false},
		"it is not there":             {[]string{"a=1:NoSchedule"}, "a=1:NoSchedule", false},
		"there is none":               {nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTainted(t, row.taints...)
			target := w.start()
			if there, err := Tainted(t.Context(), target, startup); there != row.removed || err != nil {
				t.Errorf("it is there: %v, %v", there, err)
			}
			removed, err := w.remove(t, target, Remover{})
			if removed != row.removed || err != nil || w.taints() != row.want {
				t.Errorf("removed %v, left %q, %v", removed, w.taints(), err)
			}
			if again, err := w.remove(t, target, Remover{}); again || err != nil || w.taints() != row.want {
				t.Errorf("again: removed %v, left %q, %v", again, w.taints(), err)
			}
			if w.patches > 1 || !row.removed && w.patches > 0 {
				t.Errorf("%d patches", w.patches)
			}
		})
	}
}

func TestWhatOthersDoBetweenLookAndPatchIsNotLost(t *testing.T) {
	for name, row := range map[string]struct {
		between func(w *tainted)
		want    string
		removed bool
		patches int
	}{
		"one is added behind": {func(w *tainted) { w.set("a=:NoSchedule", mine, "new=:NoExecute") }, "a=:NoSchedule new=:NoExecute", true, 1},
		"one is put in front": {func(w *tainted) { w.set("new=:NoExecute", "a=:NoSchedule", mine) }, "new=:NoExecute a=:NoSchedule", true, 2},
		"one is taken away":   {func(w *tainted) { w.set(mine) }, "", true, 2},
		"ours is taken away":  {func(w *tainted) { w.set("a=:NoSchedule") }, "a=:NoSchedule", false, 1},
		"ours has another value": {func(w *tainted) { w.set("a=:NoSchedule", "eksnode.dev/initializing=x:NoSchedule") },
			"a=:NoSchedule", true, 2},
		"the Node is made anew": {func(w *tainted) { w.stored.UID = "u-2" }, "a=:NoSchedule", true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTainted(t, "a=:NoSchedule", mine)
			w.before = func() { row.between(w); w.before = nil }
			removed, err := w.remove(t, w.start(), Remover{})
			if removed != row.removed || err != nil || w.taints() != row.want || w.patches != row.patches {
				t.Errorf("removed %v in %d patches, left %q, %v", removed, w.patches, w.taints(), err)
			}
		})
	}
}

func TestARemovalThatAlwaysMeetsAnotherChangeEnds(t *testing.T) {
	w := newTainted(t, mine)
	n := 0
	w.before = func() { n++; w.set(strings.Split(strings.Repeat("x=:NoExecute ", n)+mine, " ")...) }
	_, err := w.remove(t, w.start(), Remover{})
	if err == nil || w.patches != taintAttempts || fault.CodeOf(err) != fault.EndpointHTTP || !strings.Contains(err.Error(), "somebody else changes the taints") {
		t.Errorf("%d patches, %v", w.patches, err)
	}
}

func TestWhoMayNotTakeTheTaintAwayIsToldWhatIsMissing(t *testing.T) {
	const arn = "arn:aws:iam::123456789012:role/readiness"
	role := Remover{RoleARN: arn, Token: func(context.Context) (string, error) { return bearer, nil }}
	const entry = "aws eks create-access-entry --cluster-name prod --principal-arn "
	const rights = "kubectl create clusterrole eksnode-readiness --verb=patch --resource=nodes && kubectl create clusterrolebinding eksnode-readiness --clusterrole=eksnode-readiness --group=eksnode-readiness"
	for name, row := range map[string]struct {
		by        Remover
		refuse    http.HandlerFunc
		code      fault.Code
		seen      string
		remedies  []string
		noneOther string
	}{
		"the node itself": {Remover{}, refuse(http.StatusForbidden, `nodes "n" is forbidden: node "n" is not allowed to modify taints`), fault.TaintRefused,
			"not allowed to modify taints", []string{"spec.readiness.roleArn", entry + "ROLE_ARN --type STANDARD --kubernetes-groups eksnode-readiness --region eu-west-1", rights}, ""},
		"a role without an access entry": {role, refuse(http.StatusUnauthorized, "Unauthorized"), fault.TaintRefused,
			"does not know the role " + arn, []string{entry + arn, rights}, "roleArn"},
		"a role without rights": {role, refuse(http.StatusForbidden, `User "x" cannot patch resource "nodes"`), fault.TaintRefused,
			`does not let the role ` + arn, []string{rights}, "create-access-entry"},
		"a role that cannot be assumed": {Remover{arn, func(context.Context) (string, error) {
			return "", fault.New(fault.RoleDenied, "Trust.", errors.New("denied"))
		}}, nil, fault.RoleDenied, "denied", []string{"Trust."}, ""},
		"a server in trouble": {role, refuse(http.StatusInternalServerError, "etcd"), fault.EndpointHTTP, "500", []string{"control plane"}, ""},
		"a node that goes":    {role, refuse(http.StatusNotFound, "gone"), fault.NotRegistered, "deleted", []string{"kubelet"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTainted(t, mine)
			w.refuse = row.refuse
			target, looks := w.start(), 0
			token := target.Token
			target.Token = func(ctx context.Context) (string, error) { looks++; return token(ctx) }
			removed, err := w.remove(t, target, row.by)
			if row.code == fault.RoleDenied && looks != 1 {
				t.Errorf("tried %d times what only somebody else can mend", looks)
			}
			f, ok := fault.Find(err)
			if !ok || removed || f.Code != row.code || !strings.Contains(err.Error(), row.seen) || !strings.Contains(err.Error(), "cannot take the taint eksnode.dev/initializing:NoSchedule off node") {
				t.Fatalf("got %v %+v", err, f)
			}
			for _, want := range row.remedies {
				if !strings.Contains(f.Remedy, want) {
					t.Errorf("remedy %q lacks %q", f.Remedy, want)
				}
			}
			if row.noneOther != "" && strings.Contains(f.Remedy, row.noneOther) {
				t.Errorf("remedy %q has %q", f.Remedy, row.noneOther)
			}
			if row.code == fault.TaintRefused && w.patches != 1 {
				t.Errorf("refused %d times", w.patches)
			}
			if w.taints() != mine {
				t.Errorf("left %q", w.taints())
			}
		})
	}
}

func TestATaintOfAnotherMachinesNodeIsLeftAlone(t *testing.T) {
	w := newTainted(t, mine)
	w.stored.Spec.ProviderID = "aws:///eu-west-1a/i-other"
	target := w.start()
	if _, err := w.remove(t, target, Remover{}); fault.CodeOf(err) != fault.NotRegistered || w.patches != 0 {
		t.Errorf("%d patches, %v", w.patches, err)
	}
	if _, err := Tainted(t.Context(), target, startup); fault.CodeOf(err) != fault.NotRegistered {
		t.Error(err)
	}
}

func TestTheRoleSpeaksWithItsOwnToken(t *testing.T) {
	w := newTainted(t, mine)
	target := w.start()
	asked := 0
	by := Remover{RoleARN: "r", Token: func(context.Context) (string, error) { asked++; return bearer, nil }}
	node := 0
	target.Token = func(context.Context) (string, error) { node++; return bearer, nil }
	if removed, err := w.remove(t, target, by); !removed || err != nil || asked != 1 || node != 1 {
		t.Error(fmt.Sprint(removed, err, asked, node))
	}
}
