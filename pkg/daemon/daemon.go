// Package daemon runs what watches a node after it has joined: each concern is a
// Watch, all of them run side by side, and one that fails is started again without
// harm to the others. systemd is told when all are at work, and as long as they are.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Watch is one concern.
type Watch struct {
	// Name is for people, in a word or two: network interfaces.
	Name string
	// Run watches until ctx ends, and then returns nil. It calls ready when what it
	// found at its start has been dealt with, once or more often. An error means that
	// it can no longer watch; it is then called again.
	Run func(ctx context.Context, ready func()) error
}

// Options are what the daemon takes from outside.
type Options struct {
	Log *slog.Logger
	// Notify tells the service manager, in the words of sd_notify(3).
	Notify func(state string)
	// Watchdog is how often the service manager wants a sign of life; zero is never.
	Watchdog time.Duration
	// Again spaces the starts of a watch that fails; zero means a second, and more
	// after each failure up to a minute.
	Again time.Duration
}

// readyBound is how long the start is held up by a watch: who waits for the daemon, as
// the node's start does, must not wait for ever for metadata that does not come.
const readyBound = 30 * time.Second

// mostAgain is the longest pause before a watch is started again.
const mostAgain = time.Minute

// Run runs the watches until ctx ends, and returns when all have ended. Without a watch
// it waits for the end of ctx all the same.
func Run(ctx context.Context, watches []Watch, o Options) {
	if o.Again <= 0 {
		o.Again = time.Second
	}
	var running, starting sync.WaitGroup
	var names []string
	for _, w := range watches {
		names = append(names, w.Name)
		starting.Add(1)
		ready := sync.OnceFunc(starting.Done)
		running.Go(func() {
			defer ready()
			keep(ctx, w, ready, o)
		})
	}
	started := make(chan struct{})
	go func() { starting.Wait(); close(started) }()
	late := time.NewTimer(readyBound)
	defer late.Stop()
	select {
	case <-started:
	case <-late.C:
		o.Log.Warn("not all watches have begun in time", "within", readyBound)
	}
	if ctx.Err() == nil {
		o.Notify("READY=1\nSTATUS=watching " + strings.Join(names, ", "))
		live(ctx, o)
	}
	o.Notify("STOPPING=1")
	running.Wait()
}

// live gives signs of life until ctx ends.
func live(ctx context.Context, o Options) {
	if o.Watchdog <= 0 {
		<-ctx.Done()
		return
	}
	// Half of the interval, as sd_watchdog_enabled(3) recommends.
	tick := time.NewTicker(o.Watchdog / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			o.Notify("WATCHDOG=1")
		}
	}
}

// errEnded is of a watch that has returned without an error while it was wanted.
var errEnded = errors.New("it has ended")

// keep runs one watch again and again, with pauses that grow. They begin anew after a
// start that was ready: what has worked is not at fault for long.
func keep(ctx context.Context, w Watch, ready func(), o Options) {
	pause := o.Again
	for {
		begun := false
		err := safely(w.Name, func() error { return w.Run(ctx, func() { begun = true; ready() }) })
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errEnded
		}
		if begun {
			pause = o.Again
		}
		o.Log.Error("a watch has failed and is started again", "watch", w.Name, "error", err, "in", pause)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		pause = min(2*pause, mostAgain)
	}
}

// safely makes an error of a panic: a mistake about one thing must not end the care for
// the others.
func safely(name string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("cannot watch %s: internal error: %v", name, p)
		}
	}()
	return f()
}
