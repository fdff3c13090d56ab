package drivertest_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// printTree tells everything about a tree that a write changes, inode and
// change time included.
func printTree(dir string) (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := os.Lstat(p)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %s %d %s%s", strings.TrimPrefix(p, dir), fi.Mode(), fi.Size(), fi.ModTime(), identity(fi))
		switch fi.Mode().Type() {
		case 0:
			content, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %q", content)
		case fs.ModeSymlink:
			target, err := os.Readlink(p)
			if err != nil {
				return err
			}
			b.WriteString(" -> " + target)
		}
		b.WriteByte('\n')
		return nil
	})
	return b.String(), err
}
