package cri

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/eksnode/eksnode/pkg/fault"
)

// recorded are messages as the generated code of the interface writes them.
func recorded(t testing.TB) map[string]message {
	t.Helper()
	b, err := os.ReadFile("testdata/recorded.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]message{}
	for line := range strings.Lines(string(b)) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name == "#" {
			continue
		}
		raw, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(name, err)
		}
		out[name] = raw
	}
	return out
}

// runtime is a container runtime that writes down what it is asked.
type runtime struct {
	t      *testing.T
	known  map[string]message
	mu     sync.Mutex
	asked  []string
	answer map[string]func() (message, error) // by method; nil is an empty answer
	lists  map[string]message                 // the answers to ListPodSandbox, by the recorded question
}

var now = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// newRuntime is a runtime in which all is well and no pod has an address.
func newRuntime(t *testing.T) *runtime {
	r := &runtime{t: t, known: recorded(t)}
	r.lists = map[string]message{"ready": r.known["hostOnly"]}
	r.answer = map[string]func() (message, error){
		"Status":           func() (message, error) { return r.known["networkUp"], nil },
		"RunPodSandbox":    func() (message, error) { return r.known["ranAnswer"], nil },
		"PodSandboxStatus": func() (message, error) { return r.known["statusAnswer"], nil },
	}
	return r
}

func (r *runtime) serve(_ any, stream grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(stream)
	method := strings.TrimPrefix(full, "/runtime.v1.RuntimeService/")
	var in message
	if err := stream.RecvMsg(&in); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, method+" "+r.name(method, in))
	if method == "ListPodSandbox" {
		out := r.lists[r.name(method, in)]
		return stream.SendMsg(&out)
	}
	out := message(nil)
	if answer := r.answer[method]; answer != nil {
		var err error
		if out, err = answer(); err != nil {
			return err
		}
	}
	return stream.SendMsg(&out)
}

// name is that of a recorded message; what no generated code would have written has
// none.
func (r *runtime) name(method string, in message) string {
	for _, name := range map[string][]string{
		"Status": nil, "RunPodSandbox": {"run"}, "ListPodSandbox": {"ready", "mine"},
		"StopPodSandbox": {"stop"}, "RemovePodSandbox": {"remove"}, "PodSandboxStatus": {"status"},
	}[method] {
		if slices.Equal(in, r.known[name]) {
			return name
		}
	}
	if id, err := read(in); err == nil && id.text(1) != "" && len(in) < 16 {
		return id.text(1)
	}
	if len(in) == 0 {
		return "-"
	}
	return fmt.Sprintf("%x", []byte(in))
}

func (r *runtime) start() Runtime {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		r.t.Fatal(err)
	}
	s := grpc.NewServer(grpc.ForceServerCodec(codec{}), grpc.UnknownServiceHandler(r.serve))
	go func() { _ = s.Serve(l) }() // ended by Stop
	r.t.Cleanup(s.Stop)
	return Runtime{Socket: path, Now: func() time.Time { return now }}
}

