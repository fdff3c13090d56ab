//go:build linux

package vm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/eksnode/eksnode/test/lab/internal/vm/wire"
)

// ErrReset is of a command that ran when the machine was reset or switched off.
var ErrReset = errors.New("the machine was reset")

// guest is the agent in the machine, over all its boots.
type guest struct {
	conn net.Conn
	out  sync.Mutex // held while a request is written, which may take the machine's time

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan wire.Reply
	// there is closed while the agent of the present boot is there.
	there   chan struct{}
	isThere bool
	ended   chan struct{}
}

func newGuest(conn net.Conn) *guest {
	g := &guest{conn: conn, waiting: map[uint64]chan wire.Reply{}, there: make(chan struct{}), ended: make(chan struct{})}
	go g.listen()
	return g
}

func (g *guest) listen() {
	defer close(g.ended)
	defer g.reset()
	lines := bufio.NewReader(g.conn)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var r wire.Reply
		if json.Unmarshal(line, &r) != nil {
			continue // the rest of a line that a reset has cut
		}
		g.mu.Lock()
		switch answer, asked := g.waiting[r.ID]; {
		case r.ID == 0 && !g.isThere:
			g.isThere = true
			close(g.there)
		case asked:
			delete(g.waiting, r.ID)
			answer <- r
		}
		g.mu.Unlock()
	}
}

// reset forgets the agent: its boot is over, and so is what it was asked for.
func (g *guest) reset() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isThere {
		g.isThere, g.there = false, make(chan struct{})
	}
	for id, answer := range g.waiting {
		delete(g.waiting, id)
		close(answer)
	}
}

// run runs a command once the agent is there. The code is -1 when it did not run to its end.
func (g *guest) run(ctx context.Context, stdin []byte, stdout, stderr io.Writer, args []string) (int, error) {
	for {
		g.mu.Lock()
		there, is := g.there, g.isThere
		g.mu.Unlock()
		if is {
			break
		}
		select {
		case <-there:
		case <-g.ended:
			return -1, ErrReset
		case <-ctx.Done():
			return -1, ctx.Err()
		}
	}
	answer := make(chan wire.Reply, 1)
	g.mu.Lock()
	g.next++
	id := g.next
	g.waiting[id] = answer
	g.mu.Unlock()
	if err := g.send(wire.Request{ID: id, Args: args, Stdin: stdin}); err != nil {
		return -1, err
	}
	select {
	case <-ctx.Done():
		g.mu.Lock()
		delete(g.waiting, id)
		g.mu.Unlock()
		_ = g.send(wire.Request{ID: id, Kill: true}) // the command's time is over in any case
		return -1, ctx.Err()
	case r, ok := <-answer:
		if !ok {
			return -1, ErrReset
		}
		_, errOut := stdout.Write(r.Stdout)
		_, errErr := stderr.Write(r.Stderr)
		if r.Error != "" {
			return r.Code, errors.New(r.Error)
		}
		return r.Code, errors.Join(errOut, errErr)
	}
}

func (g *guest) send(r wire.Request) error {
	g.out.Lock()
	defer g.out.Unlock()
	return json.NewEncoder(g.conn).Encode(r)
}
