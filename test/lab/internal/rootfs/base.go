package rootfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/eksnode/eksnode/test/lab/internal/toolchain"
)

// suite is the Debian release of the boxes: systemd 252, the version AL2023 carries too.
const suite = "bookworm"

// basePackages are what an EKS node image has besides the node's own programs.
func basePackages() []string {
	return []string{
		"systemd", "systemd-sysv", "systemd-resolved", "dbus", "udev", "login", "util-linux", "mount", "kmod", "procps",
		"iproute2", "iptables", "iputils-ping", "netbase", "ethtool", "conntrack", "curl", "ca-certificates",
		"e2fsprogs", "xfsprogs", "fdisk", "runc",
		"systemd-timesyncd", // which does not run in containers
		"rpm",               // installs the other kind of package, as Amazon Linux does
	}
}

// silenced are timers and services of the base that only cost time in a box.
func silenced() []string {
	return []string{"apt-daily.timer", "apt-daily-upgrade.timer", "fstrim.timer", "e2scrub_all.timer", "dpkg-db-backup.timer", "e2scrub_reap.service"}
}

// masked are units that cannot work in a box: its console has no keyboard, and its kernel is shared.
func masked() []string {
	return []string{"console-getty.service", "getty.target", "getty-static.service", "tmp.mount", "systemd-firstboot.service", "proc-sys-fs-binfmt_misc.automount"}
}

// networkUnit makes every ENI ask for its addresses, as EC2's images do. The MAC address is the
// client's identity, so that a box keeps its address whatever its machine id is.
const networkUnit = `[Match]
Name=ens*

[Link]
MTUBytes=9001

[Network]
DHCP=yes
IPv6DuplicateAddressDetection=0
LLMNR=no

[DHCPv4]
ClientIdentifier=mac
UseHostname=no
UseDomains=yes
RouteMetric=512
`

// Base is a root file system, read-only for all boxes.
type Base struct {
	Dir string
	// Key tells its content from that of any other.
	Key string
}

// BuildBase makes the base in the cache folder, or finds it there. Its interfaces are looked after by systemd-networkd, or
// by NetworkManager.
func BuildBase(ctx context.Context, cache string, networkManager bool, log io.Writer, progress func(string)) (Base, error) {
	h := sha256.New()
	fmt.Fprintf(h, "2 %s %q %q %q %q", suite, basePackages(), silenced(), masked(), networkUnit)
	if networkManager {
		fmt.Fprintf(h, "%q %q", networkManagerHooks(), networkManagerFiles())
	}
	b := Base{Key: hex.EncodeToString(h.Sum(nil))[:16]}
	b.Dir = filepath.Join(cache, b.Key)
	if _, err := os.Stat(b.Dir); err == nil {
		return b, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Base{}, fmt.Errorf("cannot build root file system: %w", err)
	}
	unlock, err := toolchain.Lock(ctx, filepath.Join(cache, "."+b.Key+".lock"))
	if err != nil {
		return Base{}, fmt.Errorf("cannot build root file system: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(b.Dir); err == nil {
		return b, nil
	}
	progress("building the boxes' root file system (Debian " + suite + ")")
	tmp := b.Dir + ".building"
	if err := os.RemoveAll(tmp); err != nil {
		return Base{}, fmt.Errorf("cannot build root file system: %w", err)
	}
	hooks, more := networkdHooks(), map[string]string{"etc/systemd/network/80-ec2.network": networkUnit}
	if networkManager {
		hooks, more = networkManagerHooks(), networkManagerFiles()
	}
	if err := mmdebstrap(ctx, tmp, hooks, log); err != nil {
		return Base{}, fmt.Errorf("cannot build root file system: %w", err)
	}
	if err := configureBase(tmp, more); err != nil {
		return Base{}, fmt.Errorf("cannot build root file system: %w", err)
	}
	if err := os.Rename(tmp, b.Dir); err != nil {
		return Base{}, fmt.Errorf("cannot build root file system: %w", err)
	}
	return b, nil
}

// networkdHooks are mmdebstrap's arguments for an image with systemd-networkd.
func networkdHooks() []string {
	return []string{"--customize-hook=chroot \"$1\" systemctl enable systemd-networkd.service systemd-resolved.service"}
}

func mmdebstrap(ctx context.Context, dir string, more []string, log io.Writer) error {
	args := []string{"--mode=root", "--variant=minbase", "--format=directory",
		"--include=" + strings.Join(basePackages(), ","),
		`--aptopt=APT::Install-Recommends "false"`,
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=force-unsafe-io",
		"--customize-hook=chroot \"$1\" systemctl disable " + strings.Join(silenced(), " "),
		"--customize-hook=chroot \"$1\" systemctl mask " + strings.Join(masked(), " "),
		"--customize-hook=chroot \"$1\" passwd -d root"}
	args = append(append(args, more...), suite, dir)
	return runDebstrap(ctx, args, log)
}

// runDebstrap runs mmdebstrap with the machine's own sources.
func runDebstrap(ctx context.Context, args []string, log io.Writer) error {
	sources, err := sourceLines(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", args...)
	if sources != "" { // else mmdebstrap's own default
		cmd.Args = append(cmd.Args, "-")
		cmd.Stdin = strings.NewReader(sources)
	}
	var tail bytes.Buffer
	cmd.Stdout = io.MultiWriter(log, &tail)
	cmd.Stderr = cmd.Stdout
	if err := cmd.Run(); err != nil {
		out := tail.String()
		return fmt.Errorf("mmdebstrap: %w\n%s", err, out[max(0, len(out)-2000):])
	}
	return nil
}

// sourceLines are the machine's own sources of the suite, so that the boxes come from the
// mirror its owner chose. Empty when the machine runs something else.
func sourceLines(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(ORIGIN)|$(CODENAME)|$(SITE)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages").Output()
	if err != nil {
		return "", fmt.Errorf("cannot read apt sources: %w", err)
	}
	lines := map[string]bool{}
	for l := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(l), "|")
		if len(f) == 5 && f[0] == "Debian" && strings.HasPrefix(f[1], suite) && f[4] == "main" {
			lines["deb "+f[2]+" "+f[3]+" "+f[4]] = true
		}
	}
	sorted := make([]string, 0, len(lines))
	for l := range lines {
		sorted = append(sorted, l)
	}
	sort.Strings(sorted)
	return strings.Join(sorted, "\n"), nil
}

func configureBase(dir string, more map[string]string) error {
	files := map[string]string{
		"etc/hosts":      "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
		"etc/machine-id": "",
		"etc/hostname":   "",
		// On the console only what fails, and what the box's programs write there: no list of units that moves.
		"etc/systemd/system.conf.d/lab.conf": "[Manager]\nShowStatus=error\n",
		// A journal on disk survives the reboots that tests make.
		"etc/systemd/journald.conf.d/lab.conf": "[Journal]\nStorage=persistent\nSystemMaxUse=64M\nRateLimitBurst=0\n",
	}
	maps.Copy(files, more)
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			return err
		}
	}
	// As on AL2023: the addresses of the real DNS servers, not resolved's stub, so that pods
	// with dnsPolicy Default can use the file too.
	link := filepath.Join(dir, "etc/resolv.conf")
	if err := os.RemoveAll(link); err != nil {
		return err
	}
	return os.Symlink("../run/systemd/resolve/resolv.conf", link)
}
