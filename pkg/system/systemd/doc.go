// Package systemd is the driver of services on machines with systemd. It
// speaks to systemd over D-Bus and never executes systemctl; only the journal,
// whose library needs cgo, is read by way of journalctl.
//
// # What counts as running
//
// A unit runs while its ActiveState is active, reloading or refreshing. One
// that is activating does not run yet: a start that someone else began may
// still be reading old files, and one that waits for its automatic restart has
// just died. Starting such a unit is done by a restart, so that it begins anew
// with what is on disk. A unit that is deactivating does not run any more.
//
// # The debt of a restart
//
// Owe drops a file into the run directory, which is empty after a boot, and
// only a start or restart that succeeded takes it away. While the file is
// there and the unit runs, it is not Current. A unit that does not run is
// current whatever the file says, since it will read everything when it starts.
//
// # Enabling
//
// That a unit starts at boot is looked at only when it is wanted, with one
// exception: what this driver has enabled, it remembers in the state directory
// until it has disabled it again. Such a unit is seen as enabled also when
// nobody wants that any more, so that a plan can undo it.
package systemd
