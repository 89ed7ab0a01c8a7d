package home

import (
	"io/fs"
	"path/filepath"
)

// Size is what the directory's files hold, in bytes. Files that vanish meanwhile
// do not count.
func (d Dir) Size() (bytes uint64) {
	_ = filepath.WalkDir(string(d), func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // it is gone
		}
		if info, err := e.Info(); err == nil {
			bytes += uint64(info.Size())
		}
		return nil
	})
	return bytes
}
