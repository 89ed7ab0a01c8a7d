// Package device reads what devices that train tell of themselves: temperature, power, memory,
// and how busy other programs keep them.
//
// It reads and changes nothing. What a device does not tell is zero; it must not judge.
package device

// Reading is what a device tells at a moment.
type Reading struct {
	Name    string
	Celsius float64
	Watts   float64
	Memory  uint64  // bytes in use, by everybody
	Total   uint64  // bytes
	Taken   uint64  // bytes that the node's own processes have of it
	Others  float64 // how busy other programs keep it, 0 to 1
	Program string  // the busiest of them
}
