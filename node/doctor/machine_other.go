//go:build !linux && !darwin

package doctor

func disk(string) Disk { return Disk{} }

func clock() Clock { return ClockUnknown }
