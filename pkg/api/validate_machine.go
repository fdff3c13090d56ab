package api

import (
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// The names of kernel parameters, sysctl.d(5): parts divided by points, in which a
// slash stands for a point of the part itself, as in net.ipv4.conf.eth0/100.mtu.
var sysctlForm = lazyregexp.New(`^[A-Za-z0-9_]+(\.[A-Za-z0-9_@:+-]+(/[A-Za-z0-9_@:+-]+)*)+$`)

// maxSysctlBytes bounds the value of a kernel parameter: what is written to a file
// of /proc/sys is less than a page.
const maxSysctlBytes = 4000

// kubeletSysctls are the kernel parameters that kubelet insists on (kubernetes:
// pkg/kubelet/cm, setupKernelTunables): with protectKernelDefaults, as the agent
// and nodeadm have it, it does not start with other values; without, it sets them.
func kubeletSysctls() map[string]string {
	return map[string]string{
		"vm.overcommit_memory": "1", "vm.panic_on_oom": "0", "kernel.panic": "10", "kernel.panic_on_oops": "1",
		"kernel.keys.root_maxkeys": "1000000", "kernel.keys.root_maxbytes": "25000000",
	}
}

func (c *checker) sysctls() {
	const base = "spec.sysctls"
	for _, f := range c.at("spec", "sysctls").entries() {
		at := childPath(base, f.name)
		c.sysctlName(f, at)
		want, kubelets := kubeletSysctls()[f.name]
		switch v := f.value; {
		case strings.ContainsFunc(v.scalar, func(r rune) bool { return control(r) && r != '\t' }):
			c.fail(v, at, "write the value on one line", "the value holds a control character or a line break")
		case len(v.scalar) > maxSysctlBytes:
			c.fail(v, at, "", "the value has %d bytes; the kernel takes at most %d", len(v.scalar), maxSysctlBytes)
		case isBlank(v.scalar) && f.name != "kernel.core_pattern":
			c.fail(v, at, "give a value, or remove the line", "the value is empty")
		case strings.Contains(v.scalar, "${"):
			c.fail(v, at, "write the value itself: facts are for labels, annotations, taints and the node's name", "values of kernel parameters do not refer to facts")
		case kubelets && strings.TrimSpace(v.scalar) != want:
			c.fail(v, at, "write "+want+", or remove the line",
				"kubelet needs %s: it does not start with another value, and without protectKernelDefaults sets %s itself", want, want)
		}
	}
}

func (c *checker) sysctlName(f field, at string) {
	switch name := f.name; {
	case strings.HasPrefix(name, "/proc/sys/"), !strings.Contains(name, ".") && strings.Contains(name, "/"):
		name = strings.TrimPrefix(strings.TrimPrefix(name, "/proc/sys"), "/")
		c.keyFail(f, at, "write "+strings.NewReplacer("/", ".", ".", "/").Replace(name), "%s is a path, and this is the name of a kernel parameter", quoteName(f.name))
	case !sysctlForm.MatchString(name):
		c.keyFail(f, at, "write the parameter as sysctl -a prints it, as vm.max_map_count", "%s is no name of a kernel parameter", quoteName(name))
	case strings.HasPrefix(name, "vm.nr_hugepages") && len(c.at("spec", "hugePages").entries()) > 0:
		c.keyFail(f, at, "say it at spec.hugePages alone", "this sets a pool of spec.hugePages at %s a second time", c.at("spec", "hugePages").pos())
	}
}

// hugePageSizes are the sizes that kernels have on amd64, and beside those on arm64
// with pages of 4 KiB and of 64 KiB (Documentation/arch/arm64/hugetlbpage.rst).
func hugePageSizes() []string { return []string{"2Mi", "1Gi", "64Ki", "32Mi", "512Mi", "16Gi"} }

// maxHugeBytes bounds a pool: no EC2 instance has more memory than 32 TiB.
const maxHugeBytes = 32 << 40

func (c *checker) hugePages() {
	const base = "spec.hugePages"
	pools := c.at("spec", "hugePages").entries()
	for _, f := range pools {
		at := keyedPath(base, f.name)
		size, count, numa := f.value.get("size"), f.value.get("count"), f.value.get("numaNode")
		bytes := c.hugePageSize(size, at+".size")
		if c.required(f.value, at, "count", "give the number of pages") {
			i := count.integer()
			switch {
			case i == nil || *i < 0:
				c.fail(count, at+".count", "write 0 for no pages", "the number of pages is negative")
			case bytes > 0 && *i > maxHugeBytes/bytes:
				c.fail(count, at+".count", "", "%d pages of %s are more memory than any machine has", *i, size.scalar)
			}
		}
		if i := numa.integer(); i != nil && (*i < 0 || *i > 1023) { // CONFIG_NODES_SHIFT is 10 at most
			c.fail(numa, at+".numaNode", "NUMA nodes are counted from 0: numactl -H", "%d is no number of a NUMA node", *i)
		} else if spread := c.m.root.at("spec", "hugePages", size.scalar); i != nil && spread != nil {
			c.fail(numa, at+".numaNode", "give the pages of one size either for all nodes or for each node", "the pages of this size are spread over all nodes at %s, too", spread.pos())
		}
	}
}

// hugePageSize checks the size of a page and returns its bytes, 0 if it is unknown.
func (c *checker) hugePageSize(n *node, at string) int64 {
	milli, err := ParseQuantity(n.scalar)
	if err == nil && slices.Contains(hugePageSizes(), n.scalar) {
		return milli / 1000
	}
	if meant := pageSize(n.scalar); meant != n.scalar && slices.Contains(hugePageSizes(), meant) {
		c.fail(n, at, "write "+meant, "unknown size %s", quoteName(n.scalar))
		return 0
	}
	for _, s := range hugePageSizes() {
		if same, _ := ParseQuantity(s); err == nil && same == milli {
			c.fail(n, at, "write "+s, "%s is %s, and sizes are written so", quoteName(n.scalar), s)
			return 0
		}
	}
	if best := quantitySuffix(n.scalar); err != nil && slices.Contains(hugePageSizes(), strings.TrimSuffix(best, "i")+"i") {
		c.fail(n, at, "write "+strings.TrimSuffix(best, "i")+"i", "unknown size %s", quoteName(n.scalar))
		return 0
	}
	c.fail(n, at, orTemplate(n.scalar, ""), "unknown size %s; known are %s, on arm64 also %s", quoteName(n.scalar),
		strings.Join(hugePageSizes()[:2], ", "), strings.Join(hugePageSizes()[2:], ", "))
	return 0
}

// Names of modules have at most 55 characters: MODULE_NAME_LEN of the kernel.
var moduleForm = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,54}$`)

var moduleParameterForm = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

func (c *checker) kernelModules() {
	const base = "spec.kernelModules"
	seen := make(map[string]*node)
	for _, f := range c.at("spec", "kernelModules").entries() {
		at, name := keyedPath(base, f.name), f.value.get("name")
		// For the kernel - and _ are the same in names.
		canonical := strings.ReplaceAll(f.name, "-", "_")
		switch stripped := strings.TrimSuffix(f.name, ".ko"); {
		case stripped != f.name && moduleForm.MatchString(stripped):
			c.fail(name, at+".name", "write "+stripped, "modules are named without .ko")
		case !moduleForm.MatchString(f.name):
			c.fail(name, at+".name", orTemplate(f.name, "write the module as lsmod prints it, as br_netfilter"), "%s is no name of a kernel module", quoteName(f.name))
		case seen[canonical] != nil:
			c.fail(name, at+".name", "keep one of the two", "this is the same module as the one at %s", seen[canonical].pos())
		}
		seen[canonical] = name
		for _, p := range f.value.get("parameters").entries() {
			at := childPath(at+".parameters", p.name)
			if !moduleParameterForm.MatchString(p.name) {
				c.keyFail(p, at, "write the parameter as modinfo -p prints it", "%s is no name of a module's parameter", quoteName(p.name))
			}
			if strings.ContainsFunc(p.value.scalar, func(r rune) bool { return control(r) || r == '"' || r == '\\' }) {
				c.fail(p.value, at, "", "the value holds a quotation mark, a backslash, a control character or a line break")
			}
		}
	}
}

// ulimitNames are the limits of the OCI runtime specification without RLIMIT_, in
// small letters; getrlimit(2).
func ulimitNames() []string {
	return []string{
		"as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss",
		"rtprio", "rttime", "sigpending", "stack",
	}
}

const unlimited = "unlimited"

func (c *checker) ulimits() {
	const base = "spec.ulimits"
	for _, f := range c.at("spec", "ulimits").entries() {
		at := childPath(base, f.name)
		if !slices.Contains(ulimitNames(), f.name) {
			remedy := "known limits: " + strings.Join(ulimitNames(), ", ")
			bare := strings.TrimPrefix(strings.ToLower(f.name), "rlimit_")
			if best, ok := nearest(bare, ulimitNames()); ok && (best == bare || len(bare) > 2) {
				remedy = "did you mean " + best + "?"
			}
			c.keyFail(f, at, remedy, "unknown limit %s", quoteName(f.name))
		}
		soft, hard := f.value.get("soft"), f.value.get("hard")
		most, known := uint64(0), false
		if c.required(f.value, at, "hard", "give the highest value that a process may ask for, or unlimited") {
			most, known = c.limit(hard, at+".hard")
		}
		if f.name == "nofile" && known && most == math.MaxUint64 {
			c.fail(hard, at+".hard", "write a number, as 1048576", "the kernel refuses an unlimited number of open files: fs.nr_open bounds it")
		}
		if soft.empty() {
			continue
		}
		if least, ok := c.limit(soft, at+".soft"); ok && known && least > most {
			c.fail(soft, at+".soft", "write at most "+hard.scalar, "the soft limit %s is above the hard limit %s at %s", soft.scalar, hard.scalar, hard.pos())
		}
	}
}

// limit reads the value of a limit. Unlimited is the highest number, as in the
// kernel.
func (c *checker) limit(n *node, at string) (uint64, bool) {
	if n.scalar == unlimited {
		return math.MaxUint64, true
	}
	v, err := strconv.ParseUint(n.scalar, 10, 64)
	if err != nil {
		remedy := "write a whole number of at least 0, or unlimited"
		if _, big := new(big.Int).SetString(n.scalar, 10); slices.Contains([]string{"-1", "infinity", "inf", "Unlimited"}, n.scalar) || big && !strings.HasPrefix(n.scalar, "-") {
			remedy = "write unlimited"
		}
		c.fail(n, at, orTemplate(n.scalar, remedy), "%s is no limit", quoteName(n.scalar))
	}
	return v, err == nil
}

func (c *checker) swap() {
	const base = "spec.swap"
	s := c.at("spec", "swap")
	if s == nil {
		return
	}
	behavior, size, path := s.get("behavior"), s.get("size"), s.get("path")
	if behavior.text() == "UnlimitedSwap" {
		c.fail(behavior, base+".behavior", "write LimitedSwap", "kubelet no longer has UnlimitedSwap")
	} else {
		c.choice(behavior, base+".behavior", swapBehaviors())
	}
	if !path.empty() && c.absolute(path, base+".path", "write a path from the root, such as "+DefaultSwapPath) && size.empty() && !c.m.rejected[base+".size"] {
		c.warn(path, base+".path", "give size, too", "without a size no swap file is made")
	}
	if size.empty() {
		return
	}
	if under := swaplessFolder(path.text()); under != "" {
		c.fail(path, base+".path", "write a path on a disk, such as "+DefaultSwapPath, "no swap file can be kept below %s", under)
	}
	if milli, ok := c.quantity(size, base+".size"); ok {
		c.swapSize(size, base+".size", milli)
	}
	config := c.at("spec", "kubelet", "config")
	if fail := config.get("failSwapOn"); behavior.empty() && !c.m.rejected[base+".behavior"] && !(fail != nil && fail.scalar == "false") {
		c.fail(size, base+".size", "write behavior: LimitedSwap beside it, or NoSwap if pods shall not use it", "kubelet does not start with swap on unless it is told what pods may do with it")
	}
}

// swaplessFolder returns the folder of a path that is no place for a swap file:
// those that are no disk, and those whose files others make and read.
func swaplessFolder(path string) string {
	for _, folder := range []string{"/proc", "/sys", "/dev", "/run", "/boot", "/etc", "/usr"} {
		if strings.HasPrefix(path, folder+"/") {
			return folder
		}
	}
	return ""
}

// swapSize checks the size of a swap file: mkswap needs ten pages, and 1 TiB is
// more than pods may ever be limited to.
func (c *checker) swapSize(n *node, at string, milli int64) {
	switch bytes := milli / 1000; {
	case milli%1000 != 0:
		c.fail(n, at, "write a size such as 4Gi", "%s is a fraction of a byte", n.scalar)
	case bytes < 1<<20:
		remedy := "write at least 1Mi"
		if wholeForm.MatchString(n.scalar) {
			remedy = fmt.Sprintf("write %sGi if GiB are meant", n.scalar)
		}
		c.fail(n, at, remedy, "a swap file of %s bytes is too small", n.scalar)
	case bytes > 1<<40:
		c.fail(n, at, "write at most 1Ti", "a swap file of %s is too large", n.scalar)
	}
}

func (c *checker) timeSync() {
	for i, n := range c.at("spec", "timeSync", "servers").list() {
		at := itemPath("spec.timeSync.servers", i)
		const form = "write one host name or IP address an item, as 169.254.169.123"
		words := strings.Fields(n.scalar)
		switch {
		case len(words) > 1 && slices.Contains([]string{"server", "pool", "peer"}, words[0]):
			c.fail(n, at, "write "+words[1]+" alone", "%s is a line of chrony.conf", quoteName(n.scalar))
		case !timeServer(n.scalar):
			remedy := orTemplate(n.scalar, form)
			if _, host, ok := strings.Cut(n.scalar, "://"); ok && timeServer(strings.TrimSuffix(host, "/")) {
				remedy = "write " + strings.TrimSuffix(host, "/")
			} else if host, port, ok := cutLast(n.scalar, ":"); ok && wholeForm.MatchString(port) && timeServer(host) {
				remedy = "write " + host + " alone: time servers are asked on port 123"
			}
			c.fail(n, at, remedy, "%s is no host name or IP address", quoteName(n.scalar))
		}
	}
}

// timeServer reports whether a name is that of a host, RFC 1123, or an address
// that means the same on every machine.
func timeServer(s string) bool {
	if a, err := netip.ParseAddr(s); err == nil {
		return a.Zone() == "" && !a.IsUnspecified()
	}
	return validDomain(s) && !strings.Contains(s, "_") && strings.Trim(s, "0123456789.") != ""
}
