// Package bootstrap is the engine: it loads the configuration, gathers facts,
// asks the components, plans, applies, and waits until the node is what it
// should be. It knows no platform; those are values given to it.
package bootstrap

import (
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Result says how a run stands.
type Result string

// Results.
const (
	Running Result = "running"
	Done    Result = "ok"
	Broken  Result = "failed"
)

// Report is what one run did, and what came of it. It is what status.json
// holds; its fields are part of the interface. It holds no secret.
type Report struct {
	// AgentVersion is the version of the agent that ran.
	AgentVersion string `json:"agentVersion"`
	// Command is the verb: init, reset.
	Command string `json:"command"`
	// PID is the process that runs, or ran.
	PID      int       `json:"pid,omitempty"`
	Platform string    `json:"platform"`
	Started  time.Time `json:"started"`
	// Finished is zero while the run goes on.
	Finished time.Time `json:"finished,omitzero"`
	Result   Result    `json:"result"`
	// Doing is the phase that goes on, and after a colon the program that runs;
	// empty when the run is over.
	Doing string `json:"doing,omitempty"`
	Node  Node   `json:"node"`
	// Sources are the texts that were read for the configuration.
	Sources []string `json:"sources,omitempty"`
	// ConfigProblems are the warnings and remarks about the configuration, and
	// its errors when it was refused.
	ConfigProblems []api.Problem `json:"configProblems,omitempty"`
	// FactProblems are the facts that could not be had.
	FactProblems []node.Problem `json:"factProblems,omitempty"`
	// Notes are what the components remark about their decisions.
	Notes  []string `json:"notes,omitempty"`
	Phases []Phase  `json:"phases"`
	// Steps are those that were taken, in order.
	Steps []StepTaken `json:"steps,omitempty"`
	// Programs are the last runs, in this boot, of hooks and other programs.
	Programs []ProgramRun `json:"programs,omitempty"`
	// Warnings are failures that did not end the run.
	Warnings []Failure        `json:"warnings,omitempty"`
	Findings []health.Finding `json:"findings,omitempty"`
	// Error is what ended the run; nil when it went well.
	Error *Failure `json:"error,omitempty"`
}

// Node is who this node is, as far as it is known yet.
type Node struct {
	Name       string `json:"name,omitempty"`
	NameSource string `json:"nameSource,omitempty"`
	Cluster    string `json:"cluster,omitempty"`
	InstanceID string `json:"instanceId,omitempty"`
	Type       string `json:"instanceType,omitempty"`
	Zone       string `json:"zone,omitempty"`
	Kubelet    string `json:"kubelet,omitempty"`
	Containerd string `json:"containerd,omitempty"`
}

// Phase is one part of a run and the time that it took.
type Phase struct {
	Name    string        `json:"name"`
	Started time.Time     `json:"started"`
	Took    time.Duration `json:"tookNanoseconds"`
	// Detail is one phrase about what came of it.
	Detail string `json:"detail,omitempty"`
}

// StepTaken is one step of the plan that was taken.
type StepTaken struct {
	Verb host.Verb     `json:"verb"`
	ID   host.ID       `json:"id"`
	Why  string        `json:"why"`
	Took time.Duration `json:"tookNanoseconds"`
}

// Failure is an error for machines and people.
type Failure struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Remedy  string     `json:"remedy,omitempty"`
}

// NewFailure describes err; nil for nil.
func NewFailure(err error) *Failure {
	if err == nil {
		return nil
	}
	f := &Failure{Code: fault.CodeOf(err), Message: err.Error()}
	if ft, ok := fault.Find(err); ok {
		f.Remedy = ft.Remedy
	}
	return f
}

// Took is how long the run took, or has taken until now.
func (r Report) Took(now time.Time) time.Duration {
	if !r.Finished.IsZero() {
		now = r.Finished
	}
	return now.Sub(r.Started)
}
