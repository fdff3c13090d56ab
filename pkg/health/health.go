// Package health is the vocabulary of checks: a Check looks at one thing and
// never touches it, a Finding is what it saw, and a Condition is what holds
// over time.
package health

import (
	"context"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
)

// Status is the outcome of a check.
type Status string

// Statuses. Unknown is for a check that could not look, for example because an
// earlier one that it builds on has failed.
const (
	OK      Status = "ok"
	Warning Status = "warning"
	Failed  Status = "failed"
	Unknown Status = "unknown"
)

// Check looks at one thing. It never changes what it looks at, answers within
// the bound of its context, and may be run again at any time.
type Check struct {
	// Name is short and stable, in kebab case: api-tls.
	Name string
	// Title says for people what holds when the check is ok, in a phrase:
	// "API server presents a certificate of the cluster's CA".
	Title string
	// After names the checks without which this one makes no sense: when one
	// of them is not ok, this one is Unknown and is not run.
	After []string
	Run   func(ctx context.Context) Finding
}

// Finding is what a check saw.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Code is set when Status is Warning or Failed.
	Code fault.Code `json:"code,omitempty"`
	// Seen says what was seen, with the values that matter.
	Seen string `json:"seen"`
	// Remedy says what to do; empty when there is nothing to do.
	Remedy string `json:"remedy,omitempty"`
	// Took is how long the check needed.
	Took time.Duration `json:"took,omitempty"`
}

// Good returns an ok finding.
func Good(seen string) Finding { return Finding{Status: OK, Seen: seen} }

// Bad returns the finding for an error: failed, with the code and the remedy
// of the error's fault.
func Bad(err error) Finding {
	f := Finding{Status: Failed, Code: fault.CodeOf(err), Seen: err.Error()}
	if ft, ok := fault.Find(err); ok {
		f.Remedy = ft.Remedy
	}
	return f
}

// Condition is what holds about a node over time, in the manner of Kubernetes
// conditions.
type Condition struct {
	Type    string     `json:"type"`
	Status  Status     `json:"status"`
	Reason  fault.Code `json:"reason,omitempty"`
	Message string     `json:"message,omitempty"`
	Since   time.Time  `json:"since"`
}
