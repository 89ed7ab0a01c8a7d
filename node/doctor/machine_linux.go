package doctor

import (
	"syscall"
)

// File systems, by the kernel's numbers, that do not keep what murmur trusts a disk to keep.
var poor = map[int64]string{
	0x6969:     "a network file system (NFS)",
	0xff534d42: "a network file system (SMB)",
	0xfe534d42: "a network file system (SMB)",
	0x01021994: "memory (tmpfs), which is empty after the next start of this machine",
	0x4d44:     "a file system without file modes (FAT)",
}

func disk(dir string) Disk {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return Disk{}
	}
	return Disk{Free: st.Bavail * uint64(st.Bsize), Kind: poor[int64(uint32(st.Type))], Known: true}
}

// clock asks the kernel whether somebody keeps its clock right.
func clock() Clock {
	const unsynchronised = 0x40 // STA_UNSYNC
	var t syscall.Timex
	if _, err := syscall.Adjtimex(&t); err != nil {
		return ClockUnknown
	}
	if t.Status&unsynchronised != 0 {
		return ClockFree
	}
	return ClockSteered
}
