package hardware

import (
	"strings"
	"testing"
)

func TestPlatformsAreToldByWhatIsThere(t *testing.T) {
	flag := CPU{Architecture: "amd64", Features: []string{"hypervisor"}}
	bare := CPU{Architecture: "amd64", Features: []string{"avx2"}}
	for name, row := range map[string]struct {
		f                     Facts
		want                  string
		confidence            Confidence
		virtual, instanceType string
	}{
		"Nitro": {Facts{CPU: flag, DMI: DMI{SysVendor: "Amazon EC2", ProductName: "m5.large", BoardAssetTag: "i-0123456789abcdef0"}}, EC2Nitro, Certain, "yes", "m5.large"},
		"Nitro in small letters, with the vendor alone": {Facts{DMI: DMI{SysVendor: "amazon ec2"}}, EC2Nitro, Likely, "yes", ""},
		"Nitro with a swapped UUID":                     {Facts{DMI: DMI{SysVendor: "Amazon EC2", ProductUUID: "45E12AEC-DCD1-B213-94ED-01234567890A"}}, EC2Nitro, Certain, "yes", ""},
		"an old instance id":                            {Facts{DMI: DMI{SysVendor: "Amazon EC2", BoardAssetTag: "i-01234567"}}, EC2Nitro, Certain, "yes", ""},
		"metal by its type":                             {Facts{CPU: bare, DMI: DMI{SysVendor: "Amazon EC2", ProductName: "m5.metal", BoardAssetTag: "i-01234567"}}, EC2Metal, Certain, "no", "m5.metal"},
		"metal by the size behind it":                   {Facts{DMI: DMI{SysVendor: "Amazon EC2", ProductName: "m7i.metal-24xl"}}, EC2Metal, Likely, "no", "m7i.metal-24xl"},
		"metal by its firmware":                         {Facts{DMI: DMI{SysVendor: "Amazon EC2", ProductName: "x.y", Virtual: "no"}}, EC2Metal, Likely, "no", "x.y"},
		"a type that says metal on a hypervisor":        {Facts{CPU: flag, DMI: DMI{SysVendor: "Amazon EC2", ProductName: "m5.metal"}}, EC2Metal, Guess, "no", "m5.metal"},
		"no VM bit, but a hypervisor":                   {Facts{CPU: flag, DMI: DMI{SysVendor: "Amazon EC2", ProductName: "m5.large", Virtual: "no"}}, EC2Nitro, Likely, "yes", "m5.large"},
		"a product that is no type":                     {Facts{DMI: DMI{SysVendor: "Amazon EC2", ProductName: "Not Specified"}}, EC2Nitro, Likely, "yes", ""},
		"t2":                                            {Facts{CPU: flag, Hypervisor: Hypervisor{Kind: "xen", UUID: "ec2e1916-9099-7caf-fd21-012345abcdef", Version: "4.11.amazon"}}, EC2Xen, Certain, "yes", ""},
		"t2 without Xen's folder, as root":              {Facts{DMI: DMI{SysVendor: "Xen", BIOSVersion: "4.11.amazon", ProductUUID: "ec2e1916-9099-7caf-fd21-012345abcdef"}}, EC2Xen, Certain, "yes", ""},
		"t2 without Xen's folder, not as root":          {Facts{DMI: DMI{SysVendor: "Xen", BIOSVersion: "4.2.amazon"}}, EC2Xen, Likely, "yes", ""},
		"Xen of somebody else":                          {Facts{CPU: flag, DMI: DMI{SysVendor: "Xen", BIOSVersion: "4.13"}, Hypervisor: Hypervisor{Kind: "xen", UUID: "11111111-2222-3333-4444-555555555555", Version: "4.13"}}, XenGuest, Certain, "yes", ""},
		"VMware":                                        {Facts{DMI: DMI{SysVendor: "VMware, Inc.", ProductName: "VMware7,1"}}, VMware, Likely, "yes", ""},
		"Nutanix":                                       {Facts{CPU: flag, DMI: DMI{SysVendor: "Nutanix", ProductName: "AHV", BIOSVendor: "SeaBIOS"}}, Nutanix, Certain, "yes", ""},
		"hardware of Nutanix without AHV":               {Facts{CPU: bare, DMI: DMI{SysVendor: "Nutanix", ProductName: "NX-3060-G7"}}, BareMetal, Certain, "no", ""},
		"Azure":                                         {Facts{DMI: DMI{SysVendor: "Microsoft Corporation", ProductName: "Virtual Machine", ChassisAssetTag: "7783-7084-3265-9085-8269-3286-77"}}, Azure, Likely, "yes", ""},
		"Hyper-V":                                       {Facts{CPU: flag, DMI: DMI{SysVendor: "Microsoft Corporation", ProductName: "Virtual Machine"}}, HyperV, Certain, "yes", ""},
		"a Surface":                                     {Facts{CPU: bare, DMI: DMI{SysVendor: "Microsoft Corporation", ProductName: "Surface Laptop"}}, BareMetal, Likely, "no", ""},
		"GCE":                                           {Facts{DMI: DMI{SysVendor: "Google", ProductName: "Google Compute Engine"}}, GCE, Likely, "yes", ""},
		"OpenStack":                                     {Facts{DMI: DMI{SysVendor: "Red Hat", ProductName: "OpenStack Compute"}}, OpenStack, Likely, "yes", ""},
		"CloudStack":                                    {Facts{DMI: DMI{SysVendor: "Apache Software Foundation", ProductName: "CloudStack KVM Hypervisor"}}, CloudStack, Likely, "yes", ""},
		"QEMU":                                          {Facts{DMI: DMI{SysVendor: "QEMU", ProductName: "Standard PC (Q35 + ICH9, 2009)"}}, KVM, Likely, "yes", ""},
		"a machine that boots with SeaBIOS":             {Facts{CPU: flag, DMI: DMI{BIOSVendor: "SeaBIOS"}}, KVM, Certain, "yes", ""},
		"VirtualBox":                                    {Facts{DMI: DMI{SysVendor: "innotek GmbH", ProductName: "VirtualBox"}}, OtherVM, Likely, "yes", ""},
		"WSL":                                           {Facts{CPU: flag, OS: OS{KernelRelease: "5.15.167.4-microsoft-standard-WSL2"}}, WSL, Likely, "yes", ""},
		"a kernel of Azure is no WSL":                   {Facts{CPU: bare, OS: OS{KernelRelease: "6.8.0-1018-azure"}}, BareMetal, Likely, "no", ""},
		"Dell":                                          {Facts{CPU: bare, DMI: DMI{SysVendor: "Dell Inc.", ProductName: "PowerEdge R760"}}, BareMetal, Certain, "no", ""},
		"Dell's strings shown to a guest":               {Facts{CPU: flag, DMI: DMI{SysVendor: "Dell Inc.", ProductName: "PowerEdge R760"}}, OtherVM, Likely, "yes", ""},
		"an Arm server of a known maker":                {Facts{CPU: CPU{Architecture: "arm64", Features: []string{"sve"}}, DMI: DMI{SysVendor: "Ampere(TM)"}}, BareMetal, Likely, "no", ""},
		"an Arm machine that says nothing":              {Facts{CPU: CPU{Architecture: "arm64", Features: []string{"sve"}}}, UnknownPlatform, Guess, "", ""},
		"an Arm guest with a device tree":               {Facts{Hypervisor: Hypervisor{Kind: "linux,kvm"}}, KVM, Likely, "yes", ""},
		"a guest that says nothing more":                {Facts{CPU: flag}, OtherVM, Likely, "yes", ""},
		"a guest with KVM's clock":                      {Facts{CPU: flag, Clock: Clock{Available: []string{"tsc", "kvm-clock"}}}, KVM, Likely, "yes", ""},
		"nothing was seen":                              {Facts{}, UnknownPlatform, Guess, "", ""},
	} {
		p := PlatformOf(row.f)
		if p.Name != row.want || p.Confidence != row.confidence || p.Virtual != row.virtual || p.InstanceType != row.instanceType || len(p.Why) == 0 {
			t.Errorf("%s: got %+v", name, p)
		}
		if onEC2 := strings.HasPrefix(p.Name, "ec2-"); onEC2 != (p.Open != "") {
			t.Errorf("%s: open is %q", name, p.Open)
		}
	}
}

func TestInstanceTypesAndIDsHaveTheirForms(t *testing.T) {
	for s, want := range map[string]bool{"m5.large": true, "u-24tb1.metal": true, "p6-b200.48xlarge": true, "m7i.metal-24xl": true, "": false, "m5": false, ".large": false, "m5.": false, "M5.large": false, "a.b.c": false, "HVM domU": false} {
		if isInstanceType(s) != want {
			t.Errorf("%q: got %v", s, !want)
		}
	}
	for s, want := range map[string]bool{"i-01234567": true, "i-0123456789abcdef0": true, "i-0123": false, "i-0123456G": false, "": false, "mi-01234567": false} {
		if isInstanceID(s) != want {
			t.Errorf("%q: got %v", s, !want)
		}
	}
}
