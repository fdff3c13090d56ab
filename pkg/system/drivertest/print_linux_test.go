package drivertest_test

import (
	"fmt"
	"io/fs"
	"syscall"
)

func identity(fi fs.FileInfo) string {
	st := fi.Sys().(*syscall.Stat_t)
	return fmt.Sprintf(" inode %d changed %d.%09d owner %d:%d", st.Ino, st.Ctim.Sec, st.Ctim.Nsec, st.Uid, st.Gid)
}
