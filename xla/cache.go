package xla

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"

	"github.com/murmurnet/murmur/proto/atomicfile"
)

const (
	maxCacheSize    = 64 << 10 // bytes of the cache file
	maxCacheEntries = 32
)

// fileStamp identifies the contents of a plugin file as well as a stat can. The host belongs to it since a shared home
// directory may be used by processors that differ.
type fileStamp struct {
	Size  int64  `json:"size"`
	Mtime int64  `json:"mtime"` // nanoseconds
	Host  string `json:"host"`
}

// success is a plugin file that came through its probe.
type success struct {
	fileStamp
	devices
}

func cacheFile(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "probed.json")
}

// stamp is the zero value if there is no such file.
func stamp(file string) fileStamp {
	info, err := os.Stat(file)
	if err != nil {
		return fileStamp{}
	}
	host, _ := os.Hostname() // without a name, all hosts count as one
	return fileStamp{info.Size(), info.ModTime().UnixNano(), host}
}

// lookup tells whether file, as it is now, came through a probe before. A cache that cannot be read is an empty one.
func lookup(cache, file string) (devices, bool) {
	s, ok := readCache(cache)[file]
	return s.devices, ok && s.fileStamp == stamp(file) && s.Devices > 0
}

// remember adds a success. The cache only saves time, so a directory that cannot be written to is no error.
func remember(cache, file string, st fileStamp, dev devices) {
	if cache == "" || st == (fileStamp{}) {
		return
	}
	all := map[string]success{}
	for name, s := range readCache(cache) {
		if len(all) < maxCacheEntries-1 && stamp(name) == s.fileStamp {
			all[name] = s
		}
	}
	all[file] = success{st, dev}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil || os.MkdirAll(filepath.Dir(cache), 0o700) != nil {
		return
	}
	_ = atomicfile.Write(cache, text, 0o600)
}

func readCache(cache string) map[string]success {
	f, err := os.Open(cache)
	if err != nil {
		return nil
	}
	defer f.Close()
	var all map[string]success
	if json.NewDecoder(io.LimitReader(f, maxCacheSize)).Decode(&all) != nil {
		return nil
	}
	return all
}
