package doctor

import "syscall"

func disk(dir string) Disk {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return Disk{}
	}
	return Disk{Free: st.Bavail * uint64(st.Bsize), Known: true}
}

func clock() Clock { return ClockUnknown }
