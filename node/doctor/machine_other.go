//go:build !linux && !darwin

package doctor

func disk(string) Disk { return Disk{} }

func clock() Clock { return ClockUnknown }

func memory() uint64 { return 0 }
