package host

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// Stage is the moment at which a Command is run.
type Stage string

const (
	// StageInPlace is where the resource stands among the others.
	StageInPlace Stage = ""
	// StagePreConfig is before anything else of the state is made, and the one stage
	// that belongs to a run which only writes configuration.
	StagePreConfig Stage = "pre-config"
	// StagePreKubelet is right before kubelet's service: all files are written, and
	// the container runtime runs.
	StagePreKubelet Stage = "pre-kubelet"
	// StagePostReady is when the node is Ready, after everything else.
	StagePostReady Stage = "post-ready"
)

// Command is a program that has been run, once in a boot or once in the machine's
// life. What is observed is the digest of what ran successfully last; a command
// whose digest differs is run again. It is run at least once: when the agent dies
// while it runs, or before its end is recorded, it is run again.
//
// What it did is not undone: removing a command forgets that it ran.
type Command struct {
	// Name is unique: hook/warm-cache, local-disks.
	Name string `json:"name"`
	// Digest stands for all that makes one run differ from another; see [Digest]. It
	// is in no plan and no report: a short secret could be guessed from it.
	Digest string `json:"-"`

	// What follows says something about the wish and is not part of an observation.

	// Args are the program's absolute path and its arguments. They are no secret.
	Args []string `json:"args,omitempty"`
	// Env is added to the environment. It holds secrets.
	Env map[string]string `json:"-"`
	// Timeout is when the program and its children are killed. Zero is no bound of
	// its own.
	Timeout time.Duration `json:"timeout,omitempty"`
	// Tolerate makes a failure a warning.
	Tolerate bool `json:"tolerate,omitempty"`
	// Once runs it once in the machine's life and not once a boot.
	Once bool `json:"once,omitempty"`
	// Stage says when.
	Stage Stage `json:"stage,omitempty"`
}

// ID implements Resource.
func (c Command) ID() ID { return ID{KindCommand, c.Name} }

// ran is what an observation of a Command shows.
type ran struct {
	Name   string `json:"name"`
	Digest string `json:"digest"`
}

// ID implements Resource.
func (r ran) ID() ID { return ID{KindCommand, r.Name} }

// why says in one phrase why the command is run.
func (c Command) why(have Resource) string {
	said := "has not run since boot"
	switch {
	case have != nil:
		said = "has changed since it ran"
	case c.Once:
		said = "has not run on this machine"
	}
	if c.Stage == StageInPlace {
		return said
	}
	return string(c.Stage) + ": " + said
}

// Digest returns the SHA-256 of parts, as hex, for [Command.Digest]: the same for
// the same parts only, wherever one ends and the next begins. It has no key, so
// whoever has it can try short secrets against it. It is therefore kept only where
// root alone reads, beside what such a reader could see in plain: a key in the next
// file would hide nothing more, and a decision could not depend on it and be
// replayed.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write([]byte(p))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// RunError says how a program has failed. It holds nothing that the program has
// printed, which may be a secret: that is in the log.
type RunError struct {
	// ExitCode is what the program exited with; -1 when it was killed, or could not
	// be started.
	ExitCode int
	// Tolerated says that the command tolerates its failure, which is recorded as a
	// run: it is not tried again before the next boot.
	Tolerated bool
	// Err is the cause; never nil.
	Err error
}

// Error returns the text of the cause.
func (e *RunError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// Tolerated reports whether err is the failure of a command that tolerates it.
func Tolerated(err error) bool {
	e, ok := errors.AsType[*RunError](err)
	return ok && e.Tolerated
}
