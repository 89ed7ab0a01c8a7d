//go:build !linux

package lab

// usage is known on Linux alone; elsewhere it is 0.
func usage(int) (cpu float64, memory uint64, err error) { return 0, 0, nil }

func mapped(int, string) (uint64, error) { return 0, nil }
func resident(int) (uint64, error)       { return 0, nil }
func anonymous(int) (uint64, error)      { return 0, nil }
func children(int) (int, error)          { return 0, nil }
