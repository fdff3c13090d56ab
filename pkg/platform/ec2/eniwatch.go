package ec2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/eksnode/eksnode/internal/retry"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/cni"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

// link is a network interface as the kernel tells of it.
type link struct {
	index int
	name  string
	// gone: it is not there any more.
	gone bool
}

// eniWatch looks after ENIs as the kernel tells of links: one worker a link, so that
// metadata which is late about one holds up no other. udev does the same where its rule
// is; then there is nothing left to decide. Its methods are called from one goroutine.
type eniWatch struct {
	// named returns once the link has the name that it keeps.
	named func(ctx context.Context, index int) error
	// isENI tells ENIs from all other links.
	isENI func(name string) bool
	// kept reports whether there is nothing left to do about a link.
	kept func(ctx context.Context, name string) (bool, error)
	add  func(ctx context.Context, name string) (cni.Manager, error)
	gone func(ctx context.Context, name string) error
	// reload makes systemd-networkd read its files again.
	reload func(ctx context.Context) error
	log    *slog.Logger

	// workers are those of the links that are there, last is the latest under each name:
	// another link may come under the name of one that is being forgotten.
	workers map[int]*eniWorker
	last    map[string]*eniWorker
}

// eniWorker is at work about one link under one name.
type eniWorker struct {
	name string
	stop context.CancelFunc
	done chan struct{}
}

// eniPatience is how long is tried to look after one link; then it waits for the next
// event about it, or for the next start of the daemon.
const (
	eniPatience = 10 * time.Minute
	eniPause    = 15 * time.Second
)

// see is for a link that is there, has another name, or has gone.
func (w *eniWatch) see(ctx context.Context, l link) {
	if w.workers == nil {
		w.workers, w.last = map[int]*eniWorker{}, map[string]*eniWorker{}
	}
	before := w.workers[l.index]
	switch {
	case before == nil && l.gone, before != nil && !l.gone && before.name == l.name:
		return // nothing new
	case before != nil:
		before.stop()
		delete(w.workers, l.index)
	}
	if l.gone {
		w.work(ctx, before, l.name, func(ctx context.Context) error { return w.forget(ctx, l.name) })
		return
	}
	w.workers[l.index] = w.work(ctx, before, l.name, func(ctx context.Context) error { return w.keep(ctx, l) })
}

// work has a worker do something until it succeeds, after those before it about the same
// link or the same name have ended.
func (w *eniWatch) work(ctx context.Context, before *eniWorker, name string, do func(context.Context) error) *eniWorker {
	ctx, stop := context.WithCancel(ctx)
	worker := &eniWorker{name: name, stop: stop, done: make(chan struct{})}
	earlier := []*eniWorker{before, w.last[name]}
	w.last[name] = worker
	go func() {
		defer close(worker.done)
		defer stop()
		for _, e := range earlier {
			if e != nil {
				<-e.done
			}
		}
		err := retry.Do(ctx, retry.Policy{
			Within: eniPatience, Max: eniPause, LogEvery: time.Minute,
			Log: func(n retry.Note) { w.log.Warn("a network interface waits", "link", name, "why", n.Err) },
		}, do)
		if err != nil && ctx.Err() == nil {
			w.log.Error("cannot look after a network interface", "link", name, "error", err)
		}
	}()
	return worker
}

// settled returns what waits until the workers that are there now have ended, or ctx has.
func (w *eniWatch) settled() func(ctx context.Context) {
	workers := slices.Collect(maps.Values(w.workers))
	return func(ctx context.Context) {
		for _, worker := range workers {
			select {
			case <-ctx.Done():
				return
			case <-worker.done:
			}
		}
	}
}

// keep looks after a link, if it is an ENI that nobody has looked after.
func (w *eniWatch) keep(ctx context.Context, l link) error {
	if err := w.named(ctx, l.index); err != nil {
		return err
	}
	if !w.isENI(l.name) {
		return nil
	}
	kept, err := w.kept(ctx, l.name)
	if err != nil || kept {
		return err
	}
	manager, err := w.add(ctx, l.name)
	if err != nil || manager != cni.ManagerNetworkd {
		return err
	}
	return w.reload(ctx)
}

// forget is for a link that is gone. Whether it was an ENI only the records tell.
func (w *eniWatch) forget(ctx context.Context, name string) error {
	if cni.CheckLink(name) != nil {
		return nil
	}
	return w.gone(ctx, name)
}

// identity asks metadata once who this instance is, since that never changes.
func (e *ENIs) identity(ctx context.Context) (imds.Identity, error) {
	e.idMu.Lock()
	defer e.idMu.Unlock()
	if e.id.InstanceID == "" {
		id, problems, err := e.imds.Identity(ctx, imds.Need{MAC: true})
		for _, p := range problems {
			err = errors.Join(err, p.Err)
		}
		if err != nil {
			return imds.Identity{}, err
		}
		e.id = id
	}
	return e.id, nil
}

// Kept reports whether an ENI has been looked after in this boot: it is written down
// whose it is, and what its manager reads is there.
func (e *ENIs) Kept(ctx context.Context, link string) (bool, error) {
	if err := cni.CheckLink(link); err != nil {
		return false, err
	}
	id, err := e.identity(ctx)
	if err != nil {
		return false, fmt.Errorf("cannot tell whose interface %s is: %w", link, err)
	}
	b, err := e.root.ReadFile(cni.RecordFile(e.layout, id.InstanceID, link), 64)
	if rootfs.Absent(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch cni.Manager(b) {
	case cni.ManagerCNI:
		return !e.primary(id, link), nil
	case cni.ManagerNetworkd:
		_, err := e.root.Stat(cni.NetworkFile(e.layout, link))
		if rootfs.Absent(err) {
			return false, nil
		}
		return err == nil, err
	}
	return false, nil
}
