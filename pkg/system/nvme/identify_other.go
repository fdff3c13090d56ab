//go:build !linux

package nvme

import "errors"

func ask(string) ([]byte, error) { return nil, errors.ErrUnsupported }
