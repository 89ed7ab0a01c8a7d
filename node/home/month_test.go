package home

import (
	"testing"
	"time"
)

// TestMonthCountsStrangers has what strangers draw begin anew with the month, as all traffic does.
func TestMonthCountsStrangers(t *testing.T) {
	q, err := Dir(t.TempDir()).Month()
	if err != nil {
		t.Fatal(err)
	}
	may, june := time.Date(2026, 5, 31, 12, 0, 0, 0, time.UTC), time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		total, drawn uint64
		at           time.Time
		bytes, their uint64
	}{{100, 10, may, 100, 10}, {150, 30, may, 150, 30}, {180, 35, june, 30, 5}, {200, 35, may, 50, 5}} {
		if used, drawn, err := q.Count(c.total, c.drawn, c.at); used.Bytes != c.bytes || drawn != c.their || err != nil {
			t.Errorf("%+v counts %d bytes, %d of strangers, %v", c, used.Bytes, drawn, err)
		}
	}
}
