package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
)

// VersionCmd prints what this program is.
type VersionCmd struct {
	JSON bool `help:"Print one JSON object."`
}

// Run prints one line.
func (c *VersionCmd) Run() error { return printed(c.JSON, line{thisBuild().String(), thisBuild()}) }

// build is what a program was made from.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func thisBuild() build {
	p := build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				p.Commit = s.Value
			}
		}
	}
	return p
}

func (p build) String() string {
	return fmt.Sprintf("murmur %s (%s, %s, %s/%s)", p.Version, cmp.Or(p.Commit, "unknown commit"), p.Go, p.OS, p.Arch)
}
