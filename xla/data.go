package xla

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// DataDir is murmur's directory in the user's data directory: MURMUR_DATA if set, else the platform's place
// (XDG_DATA_HOME/murmur or ~/.local/share/murmur on Linux). It need not exist.
func DataDir() (string, error) {
	if dir := os.Getenv("MURMUR_DATA"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "murmur"), nil
	}
	if dir := os.Getenv("LOCALAPPDATA"); runtime.GOOS == "windows" && dir != "" {
		return filepath.Join(dir, "murmur"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("this account has no home directory: set MURMUR_DATA to the directory that shall hold murmur's data")
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "murmur"), nil
	}
	return filepath.Join(home, ".local", "share", "murmur"), nil
}

// pluginDir is where plugins are installed: dir if set, else "xla" in DataDir.
func pluginDir(dir string) (string, error) {
	if dir != "" {
		return filepath.Abs(dir)
	}
	data, err := DataDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(data, "xla"), nil
}

// dir is p's plugin directory; "" if there is none, which leaves the system's.
func (p Params) dir() string {
	dir, err := pluginDir(p.Dir)
	if err != nil {
		return ""
	}
	return dir
}
