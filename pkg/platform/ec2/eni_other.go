//go:build !linux

package ec2

import "context"

// NewENIs fails: ENIs are looked after on Linux alone.
func NewENIs(Options) (*ENIs, error) { return nil, unsupported() }

// Reload fails: ENIs are looked after on Linux alone.
func (e *ENIs) Reload(context.Context) error { return unsupported() }

// Await fails: ENIs are looked after on Linux alone.
func (e *ENIs) Await(context.Context) error { return unsupported() }

// Watch fails: ENIs are looked after on Linux alone.
func (e *ENIs) Watch(context.Context, func()) error { return unsupported() }
