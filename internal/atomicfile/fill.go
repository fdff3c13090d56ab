package atomicfile

import (
	"os"
	"path/filepath"
)

// Fill is Write for content that is not in memory: fill writes it into the file
// that is then given the name path. The file is empty, open for reading and
// writing, and of mode 0600 until fill has returned; its name is a temporary one.
// When fill fails the file goes away, and path is as it was.
func Fill(path string, a Attr, fill func(f *os.File) error) error {
	dir := filepath.Dir(path)
	if err := prepare(dir, false); err != nil {
		return failure("write", path, err)
	}
	f, err := create(dir)
	if err != nil {
		return failure("write", path, err)
	}
	if err = fill(f); err == nil {
		err = finish(f, path, nil, a)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name()) // the sweep of a later write gets it otherwise
		return failure("write", path, err)
	}
	if a.Lazy {
		return nil
	}
	return failure("write", path, syncDir(dir))
}
