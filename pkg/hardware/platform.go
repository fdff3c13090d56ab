package hardware

import (
	"io/fs"
	"slices"
	"strings"
)

// Names of platforms.
const (
	EC2Nitro        = "ec2-nitro"
	EC2Metal        = "ec2-metal"
	EC2Xen          = "ec2-xen"
	VMware          = "vmware"
	Nutanix         = "nutanix"
	HyperV          = "hyperv"
	Azure           = "azure"
	GCE             = "gce"
	OpenStack       = "openstack"
	CloudStack      = "cloudstack"
	KVM             = "kvm"
	XenGuest        = "xen"
	WSL             = "wsl"
	OtherVM         = "other-vm"
	BareMetal       = "bare-metal"
	UnknownPlatform = "unknown"
)

// Confidence is how sure a platform is.
type Confidence string

// The degrees of confidence.
const (
	// Certain: two things that are independent say so and nothing says otherwise.
	Certain Confidence = "certain"
	// Likely: one thing says so.
	Likely Confidence = "likely"
	// Guess: nothing says so, and nothing says otherwise; or what there is disagrees.
	Guess Confidence = "guess"
)

// Platform is what a machine is, as far as it can be told without a network.
type Platform struct {
	// Name is one of the constants; empty when nobody looked.
	Name string `json:"name"`
	// Virtual is whether it is a virtual machine: yes, no, or empty when not known.
	Virtual    string     `json:"virtual,omitempty"`
	Confidence Confidence `json:"confidence"`
	// Why are the things that were seen, one a sentence part.
	Why []string `json:"why"`
	// InstanceType and InstanceID are what EC2's firmware says; both are there on
	// Nitro and metal only.
	InstanceType string `json:"instanceType,omitempty"`
	InstanceID   string `json:"instanceId,omitempty"`
	// Open is what cannot be told here, and what can tell it; empty on most.
	Open string `json:"open,omitempty"`
}

// OnEC2 reports whether the firmware is that of an EC2 instance.
func (p Platform) OnEC2() bool { return p.Name == EC2Nitro || p.Name == EC2Metal || p.Name == EC2Xen }

// openOnEC2: no difference of firmware between these places is known.
const openOnEC2 = "whether this is in a Region, in a Local Zone, in a Wavelength Zone or on an Outpost: " +
	"instance metadata says (placement/availability-zone, outpost-arn)"

// evidence collects reasons for one platform.
type evidence struct {
	f   Facts
	why []string
}

// saw notes a reason when it holds, and returns whether it does.
func (e *evidence) saw(holds bool, why string) bool {
	if holds {
		e.why = append(e.why, why)
	}
	return holds
}

// PlatformOf makes a platform of what was seen. It reads DMI, Hypervisor,
// CPU.Features and OS.KernelRelease of the facts, and wants nothing of them: where
// nothing was seen it is unknown.
func PlatformOf(f Facts) Platform {
	e := &evidence{f: f}
	for _, test := range []func(*evidence) (Platform, bool){onEC2, onEC2Xen, onKnownHypervisor, onBareMetal, onSomeHypervisor} {
		e.why = nil
		if p, ok := test(e); ok {
			p.Why = e.why
			return p
		}
	}
	return Platform{Name: UnknownPlatform, Confidence: Guess, Why: []string{"neither firmware nor processor tells"}}
}

func lookAtPlatform(_ fs.FS, f *Facts) []Problem {
	f.Platform = PlatformOf(*f)
	return nil
}

// onEC2 knows Nitro and metal instances by SMBIOS, which AWS documents for "Identify
// EC2 instances": the vendor, and a UUID that begins with ec2, also with the bytes
// of its first fields swapped.
func onEC2(e *evidence) (Platform, bool) {
	d := e.f.DMI
	if !e.saw(strings.EqualFold(d.SysVendor, "Amazon EC2"), "system vendor is Amazon EC2") {
		return Platform{}, false
	}
	p := Platform{Name: EC2Nitro, Virtual: "yes", Confidence: Likely, Open: openOnEC2}
	if e.saw(isInstanceID(d.BoardAssetTag), "board asset tag is an instance id") {
		p.InstanceID, p.Confidence = d.BoardAssetTag, Certain
	}
	if e.saw(isEC2UUID(d.ProductUUID), "product UUID begins with ec2") {
		p.Confidence = Certain
	}
	if e.saw(isInstanceType(d.ProductName), "product name is an instance type") {
		p.InstanceType = d.ProductName
	}
	metal := isMetal(d.ProductName)
	switch {
	case metal:
		e.saw(true, "the instance type is a metal one")
	case d.Virtual == "no" && !e.f.hypervisorFlag():
		metal = e.saw(true, "the firmware says that it is no virtual machine's")
	}
	if metal {
		p.Name, p.Virtual = EC2Metal, "no"
		if e.saw(e.f.hypervisorFlag(), "but the processor says that a hypervisor is there") {
			p.Confidence = Guess
		}
	}
	return p, true
}

