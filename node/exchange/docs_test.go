package exchange

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/murmurnet/murmur/node/round"
	"github.com/murmurnet/murmur/p2p/blob"
)

// TestBoundsDocumented holds what architecture.md says of transfers to the bounds.
func TestBoundsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("at most %d fetches and %d questions at once", maxFetches, maxQuestions); !strings.Contains(string(b), want) {
		t.Errorf("architecture.md does not say: %s", want)
	}
}

// TestFetchesHavePlaces: as many blobs are fetched at once as payloads are asked for, and the states of three branches and a token shard beside them.
func TestFetchesHavePlaces(t *testing.T) {
	if blob.MaxFetches < round.MaxFetching+3+1 {
		t.Errorf("%d blobs are fetched at once, %d payloads are asked for", blob.MaxFetches, round.MaxFetching)
	}
}
