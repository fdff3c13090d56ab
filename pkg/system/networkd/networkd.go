package networkd

// Link is a network interface as systemd-networkd sees it.
type Link struct {
	Name string
	// Admin is its AdministrativeState: pending, initialized, configuring, configured,
	// unmanaged, failed, linger.
	Admin string
}
