package presence

import (
	"context"
	"fmt"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// last asks for the newest input of this session: a service, which has a session of its own,
// cannot know.
func last(context.Context) (time.Time, error) {
	var session uint32
	if err := windows.ProcessIdToSessionId(windows.GetCurrentProcessId(), &session); err == nil && session == 0 {
		return time.Time{}, fmt.Errorf("%w to a service; run murmur when you log in", errNoWay)
	}
	info := struct{ size, tick uint32 }{size: 8}
	ok, _, err := windows.NewLazySystemDLL("user32.dll").NewProc("GetLastInputInfo").Call(uintptr(unsafe.Pointer(&info)))
	if ok == 0 {
		return time.Time{}, fmt.Errorf("asking for the last input: %w", err)
	}
	now, _, _ := windows.NewLazySystemDLL("kernel32.dll").NewProc("GetTickCount").Call()
	return time.Now().Add(-time.Duration(uint32(now)-info.tick) * time.Millisecond), nil // the counters wrap alike
}
