package manifest

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"empty", "", ""},
		{"known", "name = \"x\"\n[rounds]\nh = 20\n", ""},
		{"unknown key names the nearest", "[rounds]\nhmin = 3\n", `unknown key "rounds.hmin"; did you mean "rounds.h_min"?`},
		{"unknown key in the wrong table", "lr = 1e-3\n", `did you mean "inner.lr"?`},
		{"out of range names key, value and range", "[inner]\nlr = 3.0\n", "inner.lr = 3 is out of range: above 0, below 1"},
		{"not TOML", "name = \n", "line 1"},
		{"wrong type", "[model]\ndim = \"big\"\n", "line 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(tc.text)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestEncodeDecode(t *testing.T) {
	m := Default()
	m.Seed = "a fixed seed"
	b, id, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	b2, id2, err := m.Encode()
	if err != nil || id != id2 || string(b) != string(b2) {
		t.Fatalf("the same manifest has ids %s and %s (%v)", id, id2, err)
	}
	got, seed, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	got.Seed = m.Seed
	if got != m || seed == [32]byte{} {
		t.Fatalf("decoded %+v, want %+v", got, m)
	}
	m.Seed = ""
	_, r1, _ := m.Encode()
	_, r2, _ := m.Encode()
	if r1 == r2 {
		t.Fatal("two swarms with random seeds have one id")
	}
}

func FuzzDecode(f *testing.F) {
	m := Default()
	b, _, err := m.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, _, err := Decode(b); err == nil && m.Validate() != nil {
			t.Fatal("an invalid manifest was accepted")
		}
	})
}
