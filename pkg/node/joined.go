package node

import "errors"

// joined collects errors; the zero value is empty.
type joined struct{ errs []error }

func (j *joined) add(err error) { j.errs = append(j.errs, err) }

func (j *joined) err() error { return errors.Join(j.errs...) }
