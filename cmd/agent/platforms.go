package main

import (
	"fmt"

	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/platform/ec2"
)

// openPlatform returns the platform of a name. This is the list of all there
// are.
func (a *app) openPlatform(name string) (platform.Platform, error) {
	switch name {
	case "ec2":
		return ec2.New(ec2.Options{Getenv: a.getenv, Log: a.log})
	}
	return platform.Platform{}, fmt.Errorf("cannot work on platform %q: known is ec2", name)
}
