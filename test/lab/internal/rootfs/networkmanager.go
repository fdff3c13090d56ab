package rootfs

// networkManagerHooks are mmdebstrap's arguments for an image with NetworkManager in systemd-networkd's place.
func networkManagerHooks() []string {
	return []string{
		"--include=network-manager",
		"--customize-hook=chroot \"$1\" systemctl enable NetworkManager.service systemd-resolved.service",
		"--customize-hook=chroot \"$1\" systemctl disable systemd-networkd.service",
	}
}

// networkManagerFiles make it look after a box's ENIs as it does on an instance.
func networkManagerFiles() map[string]string {
	return map[string]string{
		// ENIs of boxes are of the kind veth, which the package's rule of this name leaves unmanaged but for the names
		// eth*: those, it says, are the cards of machines that are containers. In boxes such cards are called ens*.
		"etc/udev/rules.d/85-nm-unmanaged.rules": `SUBSYSTEM!="net", GOTO="nm_unmanaged_end"
ACTION!="add|change|move", GOTO="nm_unmanaged_end"
ENV{ID_NET_DRIVER}=="veth", ENV{INTERFACE}!="ens[0-9]*", ENV{NM_UNMANAGED}="1"
LABEL="nm_unmanaged_end"
`,
	}
}
