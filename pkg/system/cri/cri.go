// Package cri asks the container runtime, through the interface that kubelet uses,
// whether pods get a network: what the runtime says of it, what the sandboxes say
// that are there, and what comes of making one.
//
// The six calls are written with protowire and the numbers of the fields, which the
// interface never changes (k8s.io/cri-api/pkg/apis/runtime/v1, api.proto). The
// generated package would add all of the interface to the program.
package cri

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/eksnode/eksnode/pkg/fault"
)

// Bounds. A sandbox needs the plugin's answer: the VPC CNI takes some seconds where
// it must attach an ENI first, and kubelet waits two minutes (--runtime-request-timeout).
const (
	askTimeout   = 5 * time.Second
	trialTimeout = 60 * time.Second
	// cleanTimeout is for taking a sandbox away again, whatever has become of the run.
	cleanTimeout = 20 * time.Second
)

// label marks the sandboxes of a trial, so that one which was left behind is known.
const label = "eksnode.dev/readiness-trial"

// maxTried bounds how many sandboxes are asked for their address.
const maxTried = 32

// Runtime is a container runtime on a Unix socket. Its fields are not changed.
type Runtime struct {
	// Socket is the path of the socket, without a scheme.
	Socket string
	// Now is the clock, which tells the trials of a sandbox apart.
	Now func() time.Time
}

// Network sees whether pods get a network, as far as that can be seen without a
// workload, and says what it has seen:
//
//   - the runtime says that its network is ready, which it does once it has loaded a
//     CNI configuration;
//   - a sandbox of some pod has an address; or, where none has one yet, a sandbox
//     that is made for trial gets one. It is always taken away again. If this program
//     dies in between, kubelet takes it away, since it belongs to no pod, and so does
//     the next trial.
//
// The trial's pod is not in the cluster. Plugins that look each pod up there refuse
// it (Calico, Multus, the VPC CNI with security groups for pods); with those, a pod
// of a DaemonSet must be the proof. The error is a fault.
func (r Runtime) Network(ctx context.Context) (seen string, err error) {
	conn, err := grpc.NewClient("unix://"+r.Socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", fault.New(fault.Internal, "Report it with `eksnode status -o json`.", fmt.Errorf("cannot ask the container runtime: %w", err))
	}
	defer func() { _ = conn.Close() }() // nothing is written that could be lost
	s := session{conn, r.Now}
	if err := s.ready(ctx); err != nil {
		return "", err
	}
	if seen, err = s.evidence(ctx); err != nil || seen != "" {
		return seen, err
	}
	return s.trial(ctx)
}

// session is a connection to a runtime.
type session struct {
	conn *grpc.ClientConn
	now  func() time.Time
}

// call sends one message and takes the answer apart.
func (s session) call(ctx context.Context, within time.Duration, method string, in message) (fields, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var out message
	err := s.conn.Invoke(ctx, "/runtime.v1.RuntimeService/"+method, &in, &out, grpc.ForceCodec(codec{}))
	if err != nil {
		return fields{}, fmt.Errorf("%s: %w", method, err)
	}
	return read(out)
}

const serviceRemedy = "See that it runs: `systemctl status containerd`, `journalctl -u containerd -b -n 50`."

// ready asks the runtime for its condition NetworkReady.
func (s session) ready(ctx context.Context) error {
	out, err := s.call(ctx, askTimeout, "Status", nil)
	var state fields
	if err == nil {
		state, err = out.sub(1)
	}
	if err != nil {
		return unanswered(err)
	}
	for _, raw := range state.bytes[1] {
		c, err := read(raw)
		if err != nil {
			return unanswered(err)
		}
		if c.text(1) != "NetworkReady" {
			continue
		}
		if c.numbers[2] == 1 {
			return nil
		}
		return fault.New(fault.PodNetwork, "See the CNI's pod on this node, which writes its configuration to /etc/cni/net.d.",
			fmt.Errorf("the container runtime has no network for pods: %s: %s", c.text(3), oneLine(c.text(4))))
	}
	return unanswered(errors.New("it does not speak of its network"))
}

func unanswered(err error) error {
	return fault.New(fault.PodNetwork, serviceRemedy, fmt.Errorf("cannot ask the container runtime for its network: %s", reason(err)))
}

// evidence looks for a sandbox that runs and has an address of its own; those on
// the machine's network have none. Nothing seen is no error.
func (s session) evidence(ctx context.Context) (string, error) {
	sandboxes, err := s.list(ctx, message{}.bytesField(2, nil)) // state: SANDBOX_READY, which is 0
	if err != nil {
		return "", unanswered(err)
	}
	for _, one := range sandboxes[:min(len(sandboxes), maxTried)] {
		if one.trial {
			continue
		}
		if addr, err := s.address(ctx, one.id); err == nil && addr != "" {
			return fmt.Sprintf("pod %s has the address %s", one.pod, addr), nil
		}
	}
	return "", nil
}

// sandbox is one in a list.
type sandbox struct {
	id, pod string
	trial   bool
}

