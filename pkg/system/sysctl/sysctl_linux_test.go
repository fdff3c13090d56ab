package sysctl

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
)

func TestTheRunningKernelCanBeObserved(t *testing.T) {
	seen, err := New(rootfs.At("/")).Observe(t.Context(), host.Sysctl{Key: "kernel.ostype"})
	if err != nil || seen == nil || seen.(host.Sysctl).Value != "Linux" {
		t.Errorf("kernel.ostype is %+v (%v)", seen, err)
	}
}

func TestAValueThatTheKernelRefusesIsAnError(t *testing.T) {
	err := New(rootfs.At("/")).Apply(t.Context(), host.Sysctl{Key: "kernel.ostype", Value: "Plan9"})
	if got := fault.CodeOf(err); got != fault.WriteFailed || !strings.HasPrefix(err.Error(), `cannot set kernel parameter kernel.ostype to "Plan9": `) {
		t.Errorf("got %s: %v", got, err)
	}
}
