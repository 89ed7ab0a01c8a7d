package setting

import (
	"reflect"
	"strings"
)

// Key is one key of a file that is read into a struct.
type Key struct {
	Name  string              // behind the tables that it is in: inner.lr
	Owner reflect.Type        // the struct that declares it
	Field reflect.StructField // of Owner
}

// Keys lists the keys of a struct in a format such as toml, by the tags of its fields, in their order. A table's key
// comes before those in it, and an embedded struct has its keys beside the others, as encoders treat it.
func Keys(t reflect.Type, format string) []Key {
	var keys []Key
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get(format), ",")
		if name == "-" {
			continue // not of the file
		}
		of := f.Type
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if name != "" {
			keys = append(keys, Key{Name: name, Owner: t, Field: f})
			name += "."
		}
		if of.Kind() == reflect.Struct && (name != "" || f.Anonymous) {
			for _, k := range Keys(of, format) {
				k.Name = name + k.Name
				keys = append(keys, k)
			}
		}
	}
	return keys
}