func TestWhatIsSeenOfThePodsNetwork(t *testing.T) {
	const clean = "StopPodSandbox stop, RemovePodSandbox remove"
	refusal := func(code codes.Code, text string) func() (message, error) {
		return func() (message, error) { return nil, status.Error(code, text) }
	}
	for name, row := range map[string]struct {
		change func(*runtime)
		seen   string // or else
		says   string
		asked  string
	}{
		"a pod has an address": {func(r *runtime) {
			r.lists["ready"] = r.known["list"]
			calls := 0
			r.answer["PodSandboxStatus"] = func() (message, error) {
				calls++
				return []message{r.known["hostStatus"], r.known["statusAnswer"]}[calls-1], nil
			}
		}, "pod kube-system/coredns has the address 10.0.0.9", "", "Status -, ListPodSandbox ready, PodSandboxStatus id-0, PodSandboxStatus status"},
		"pods on the machine's network alone": {func(r *runtime) {
			calls := 0
			r.answer["PodSandboxStatus"] = func() (message, error) {
				calls++
				return []message{r.known["hostStatus"], r.known["statusAnswer"]}[calls-1], nil
			}
		}, "a sandbox for trial got the address 10.0.0.9 and was taken away again, in 0s", "",
			"Status -, ListPodSandbox ready, PodSandboxStatus id-0, ListPodSandbox mine, RunPodSandbox run, PodSandboxStatus status, " + clean},
		"one that goes while it is looked at": {func(r *runtime) { r.answer["PodSandboxStatus"] = refusal(codes.NotFound, "no such") },
			"a sandbox for trial was made and taken away again in 0s", "",
			"Status -, ListPodSandbox ready, PodSandboxStatus id-0, ListPodSandbox mine, RunPodSandbox run, PodSandboxStatus status, " + clean},
		"kubelet has taken the trial away": {func(r *runtime) {
			r.lists["ready"] = nil
			r.answer["StopPodSandbox"], r.answer["RemovePodSandbox"] = refusal(codes.NotFound, "gone"), refusal(codes.NotFound, "gone")
		}, "a sandbox for trial got the address 10.0.0.9 and was taken away again, in 0s", "",
			"Status -, ListPodSandbox ready, ListPodSandbox mine, RunPodSandbox run, PodSandboxStatus status, " + clean},
		"one of an earlier run was left": {func(r *runtime) { r.lists["ready"], r.lists["mine"] = r.known["listMine"], r.known["listMine"] },
			"a sandbox for trial got the address 10.0.0.9 and was taken away again, in 0s", "",
			"Status -, ListPodSandbox ready, ListPodSandbox mine, StopPodSandbox id-9, RemovePodSandbox id-9, RunPodSandbox run, PodSandboxStatus status, " + clean},
		"no configuration yet": {func(r *runtime) {
			r.answer["Status"] = func() (message, error) { return r.known["networkDown"], nil }
		},
			"", "NetworkPluginNotReady: Network plugin returns error: cni plugin not initialized", "Status -"},
		"the plugin has no address left, and something is left behind": {func(r *runtime) {
			r.lists["ready"] = nil
			r.answer["RunPodSandbox"] = func() (message, error) {
				r.lists["mine"] = r.known["listMine"]
				return nil, status.Error(codes.Unknown, "failed to setup network for sandbox: plugin type=\"aws-cni\" failed (add):\n add cmd: failed to assign an IP address to container")
			}
		}, "", "a sandbox for trial could not be made: failed to setup network for sandbox: plugin type=\"aws-cni\" failed (add): add cmd: failed to assign an IP address to container",
			"Status -, ListPodSandbox ready, ListPodSandbox mine, RunPodSandbox run, ListPodSandbox mine, StopPodSandbox id-9, RemovePodSandbox id-9"},
		"it cannot be taken away": {func(r *runtime) {
			r.lists["ready"] = nil
			r.answer["StopPodSandbox"] = refusal(codes.Internal, "busy")
		},
			"", "the sandbox for trial cannot be taken away: busy", "Status -, ListPodSandbox ready, ListPodSandbox mine, RunPodSandbox run, PodSandboxStatus status, StopPodSandbox stop"},
		"the runtime fails":           {func(r *runtime) { r.answer["Status"] = refusal(codes.Unavailable, "starting") }, "", "cannot ask the container runtime for its network: starting", "Status -"},
		"no word of its network":      {func(r *runtime) { r.answer["Status"] = nil }, "", "it does not speak of its network", "Status -"},
		"something that is no answer": {func(r *runtime) { r.answer["Status"] = func() (message, error) { return message("\xff\xff"), nil } }, "", errWire.Error(), "Status -"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuntime(t)
			row.change(r)
			seen, err := r.start().Network(t.Context())
			if seen != row.seen || (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
				t.Errorf("seen %q, %v", seen, err)
			}
			if f, ok := fault.Find(err); err != nil && (!ok || f.Code != fault.PodNetwork || f.Remedy == "" || strings.Contains(err.Error(), "\n")) {
				t.Errorf("fault %+v", f)
			}
			if got := strings.Join(r.asked, ", "); got != row.asked {
				t.Errorf("asked\n%s\nwant\n%s", got, row.asked)
			}
		})
	}
}

func TestARunThatEndsMeanwhileStillTakesTheTrialAway(t *testing.T) {
	r := newRuntime(t)
	r.lists["ready"] = nil
	ctx, cancel := context.WithCancel(t.Context())
	run := r.answer["RunPodSandbox"]
	r.answer["RunPodSandbox"] = func() (message, error) {
		r.lists["mine"] = r.known["listMine"]
		cancel()
		return run()
	}
	_, err := r.start().Network(ctx)
	if err == nil || fault.CodeOf(err) != fault.PodNetwork {
		t.Error(err)
	}
	if got := strings.Join(r.asked, ", "); !strings.HasSuffix(got, "RemovePodSandbox id-9") && !strings.HasSuffix(got, "RemovePodSandbox remove") {
		t.Errorf("asked %s", got)
	}
}

func TestNobodyListens(t *testing.T) {
	_, err := Runtime{Socket: filepath.Join(t.TempDir(), "s"), Now: time.Now}.Network(t.Context())
	if fault.CodeOf(err) != fault.PodNetwork || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	for _, m := range recorded(f) {
		f.Add([]byte(m))
		f.Add([]byte(m[:len(m)/2]))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(b)
		if err != nil {
			return
		}
		_, _ = got.sub(1)
		size := 0
		for _, list := range got.bytes {
			for _, v := range list {
				size += len(v)
			}
		}
		if size > len(b) {
			t.Errorf("%d bytes of %d", size, len(b))
		}
	})
}
