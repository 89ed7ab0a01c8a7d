package round

import (
	"testing"

	"github.com/murmurnet/murmur/trainer/data"
)

// A commit moves the cursor past the lanes that newcomers read in; package round must not import the package that reads.
func TestNewcomerLanes(t *testing.T) {
	if newcomerLanes != data.NewcomerLanes {
		t.Errorf("commits leave room for %d lanes, and newcomers spread over %d", newcomerLanes, data.NewcomerLanes)
	}
}
