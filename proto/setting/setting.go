// Package setting is the range of a setting: whether a value lies in it, and the range in words.
//
// Whoever owns a struct of settings lists its rules, so that what is checked, what an error says and what the
// documentation says come from one place. The package must not know what any setting is for.
package setting

import (
	"cmp"
	"fmt"
)

// Rule is the value of one setting and its range.
type Rule struct {
	Key   string // as files spell it, behind its table: inner.lr
	Value any
	OK    bool   // the value is in the range
	Range string // in words
}

// New is a rule whose range is put into words by the caller.
func New(key string, value any, ok bool, in string) Rule {
	return Rule{Key: key, Value: value, OK: ok, Range: in}
}

// Between is the rule of a value from least to most.
func Between[T cmp.Ordered](key string, value, least, most T) Rule {
	return New(key, value, value >= least && value <= most, fmt.Sprintf("%v..%v", least, most))
}

// In puts rules into a table of a file: lr in inner is inner.lr.
func In(table string, rules []Rule) []Rule {
	inside := make([]Rule, len(rules))
	for i, r := range rules {
		r.Key = table + "." + r.Key
		inside[i] = r
	}
	return inside
}

// Check names the first value out of its range.
func Check(rules []Rule) error {
	for _, r := range rules {
		if !r.OK {
			return fmt.Errorf("%s = %v is out of range: %s", r.Key, r.Value, r.Range)
		}
	}
	return nil
}
