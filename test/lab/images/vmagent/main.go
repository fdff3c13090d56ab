//go:build linux

// Command vmagent runs in the lab's virtual machines and runs there what the lab asks for. It is the lab's way in, which
// needs no network.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/eksnode/eksnode/test/lab/internal/vm/wire"
)

func main() {
	if err := serve("/dev/virtio-ports/" + wire.Port); err != nil {
		fmt.Fprintln(os.Stderr, "vmagent:", err)
		os.Exit(1)
	}
}

// server answers requests on the port. Replies of commands that run side by side are written one at a time.
type server struct {
	mu      sync.Mutex
	replies *json.Encoder
	running map[uint64]context.CancelFunc
}

func serve(path string) error {
	port, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer port.Close()
	s := &server{replies: json.NewEncoder(port), running: map[uint64]context.CancelFunc{}}
	if err := s.replies.Encode(wire.Reply{}); err != nil {
		return err
	}
	requests := json.NewDecoder(bufio.NewReader(port))
	for {
		var r wire.Request
		if err := requests.Decode(&r); err != nil {
			return err
		}
		s.take(r)
	}
}

func (s *server) take(r wire.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Kill {
		if stop, ok := s.running[r.ID]; ok {
			stop()
		}
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	s.running[r.ID] = stop
	go func() {
		defer stop()
		reply := run(ctx, r)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.running, r.ID)
		if err := s.replies.Encode(reply); err != nil {
			fmt.Fprintln(os.Stderr, "vmagent: cannot reply:", err)
		}
	}()
}

func run(ctx context.Context, r wire.Request) wire.Reply {
	reply := wire.Reply{ID: r.ID, Code: -1}
	if len(r.Args) == 0 {
		reply.Error = "no command"
		return reply
	}
	// What is left in the background keeps the pipes open, but not the command: files do not.
	stdout, stderr, err := outputs()
	if err != nil {
		reply.Error = err.Error()
		return reply
	}
	defer stdout.Close()
	defer stderr.Close()
	cmd := exec.CommandContext(ctx, "/usr/bin/env", append([]string{"-i",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb"}, r.Args...)...)
	cmd.Dir = "/"
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(r.Stdin), stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Run(); err != nil {
		reply.Error = err.Error()
	}
	if cmd.ProcessState != nil {
		reply.Code = cmd.ProcessState.ExitCode()
	}
	reply.Stdout, reply.Stderr = content(stdout), content(stderr)
	return reply
}

// outputs are two files without names.
func outputs() (stdout, stderr *os.File, err error) {
	if stdout, err = os.CreateTemp("/run", "vmagent"); err != nil {
		return nil, nil, err
	}
	if stderr, err = os.CreateTemp("/run", "vmagent"); err != nil {
		stdout.Close()
		return nil, nil, err
	}
	os.Remove(stdout.Name())
	os.Remove(stderr.Name())
	return stdout, stderr, nil
}

func content(f *os.File) []byte {
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	b := make([]byte, info.Size())
	n, _ := f.ReadAt(b, 0)
	return b[:n]
}
