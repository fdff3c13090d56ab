package node

// Network is what the machine image brings that has a say in the machine's network.
// What the agent has made itself does not count.
type Network struct {
	// Networkd: systemd-networkd is installed. NetworkdRuns: it has run since boot.
	Networkd     bool `json:"networkd,omitempty"`
	NetworkdRuns bool `json:"networkdRuns,omitempty"`
	// ForeignRoutesKept: its configuration leaves routes and rules alone that others
	// have made (ManageForeignRoutes, ManageForeignRoutingPolicyRules).
	ForeignRoutesKept bool `json:"foreignRoutesKept,omitempty"`
	// PodLinksUnmanaged: it has a file by which it leaves the links of pods alone.
	PodLinksUnmanaged bool `json:"podLinksUnmanaged,omitempty"`
	// MACAddressesChanged: udev gives virtual links another MAC address than they come
	// with (MACAddressPolicy of systemd's file for all links).
	MACAddressesChanged bool `json:"macAddressesChanged,omitempty"`
	// NetUtilsRule: the udev rule of amazon-ec2-net-utils is in force; NetUtilsUnits
	// are its units.
	NetUtilsRule  bool     `json:"netUtilsRule,omitempty"`
	NetUtilsUnits []string `json:"netUtilsUnits,omitempty"`
	// NetworkManager is installed; NetworkManagerRuns: it has run since boot.
	NetworkManager     bool `json:"networkManager,omitempty"`
	NetworkManagerRuns bool `json:"networkManagerRuns,omitempty"`
	// NMCloudSetup are the units of nm-cloud-setup.
	NMCloudSetup []string `json:"nmCloudSetup,omitempty"`
	// BPFUnmounted: nothing is mounted at /sys/fs/bpf.
	BPFUnmounted bool `json:"bpfUnmounted,omitempty"`
	// BridgeModuleOurs: the agent has loaded br_netfilter, see Present.BridgeNetfilter.
	BridgeModuleOurs bool `json:"bridgeModuleOurs,omitempty"`
	// ForwardUnset: the image has a kubelet unit, and neither it nor a drop-in of it
	// says anything of the firewall's chain FORWARD.
	ForwardUnset bool `json:"forwardUnset,omitempty"`
	// CNIConfigs are the names of the files in Layout.CNIConfigDir that a container
	// runtime would read.
	CNIConfigs []string `json:"cniConfigs,omitempty"`
	// ENILinks are the kernel's names of the links that are network interfaces of EC2.
	ENILinks []string `json:"eniLinks,omitempty"`
	// PluginENIs are the network interfaces of the instance that the network plugin has
	// attached; looked for where NetworkManager is installed.
	PluginENIs []PluginENI `json:"pluginENIs,omitempty"`
	// Primary is the link with the instance's own MAC address, and PrimaryMTU its MTU.
	// Empty and 0 when it could not be told.
	Primary    string `json:"primary,omitempty"`
	PrimaryMTU int    `json:"primaryMTU,omitempty"`
}

// PluginENI is a network interface of EC2 that belongs to the network plugin.
type PluginENI struct {
	// Link is the kernel's name for it.
	Link string `json:"link"`
	// MAC is in lower case with colons.
	MAC string `json:"mac"`
	// MACIsCurrent says that the link has no permanent address, as virtual ones have none.
	MACIsCurrent bool `json:"macIsCurrent,omitempty"`
}