// onEC2Xen knows the older instances by Xen's folder and by the version of its BIOS,
// which ends in .amazon.
func onEC2Xen(e *evidence) (Platform, bool) {
	h, d := e.f.Hypervisor, e.f.DMI
	uuid := h.UUID
	if uuid == "" {
		uuid = d.ProductUUID
	}
	xen := h.Kind == "xen" || strings.EqualFold(d.SysVendor, "Xen")
	built := strings.HasSuffix(h.Version, ".amazon") || strings.HasSuffix(d.BIOSVersion, ".amazon") || strings.HasSuffix(d.BIOSVendor, ".amazon")
	ec2 := isEC2UUID(uuid)
	if !xen || !built && !ec2 {
		return Platform{}, false
	}
	e.saw(true, "the hypervisor is Xen")
	e.saw(built, "Xen was built by Amazon")
	e.saw(ec2, "the guest's UUID begins with ec2")
	p := Platform{Name: EC2Xen, Virtual: "yes", Confidence: Likely, Open: openOnEC2}
	if built && ec2 {
		p.Confidence = Certain
	}
	return p, true
}

// sign is how a hypervisor or a cloud shows itself in DMI. Fields that are empty are
// not looked at; the others are beginnings, in any case.
type sign struct {
	name                           string
	vendor, product, bios, chassis string
}

// signs are in the order in which they are tried: clouds before the hypervisors that
// they use.
func signs() []sign {
	return []sign{
		{name: GCE, product: "Google Compute Engine"},
		{name: Azure, vendor: "Microsoft Corporation", chassis: "7783-7084-3265-9085-8269-3286-77"},
		{name: HyperV, vendor: "Microsoft Corporation", product: "Virtual Machine"},
		{name: VMware, vendor: "VMware"},
		{name: VMware, product: "VMware"},
		{name: Nutanix, vendor: "Nutanix", product: "AHV"},
		{name: OpenStack, product: "OpenStack Nova"},
		{name: OpenStack, product: "OpenStack Compute"},
		{name: OpenStack, vendor: "OpenStack Foundation"},
		{name: CloudStack, product: "CloudStack"},
		{name: CloudStack, vendor: "Apache Software Foundation"},
		{name: OtherVM, vendor: "DigitalOcean"},
		{name: OtherVM, vendor: "Alibaba Cloud"},
		{name: OtherVM, vendor: "Hetzner", product: "vServer"},
		{name: OtherVM, vendor: "innotek GmbH", product: "VirtualBox"},
		{name: OtherVM, vendor: "Oracle", product: "VirtualBox"},
		{name: OtherVM, vendor: "Parallels"},
		{name: OtherVM, vendor: "BHYVE"},
		{name: OtherVM, vendor: "Apple Inc.", product: "Apple Virtualization"},
		{name: KVM, product: "KubeVirt"},
		{name: KVM, vendor: "oVirt"},
		{name: KVM, vendor: "Red Hat", product: "KVM"},
		{name: KVM, vendor: "QEMU"},
		{name: KVM, product: "KVM"},
		{name: XenGuest, vendor: "Xen"},
		{name: KVM, bios: "SeaBIOS"},
	}
}

// onKnownHypervisor knows the others by their DMI, and WSL, which has none, by its
// kernel.
func onKnownHypervisor(e *evidence) (Platform, bool) {
	if e.saw(strings.Contains(strings.ToLower(e.f.OS.KernelRelease), "microsoft-standard"), "the kernel is that of the Windows Subsystem for Linux") {
		return Platform{Name: WSL, Virtual: "yes", Confidence: Likely}, true
	}
	d := e.f.DMI
	for _, s := range signs() {
		if !begins(d.SysVendor, s.vendor) || !begins(d.ProductName, s.product) || !begins(d.BIOSVendor, s.bios) || !begins(d.ChassisAssetTag, s.chassis) {
			continue
		}
		e.saw(s.vendor != "", "system vendor is "+d.SysVendor)
		e.saw(s.product != "", "product name is "+d.ProductName)
		e.saw(s.bios != "", "BIOS vendor is "+d.BIOSVendor)
		e.saw(s.chassis != "", "chassis asset tag is that of "+s.name)
		p := Platform{Name: s.name, Virtual: "yes", Confidence: Likely}
		flag := e.saw(e.f.hypervisorFlag(), "the processor says that a hypervisor is there")
		bit := e.saw(d.Virtual == "yes", "the firmware says that it is a virtual machine's")
		if flag || bit || e.saw(e.f.Hypervisor.Kind != "", "the hypervisor says that it is "+e.f.Hypervisor.Kind) {
			p.Confidence = Certain
		}
		return p, true
	}
	return Platform{}, false
}

