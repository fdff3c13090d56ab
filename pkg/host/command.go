package host

import "time"

// Stage is the moment at which a Command is run.
type Stage string

const (
	// StageInPlace is where the resource stands among the others.
	StageInPlace Stage = ""
	// StagePostReady is when the node is Ready, after everything else.
	StagePostReady Stage = "post-ready"
)

// Command is a program that has been run, once in a boot or once in the machine's
// life. What is observed is the digest of what ran successfully last; a command
// whose digest differs is run again. It is run at least once: when the agent dies
// while it runs, or before its end is recorded, it is run again.
type Command struct {
	// Name is unique: hook/warm-cache, local-disks.
	Name string `json:"name"`
	// Digest stands for all that makes one run differ from another.
	Digest string `json:"digest"`

	// What follows says something about the wish and is not part of an observation.

	// Args are the program's absolute path and its arguments.
	Args []string `json:"args,omitempty"`
	// Env is added to the agent's own environment. It holds secrets.
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
