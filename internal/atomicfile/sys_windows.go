package atomicfile

import (
	"errors"
	"os"
)

var errLocked = errors.New("locked")

// openFilesStay: the system refuses to remove a file that somebody has open, as its
// writer has, so a sweeper needs no lock to spare it, and must not open it itself.
const openFilesStay = true

// lock succeeds: Windows does not remove files that are open, so a sweeper
// cannot take a file whose writer lives.
func lock(*os.File) error { return nil }

func linked(*os.File) bool { return true }

func openForLock(path string) (*os.File, error) { return os.Open(path) }

// chown does nothing: owners on Windows are no numbers.
func chown(string, Attr) error { return nil }

// syncDir does nothing: Windows has no handle to sync a directory through;
// NTFS journals names.
func syncDir(string) error { return nil }