// begins reports whether s begins with prefix in any case.
func begins(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// makers are of servers, as their firmware writes them, by their beginnings.
func makers() []string {
	return []string{
		"Dell", "HPE", "HP", "Hewlett", "Lenovo", "IBM", "Supermicro", "Super Micro", "Cisco", "Fujitsu", "Huawei", "xFusion", "Inspur", "IEIT", "Quanta", "QCT",
		"Wiwynn", "ZT Systems", "Foxconn", "Gigabyte", "ASUS", "ASRock", "Intel", "NVIDIA", "Nutanix", "Oracle", "Sun Microsystems", "Hitachi", "NEC", "Ampere", "Tyan", "MiTAC",
		"Hetzner", "Advantech", "Axiomtek", "Kontron", "Siemens", "Apple", "Raspberry",
	}
}

// onBareMetal knows a server by its maker, or by its firmware, when nothing says that
// a hypervisor is there.
func onBareMetal(e *evidence) (Platform, bool) {
	d := e.f.DMI
	if e.f.hypervisorFlag() || d.Virtual == "yes" || e.f.Hypervisor.Kind != "" {
		return Platform{}, false
	}
	made := e.saw(slices.ContainsFunc(makers(), func(m string) bool { return begins(d.SysVendor, m) }), "system vendor "+d.SysVendor+" makes servers")
	// On x86 every hypervisor that is used for nodes sets the processor's feature;
	// on Arm there is none to set.
	bare := e.saw(e.f.CPU.Architecture == "amd64" && len(e.f.CPU.Features) > 0, "the processor says that no hypervisor is there")
	bit := e.saw(d.Virtual == "no", "the firmware says that it is no virtual machine's")
	switch {
	case made && (bare || bit):
		return Platform{Name: BareMetal, Virtual: "no", Confidence: Certain}, true
	case made, bare, bit && d.SysVendor != "":
		return Platform{Name: BareMetal, Virtual: "no", Confidence: Likely}, true
	}
	return Platform{}, false
}

// onSomeHypervisor knows a virtual machine of a hypervisor that does not say which.
func onSomeHypervisor(e *evidence) (Platform, bool) {
	p := Platform{Name: OtherVM, Virtual: "yes", Confidence: Likely}
	flag := e.saw(e.f.hypervisorFlag(), "the processor says that a hypervisor is there")
	bit := e.saw(e.f.DMI.Virtual == "yes", "the firmware says that it is a virtual machine's")
	switch kind := e.f.Hypervisor.Kind; {
	case e.saw(kind == "xen", "the hypervisor says that it is xen"):
		p.Name = XenGuest
	case e.saw(kind == "kvm", "the hypervisor says that it is kvm"), e.saw(strings.Contains(kind, "kvm"), "the device tree says "+kind):
		p.Name = KVM
	case e.saw(slices.Contains(e.f.Clock.Available, "kvm-clock"), "the kernel has KVM's clock"):
		p.Name = KVM
	case !flag && !bit:
		return p, false
	}
	return p, true
}

// hypervisorFlag is bit 31 of CPUID leaf 1's ECX, which hypervisors set.
func (f Facts) hypervisorFlag() bool { return slices.Contains(f.CPU.Features, "hypervisor") }

// isEC2UUID reports whether a UUID begins with ec2, or does when the bytes of its
// first field are swapped: EC2 writes 45e12aec-dcd1-... for ec2ae145-d1dc-....
func isEC2UUID(s string) bool {
	s = strings.ToLower(s)
	return len(s) == 36 && (strings.HasPrefix(s, "ec2") || s[4] == '2' && s[6:8] == "ec")
}

// isInstanceID reports whether s is i- and 8 or 17 hexadecimal digits.
func isInstanceID(s string) bool {
	digits, ok := strings.CutPrefix(s, "i-")
	return ok && (len(digits) == 8 || len(digits) == 17) && strings.Trim(digits, "0123456789abcdef") == ""
}

// isInstanceType reports whether s has the form of one: a family, a dot, a size, of
// small letters, digits and dashes.
func isInstanceType(s string) bool {
	family, size, ok := strings.Cut(s, ".")
	return ok && family != "" && size != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && strings.Count(s, ".") == 1
}

// isMetal reports whether an instance type is a metal one: m5.metal, c7g.metal,
// m7i.metal-24xl.
func isMetal(instanceType string) bool {
	_, size, _ := strings.Cut(instanceType, ".")
	return size == "metal" || strings.HasPrefix(size, "metal-")
}
