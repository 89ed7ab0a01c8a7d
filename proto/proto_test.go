package proto

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	murmurv1 "github.com/murmurnet/murmur/proto/murmur/v1"
)

func testKey(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func TestIDText(t *testing.T) {
	id := Sum([]byte("a message"))
	back, err := ParseID(id.String())
	if err != nil || back != id {
		t.Fatalf("%s reads back as %s (%v)", id, back, err)
	}
	const sha = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku" // of SHA-256
	for _, s := range []string{"", "x", id.String()[:20], sha} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("%q was read as an id", s)
		}
	}
}

func TestPeerID(t *testing.T) {
	p := PeerOf(testKey(1).Public().(ed25519.PublicKey))
	if !strings.HasPrefix(p.String(), "12D3KooW") {
		t.Fatalf("%s does not look like libp2p's peer ids of Ed25519 keys", p)
	}
	key, err := p.Key()
	if err != nil || !key.Equal(testKey(1).Public()) {
		t.Fatalf("another key comes back: %v", err)
	}
	type holder struct{ Peer PeerID }
	for _, want := range []PeerID{p, ""} {
		b, err := json.Marshal(holder{want})
		if err != nil {
			t.Fatal(err)
		}
		var got holder
		if err := json.Unmarshal(b, &got); err != nil || got.Peer != want {
			t.Fatalf("%s reads back as %q (%v)", b, got.Peer, err)
		}
	}
	if _, err := PeerID("short").Key(); err == nil {
		t.Fatal("five letters hold a key")
	}
}

func TestEnvelope(t *testing.T) {
	good := Seal(testKey(1), DomainUpdate, []byte("payload"))
	for _, tc := range []struct {
		name   string
		e      *murmurv1.Envelope
		domain Domain
		want   error
	}{
		{"as sealed", good, DomainUpdate, nil},
		{"another domain", good, DomainAnnounce, ErrSignature},
		{"another payload", &murmurv1.Envelope{Payload: []byte("Payload"), Key: good.Key, Sig: good.Sig}, DomainUpdate, ErrSignature},
		{"another key", &murmurv1.Envelope{Payload: good.Payload, Key: testKey(2).Public().(ed25519.PublicKey), Sig: good.Sig}, DomainUpdate, ErrSignature},
		{"a cut signature", &murmurv1.Envelope{Payload: good.Payload, Key: good.Key, Sig: good.Sig[:63]}, DomainUpdate, ErrSignature},
		{"no key", &murmurv1.Envelope{Payload: good.Payload, Sig: good.Sig}, DomainUpdate, errors.New("any")},
		{"too large", Seal(testKey(1), DomainUpdate, make([]byte, MaxEnvelope+1)), DomainUpdate, errors.New("any")},
		{"nothing", nil, DomainUpdate, errors.New("any")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			signer, err := Open(tc.e, tc.domain)
			switch {
			case tc.want == nil && (err != nil || signer != PeerOf(testKey(1).Public().(ed25519.PublicKey))):
				t.Fatalf("signer %s, %v", signer, err)
			case tc.want != nil && err == nil:
				t.Fatal("was accepted")
			case errors.Is(tc.want, ErrSignature) && !errors.Is(err, ErrSignature):
				t.Fatalf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// TestTree fixes a root, so that it is the same on every platform, and checks
// that every way to hash a blob agrees.
func TestTree(t *testing.T) {
	blob := make([]byte, 2*LeafSize+12345)
	for i := range blob {
		blob[i] = byte(i * 7 >> 3)
	}
	const want = "bafkr4ifsi3i6wquhu33oqr22da4ezz3d6hbu6e76u6bddqeh5sgjs6kcvq"
	tree := HashBlob(blob)
	if got := tree.Root().String(); got != want {
		t.Errorf("root is %s, want %s", got, want)
	}
	read, err := ReadTree(bytes.NewReader(blob), uint64(len(blob)))
	if err != nil || read.Root() != tree.Root() {
		t.Fatalf("read from a stream the root is %s (%v)", read.Root(), err)
	}
	parsed, err := ParseTree(tree.Root(), tree.Size, tree.Bytes())
	if err != nil || len(parsed.Leaves) != 3 || parsed.Leaves[2] != Sum(blob[2*LeafSize:]) {
		t.Fatalf("parsed %d leaves (%v)", len(parsed.Leaves), err)
	}
	leaves := tree.Bytes()
	leaves[40] ^= 1
	for name, bad := range map[string]func() (Tree, error){
		"a changed leaf":  func() (Tree, error) { return ParseTree(tree.Root(), tree.Size, leaves) },
		"another size":    func() (Tree, error) { return ParseTree(tree.Root(), tree.Size-1, tree.Bytes()) },
		"a missing leaf":  func() (Tree, error) { return ParseTree(tree.Root(), tree.Size, tree.Bytes()[32:]) },
		"an endless blob": func() (Tree, error) { return ParseTree(tree.Root(), 1<<60, nil) },
		"a short stream":  func() (Tree, error) { return ReadTree(bytes.NewReader(blob[1:]), tree.Size) },
	} {
		if _, err := bad(); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if HashBlob(nil).Root() == HashBlob([]byte{0}).Root() {
		t.Error("an empty blob and a zero byte have one root")
	}
}

func TestDecodeBoundsFirst(t *testing.T) {
	b := Encode(&murmurv1.Update{Author: make([]byte, 100)})
	if err := Decode(b, 50, &murmurv1.Update{}); err == nil || !strings.Contains(err.Error(), "at most 50") {
		t.Fatalf("got %v", err)
	}
	if err := Decode(b, 200, &murmurv1.Update{}); err != nil {
		t.Fatal(err)
	}
}
