// Package swapfile is the driver of swap files, on Linux.
//
// A swap file of the agent's is known by the label in its header (eksnode), which
// the driver writes. Any other file at the path is somebody else's: it is never
// overwritten, swapped to or removed, and the wish for a swap file there is
// refused before anything is done.
//
// The kernel swaps to the blocks below a file, so the file must have all of them
// and keep them where they are. On ext4 and XFS they are allocated without being
// written, where the kernel in use agrees; elsewhere zeros are written. File
// systems that move blocks or have none (btrfs, ZFS, overlayfs, tmpfs, NFS) are
// refused.
//
// After a reboot the file is there and not in use; the agent turns it on again,
// before kubelet starts.
package swapfile
