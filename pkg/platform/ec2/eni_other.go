//go:build !linux

package ec2

import "context"

// NewENIs fails: ENIs are looked after on Linux alone.
func NewENIs(Options) (*ENIs, error) { return nil, unsupported() }

// Await fails: ENIs are looked after on Linux alone.
func (e *ENIs) Await(context.Context) error { return unsupported() }
