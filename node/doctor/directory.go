package doctor

import (
	"errors"
	"io/fs"
	"runtime"

	"github.com/murmurnet/murmur/node/fits"
)

// directory is about what lies on the disk.
func (f Facts) directory() []Finding {
	switch {
	case f.Dir == "":
		return []Finding{problem("directory", "murmur init, or murmur join LINK", "%v", f.DirErr)}
	case errors.Is(f.DirErr, fs.ErrPermission):
		return []Finding{problem("directory", "run this as the account that it belongs to, as in: sudo -u murmur", "this account may not use %s: %v", f.Dir, f.DirErr)}
	case f.DirErr != nil:
		return []Finding{problem("directory", "see to the disk, or give another directory with --dir", "%s cannot be used: %v", f.Dir, f.DirErr)}
	case f.VersionErr != nil:
		return []Finding{problem("directory", "install the newest murmur", "%v", f.VersionErr)}
	}
	return append([]Finding{f.disk(), f.swarm(), f.secrets()}, f.settings())
}

func (f Facts) disk() Finding {
	need := 4 * diskVectors * f.Params
	switch d := f.Disk; {
	case !d.Known:
		return ok("disk", "%s can be written to", f.Dir)
	case d.Free < need:
		return problem("disk", "make room, or move the directory (docs/operate/upgrade.md)", "%s are left where %s lies, and a round may write %s", fits.Size(d.Free), f.Dir, fits.Size(need))
	case d.Kind != "":
		return warning("disk", "move the directory to a disk of this machine (docs/operate/upgrade.md)", "%s lies on %s", f.Dir, d.Kind)
	case d.Free < leastFree:
		return warning("disk", "make room", "%s are left where %s lies", fits.Size(d.Free), f.Dir)
	default:
		return ok("disk", "%s can be written to, %s are left", f.Dir, fits.Size(d.Free))
	}
}

func (f Facts) swarm() Finding {
	switch {
	case f.ManifestErr != nil:
		return problem("swarm", "what the sentence says; or leave the swarm and join it again", "%v", f.ManifestErr)
	case f.Swarm == "":
		return ok("swarm", "its description is not here yet: a peer gives it")
	}
	return ok("swarm", "%s, %s parameters", f.Swarm, fits.Count(f.Params))
}

func (f Facts) secrets() Finding {
	for _, s := range f.Secrets {
		if s.Err != nil {
			return problem("identity", "restore it from a backup; without one remove it, and this node is a new peer", "%v", s.Err)
		}
		if s.Mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
			return warning("identity", "chmod 600 "+s.Name+" in the swarm's directory", "other accounts of this machine may read %s", s.Name)
		}
	}
	return ok("identity", "the node's key is readable for this account alone")
}

func (f Facts) settings() Finding {
	if len(f.Settings) > 0 {
		return problem("settings", "what the sentence says", "%v", errors.Join(f.Settings...))
	}
	return ok("settings", "pauses, hours and limits can be read")
}
