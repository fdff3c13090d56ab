//go:build linux

package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
)

// monitor speaks QMP, the protocol by which QEMU is told what to do (QEMU, "QEMU Machine Protocol Specification").
type monitor struct {
	conn net.Conn

	mu      sync.Mutex // one command at a time
	answers chan answer
}

type answer struct {
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Desc string `json:"desc"`
	} `json:"error"`
	Event string `json:"event"`
}

// openMonitor greets QEMU. event is called with the name of each event.
func openMonitor(conn net.Conn, event func(string)) (*monitor, error) {
	m := &monitor{conn: conn, answers: make(chan answer, 1)}
	go func() {
		defer close(m.answers)
		lines := json.NewDecoder(bufio.NewReader(conn))
		for {
			var a answer
			if lines.Decode(&a) != nil {
				return
			}
			switch {
			case a.Event != "":
				event(a.Event)
			case a.Return != nil || a.Error != nil:
				m.answers <- a
			}
		}
	}()
	return m, m.do(context.Background(), "qmp_capabilities", nil)
}

// do has QEMU execute a command.
func (m *monitor) do(ctx context.Context, command string, arguments map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	request := map[string]any{"execute": command}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := json.NewEncoder(m.conn).Encode(request); err != nil {
		return fmt.Errorf("cannot tell QEMU to %s: %w", command, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("cannot tell QEMU to %s: %w", command, ctx.Err())
	case a, ok := <-m.answers:
		switch {
		case !ok:
			return fmt.Errorf("cannot tell QEMU to %s: it has ended", command)
		case a.Error != nil:
			return fmt.Errorf("cannot tell QEMU to %s: %s", command, a.Error.Desc)
		}
		return nil
	}
}
