package home

import (
	"testing"
	"time"
)

// TestMonthOfAWrongClock has a machine whose clock once said 2038, as one without a battery may for a minute after it starts, go on with the right time: months begin again.
func TestMonthOfAWrongClock(t *testing.T) {
	q, err := Dir(t.TempDir()).Month()
	if err != nil {
		t.Fatal(err)
	}
	total := uint64(0)
	for i, at := range []time.Time{
		time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2038, 1, 19, 0, 0, 0, 0, time.UTC),  // for ten seconds: one count
		time.Date(2026, 12, 1, 0, 1, 0, 0, time.UTC),  // NTP has come
		time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),   // a new month
		time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC),   // and another
		time.Date(2030, 12, 31, 0, 0, 0, 0, time.UTC), // and years
	} {
		total += 100
		used, _, err := q.Count(total, 0, at)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes count in month %s", at.Format(time.DateOnly), used.Bytes, used.Month)
		if i >= 3 && used.Bytes > 100 {
			t.Errorf("in %s, %d bytes of other months count: a node with a limit rests until %s", at.Format("2006-01"), used.Bytes-100, used.Month)
		}
	}
}
