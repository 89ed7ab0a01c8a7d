package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/murmurnet/murmur/node/event"
	"github.com/murmurnet/murmur/node/policy"
	"github.com/murmurnet/murmur/proto"
)

// brimming is a Source with a value in every field.
type brimming struct{ told }

func full[T any]() (v T) {
	fill(reflect.ValueOf(&v).Elem())
	return v
}

// fill sets everything that a value holds.
func fill(v reflect.Value) {
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		return
	case *policy.Week:
		*at, _ = policy.ParseWeek("mon-fri 22-7")
		return
	case *proto.ID:
		*at = proto.Sum([]byte("fictional"))
		return
	case *proto.PeerID:
		*at = proto.PeerID("\x00\x24\x08\x01\x12\x20" + strings.Repeat("a", 32))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i))
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Map:
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("fictional"), e)
	case reflect.String:
		if v.SetString("warning"); v.Type().Name() == "string" {
			v.SetString("fictional")
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(time.Second))
	case reflect.Uint, reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(7)
	default:
		panic("a field of a kind that fill does not know: " + v.Kind().String())
	}
}

func (*brimming) State() State                { return full[State]() }
func (*brimming) Events(uint64) []event.Event { return []event.Event{full[event.Event]()} }
func (*brimming) Rounds(uint64) []Outcome     { return []Outcome{full[Outcome](), {}} }
func (*brimming) Curve(uint64) []Heldout      { return []Heldout{full[Heldout]()} }
func (*brimming) Members() []Member           { return []Member{full[Member](), {}} }
func (*brimming) Rotate(bool) error           { return nil }
func (*brimming) Heldout(context.Context) (Heldout, error) {
	return full[Heldout](), nil
}
func (*brimming) States() []Held                            { return []Held{full[Held]()} }
func (*brimming) Keep(context.Context, int64) (Kept, error) { return full[Kept](), nil }

// TestOpenAPI holds the description to the handlers: it has every route and no other, and every
// answer, with a value in each field, is what it says.
func TestOpenAPI(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(openapi)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	described := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			_, page := op.Extensions["x-page"]
			described[method+" "+path] = page
		}
	}
	doc.Servers = nil // any
	find, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	a := New(&brimming{})
	mux := a.handler(func(route) bool { return true })
	ask := map[string]string{
		"/v1/pause": "?for=15m&keep=1", "/v1/rounds": "?since=3", "/v1/keep": "?height=-1",
		"/v1/revoke": "?peer=" + url.QueryEscape(full[proto.PeerID]().String()),
	}
	body := map[string]string{
		"/v1/limits": `{"up_mbit": 5, "down_mbit": 0, "month_gb": 0}`, "/v1/generate": `{"prompt": "a", "tokens": 1, "temperature": 0, "top_k": 0, "top_p": 0, "seed": 0}`,
		"/v1/policy": `{"pause": {"on": false}, "compute": "22-7", "network": "always", "battery": true, "idle": "5m", "others": 0, "celsius": 80, "watts": 0, "memory": 0, "vram": 0, "energy": {}}`,
	}
	for _, r := range routes(a.src, a.watched) {
		page, known := described[r.pattern]
		if !known || page != r.page {
			t.Errorf("%s: described %v, for the page %v, want %v", r.pattern, known, page, r.page)
		}
		delete(described, r.pattern)
		method, path, _ := strings.Cut(r.pattern, " ")
		if path == "/v1/stream" { // it has no end; its parts are State, Event and Outcome
			continue
		}
		for _, query := range []string{ask[path], "?since=x&for=soon&height=x&peer=x"} {
			req := httptest.NewRequestWithContext(t.Context(), method, path+query, strings.NewReader(body[path]))
			req.Header.Set("Content-Type", "application/json")
			where, params, err := find.FindRoute(req)
			if err != nil {
				t.Fatalf("%s: %v", r.pattern, err)
			}
			in := &openapi3filter.RequestValidationInput{
				Request: req, PathParams: params, Route: where,
				Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
			}
			if err := openapi3filter.ValidateRequest(t.Context(), in); query == ask[path] && err != nil {
				t.Errorf("%s: the question: %v", r.pattern, err)
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, req)
			if query == ask[path] && w.Code != http.StatusOK {
				t.Errorf("%s: %d %s", r.pattern, w.Code, w.Body)
			}
			out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: w.Code, Header: w.Header(), Options: in.Options}
			if kind := w.Header().Get("Content-Type"); kind == "application/json" {
				out.SetBodyBytes(w.Body.Bytes())
				if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
					t.Errorf("%s%s: the answer: %v", r.pattern, query, err)
				}
			} else if where.Operation.Responses.Value("200").Value.Content[kind] == nil {
				t.Errorf("%s: the answer is %s", r.pattern, kind)
			}
		}
	}
	for left := range described {
		t.Errorf("%s is described and not there", left)
	}
}
