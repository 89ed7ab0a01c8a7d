package xla

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
)

// openGo opens the pure-Go backend. Its constructor prints a line on standard output for parallelism=N, and a
// trainer's standard output is its protocol channel; so that one setting is made on the finished backend, whose type
// GoMLX keeps internal.
func openGo(c config) (compute.Backend, error) {
	workers := 0
	set := false
	var rest []string
	for option := range strings.SplitSeq(c.options, ",") {
		if value, ok := strings.CutPrefix(option, "parallelism="); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				return nil, fmt.Errorf("parallelism=%q is not a whole number", value)
			}
			workers, set = n, true
			continue
		}
		rest = append(rest, option)
	}
	backend, err := gobackend.New(strings.Join(rest, ","))
	if err != nil {
		return nil, err
	}
	if set {
		pool := reflect.Indirect(reflect.ValueOf(backend)).FieldByName("Workers")
		if !pool.IsValid() || !pool.MethodByName("SetMaxParallelism").IsValid() {
			return nil, fmt.Errorf("this version of GoMLX has no SetMaxParallelism")
		}
		pool.MethodByName("SetMaxParallelism").Call([]reflect.Value{reflect.ValueOf(workers)})
	}
	return backend, nil
}
