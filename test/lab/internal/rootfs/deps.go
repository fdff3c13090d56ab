// Package rootfs makes the file trees the lab's boxes boot from: a Debian base, a layer
// with the node's programs, and a layer with the product's package installed.
package rootfs

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// HostPackages are the Debian packages the lab's machine needs: boxes (systemd-container),
// their root file system (mmdebstrap), machines with a kernel of their own (qemu-system-x86), DHCP and DNS (dnsmasq-base), and plain tools.
func HostPackages() []string {
	return []string{"ca-certificates", "dnsmasq-base", "iproute2", "iptables", "mmdebstrap", "kmod", "e2fsprogs", "mount", "qemu-system-x86", "systemd-container", "util-linux"}
}

// EnsureHostPackages installs what is missing of HostPackages with apt-get, and says
// what it installed. When all are present it asks dpkg alone, which is quick and needs no network.
func EnsureHostPackages(ctx context.Context, log io.Writer) ([]string, error) {
	missing, err := missingPackages(ctx, HostPackages())
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("cannot install %s: not root; run the lab with sudo", strings.Join(missing, " "))
	}
	install := append([]string{"install", "-y", "--no-install-recommends"}, missing...)
	for _, args := range [][]string{{"update", "-q"}, install} {
		cmd := exec.CommandContext(ctx, "apt-get", args...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("cannot install %s: apt-get %s: %w", strings.Join(missing, " "), args[0], err)
		}
	}
	return missing, nil
}

func missingPackages(ctx context.Context, want []string) ([]string, error) {
	args := append([]string{"-W", "-f", "${Package} ${db:Status-Status}\n"}, want...)
	out, err := exec.CommandContext(ctx, "dpkg-query", args...).Output()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		// dpkg-query exits 1 when one of the packages is unknown, and still prints the others.
		return nil, fmt.Errorf("cannot look for packages: the lab needs Debian or a relative of it: %w", err)
	}
	have := strings.Split(string(out), "\n")
	return slices.DeleteFunc(slices.Clone(want), func(p string) bool { return slices.Contains(have, p+" installed") }), nil
}
