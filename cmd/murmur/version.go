package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// VersionCmd prints what this program is.
type VersionCmd struct{}

// Run prints one line.
func (c *VersionCmd) Run() error {
	fmt.Println(versionLine())
	return nil
}

func versionLine() string {
	commit := "unknown commit"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	return fmt.Sprintf("murmur %s (%s, %s, %s/%s)", version, commit, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
