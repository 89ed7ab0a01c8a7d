package setting

import (
	"reflect"
	"slices"
	"testing"
)

func TestCheck(t *testing.T) {
	rules := In("model", []Rule{Between("layers", 3, 1, 256), New("norm_eps", 0., false, "above 0")})
	if err := Check(rules[:1]); err != nil {
		t.Error(err)
	}
	const want = "model.norm_eps = 0 is out of range: above 0"
	if err := Check(rules); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	for value, ok := range map[int]bool{0: false, 1: true, 256: true, 257: false} {
		if r := Between("layers", value, 1, 256); r.OK != ok || r.Range != "1..256" {
			t.Errorf("%d: %+v", value, r)
		}
	}
}

func TestKeys(t *testing.T) {
	type Beside struct {
		Rate float64 `toml:"rate" json:"speed"`
	}
	type point struct {
		At uint64 `toml:"at,omitempty"`
	}
	type file struct {
		Name string `toml:"name"`
		Beside
		Points []point `toml:"point"`
		None   *point  `toml:"none,omitempty"`
		Secret string
		Unread string `toml:"-"`
	}
	var got []string
	for _, k := range Keys(reflect.TypeFor[file](), "toml") {
		got = append(got, k.Name)
		if f, ok := k.Owner.FieldByName(k.Field.Name); !ok || f.Type != k.Field.Type {
			t.Errorf("%s: %v has no field %s", k.Name, k.Owner, k.Field.Name)
		}
	}
	if want := []string{"name", "rate", "point", "point.at", "none", "none.at"}; !slices.Equal(got, want) {
		t.Errorf("keys are %q, want %q", got, want)
	}
}