// list returns the sandboxes that a PodSandboxFilter lets through.
func (s session) list(ctx context.Context, filter message) ([]sandbox, error) {
	out, err := s.call(ctx, askTimeout, "ListPodSandbox", message{}.bytesField(1, filter))
	if err != nil {
		return nil, err
	}
	var list []sandbox
	for _, raw := range out.bytes[1] {
		f, err := read(raw)
		if err != nil {
			return nil, err
		}
		pod, err := f.sub(2)
		if err != nil {
			return nil, err
		}
		one := sandbox{id: f.text(1), pod: pod.text(3) + "/" + pod.text(1)}
		for _, entry := range f.bytes[5] {
			if l, err := read(entry); err == nil && l.text(1) == label {
				one.trial = true
			}
		}
		list = append(list, one)
	}
	return list, nil
}

// address returns a sandbox's own address; empty without one.
func (s session) address(ctx context.Context, id string) (string, error) {
	out, err := s.call(ctx, askTimeout, "PodSandboxStatus", message{}.text(1, id))
	if err != nil {
		return "", err
	}
	state, err := out.sub(1)
	if err != nil {
		return "", err
	}
	network, err := state.sub(5)
	return network.text(1), err
}

// trial makes a sandbox and takes it away again.
func (s session) trial(ctx context.Context) (string, error) {
	if err := s.sweep(ctx); err != nil {
		return "", unanswered(err)
	}
	start := s.now()
	out, err := s.call(ctx, trialTimeout, "RunPodSandbox", message{}.bytesField(1, trialConfig(start)))
	id := out.text(1)
	// Whatever has become of the run: what was made must go.
	clean := context.WithoutCancel(ctx)
	if err != nil {
		err = fmt.Errorf("a sandbox for trial could not be made: %s", reason(err))
		if left := s.sweep(clean); left != nil {
			err = fmt.Errorf("%w; and what is left of it cannot be taken away: %s", err, reason(left))
		}
		return "", fault.New(fault.PodNetwork,
			"The cause is that of the CNI plugin; see its pod on this node. A plugin that looks for the pod in the cluster refuses the trial: then let a pod of a DaemonSet, not on the machine's network, tolerate the startup taint, whose address is proof enough.",
			err)
	}
	addr, addrErr := s.address(ctx, id)
	if err := s.remove(clean, id); err != nil {
		return "", fault.New(fault.PodNetwork, "See why it stays: `crictl pods --label "+label+"`. kubelet takes it away, too.", fmt.Errorf("the sandbox for trial cannot be taken away: %s", reason(err)))
	}
	took := s.now().Sub(start).Round(time.Millisecond)
	if addrErr != nil || addr == "" { // kubelet may have been faster in taking it away
		return fmt.Sprintf("a sandbox for trial was made and taken away again in %s", took), nil
	}
	return fmt.Sprintf("a sandbox for trial got the address %s and was taken away again, in %s", addr, took), nil
}

// trialConfig is the PodSandboxConfig of a trial. The attempt makes the name of each
// its own, should the runtime still hold an earlier one's.
func trialConfig(now time.Time) message {
	const name = "eksnode-readiness"
	metadata := message{}.text(1, name).text(2, name).text(3, "kube-system").number(4, uint64(uint32(now.Unix())))
	// The slice is kubelet's for pods without requests; runc wants one of systemd's.
	linux := message{}.text(1, "kubepods-besteffort.slice")
	return message{}.bytesField(1, metadata).text(2, name).pair(6, label, "true").bytesField(8, linux)
}

// sweep takes away the sandboxes of trials that were not ended.
func (s session) sweep(ctx context.Context) error {
	left, err := s.list(ctx, message{}.pair(3, label, "true"))
	if err != nil {
		return err
	}
	var errs []error
	for _, one := range left {
		errs = append(errs, s.remove(ctx, one.id))
	}
	return errors.Join(errs...)
}

// remove stops a sandbox, which gives its address back, and removes it. One that is
// not there is no error.
func (s session) remove(ctx context.Context, id string) error {
	for _, method := range []string{"StopPodSandbox", "RemovePodSandbox"} {
		if _, err := s.call(ctx, cleanTimeout, method, message{}.text(1, id)); err != nil && status.Code(err) != codes.NotFound {
			return err
		}
	}
	return nil
}

// reason is what the runtime said, in one line and without gRPC's preamble.
func reason(err error) string {
	if s, ok := status.FromError(err); ok && s.Code() != codes.OK {
		text := s.Message()
		// FromError puts what wraps the status before its message.
		if _, after, found := strings.Cut(text, " desc = "); found {
			text = after
		}
		if s.Code() == codes.DeadlineExceeded {
			text = "no answer in time"
		}
		return oneLine(text)
	}
	return oneLine(err.Error())
}

// oneLine bounds and flattens what a plugin says.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 400
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// codec leaves messages as they are.
type codec struct{}

// Name is that of the encoding on the wire.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.Codec.
func (codec) Marshal(v any) ([]byte, error) { return *v.(*message), nil }

// Unmarshal implements encoding.Codec.
func (codec) Unmarshal(data []byte, v any) error {
	*v.(*message) = append(message(nil), data...)
	return nil
}
