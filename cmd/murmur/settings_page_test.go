package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/trainer/model"
	"github.com/murmurnet/murmur/trainer/outer"
)

var rewrite = flag.Bool("rewrite", false, "rewrite docs/operate/settings.md from what the settings are now")

// inDir are the files of a swarm's directory, by patterns. Of some a person changes what stands in them, mostly by a
// command; all others are murmur's own.
var inDir = []struct {
	pattern, what string
	tree, typ     string // the struct of its keys, and the folder that declares it
}{
	{"policy.json", "pauses, hours, limits of the machine, and energy: `murmur pause`, `hours`, `limit` and `energy` write it", "node/policy", "Settings"},
	{"limits.json", "limits of the line: `murmur limit` writes it", "node/api", "Limits"},
	{"bootstrap", "the join link's addresses of peers, one a line; `bootstrap` of config.toml adds others", "", ""},
	{"identity.key", "the node's Ed25519 key, as PEM; whoever has it is this peer", "", ""},
	{"community.key", "the key that signs invites, where this machine has it", "", ""},
	{"community.key.old", "the community's key before `murmur rotate`", "", ""},
	{"manifest.pb", "the swarm's manifest, as its first node sealed it; its hash is the swarm's id", "", ""},
	{"swarm", "the swarm's id, before its manifest is here", "", ""},
	{"checkpoint", "height and id of the commit that the join link named", "", ""},
	{"members.pb", "notices of who belongs to a swarm with members, and the invite that this node came in by", "", ""},
	{"version", "the number of this directory's layout", "", ""},
	{"usage.json", "what crossed the line in this month", "node", "traffic"},
	{"curve.json", "held-out losses of the swarm, a list by rising heights", "node/api", "Heldout"},
	{"peers.json", "peers that were reached, a list", "p2p", "entry"},
	{"chain.db", "commits, updates, own accounts, head and base", "", ""},
	{"chain.db.damaged", "a chain.db that could not be read and was set aside", "", ""},
	{"payloads", "what updates carry, named by hash", "", ""},
	{"states", "the newest states of the shared model, named by hash", "", ""},
	{"daily", "a full state a day, for seven days, of this node alone; `index.json` in it is a list of them", "node/chain", "Daily"},
	{"files", "the swarm's shards, tokenizer and initial weights, named by hash", "", ""},
	{"data.toml", "the list of the swarm's shards, for the trainer", "", ""},
	{"local.state", "what this node has learned and not delivered, and the inner optimizer's moments", "", ""},
	{"exchange*.vec", "vectors that the daemon shares with a trainer; on Linux it is seen only while one starts", "", ""},
	{"page.token", "the word by which a browser may see this node's page", "", ""},
	{"api.sock", "the socket at which the daemon answers commands", "", ""},
	{"api.path", "where that socket is, if this directory's name is too long for one", "", ""},
	{"lock", "held by the daemon that works in this directory", "", ""},
	{"pid", "the process id of that daemon", "", ""},
	{"*.tmp", "what is being written", "", ""},
}

// undocumented lists what a daemon left in its directory and the page does not have.
func undocumented(dir string) (names []string) {
	entries, _ := os.ReadDir(dir) // gone where the test removed it
	for _, e := range entries {
		known := false
		for _, f := range inDir {
			matches, _ := filepath.Match(f.pattern, e.Name())
			known = known || matches
		}
		if !known {
			names = append(names, e.Name())
		}
	}
	return names
}

// docs/operate/settings.md is written from the flags, the structs and the rules that murmur itself reads.
func TestSettingsPage(t *testing.T) {
	const file = "../../docs/operate/settings.md"
	p := page{t: t, packages: map[string]map[string]declared{}}
	p.write()
	if *rewrite && !t.Failed() {
		if err := os.WriteFile(file, p.out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(p.out.String(), "\n")
	for i, line := range strings.Split(string(want), "\n") {
		if i >= len(got) || got[i] != line {
			t.Fatalf("%s is not what the settings are, from line %d on; if they are right, run: go test ./cmd/murmur -run SettingsPage -rewrite\n got: %s\nwant: %s", file, i+1, slices.Concat(got, make([]string, i+1))[i], line)
		}
	}
	if n := strings.Count(string(want), "\n"); len(got) != n+1 {
		t.Fatalf("%s has %d lines, and the settings make %d; run: go test ./cmd/murmur -run SettingsPage -rewrite", file, n, len(got)-1)
	}
}

// page writes docs/operate/settings.md.
type page struct {
	t        *testing.T
	out      bytes.Buffer
	packages map[string]map[string]declared // by folder and name
}

// declared is a struct as the source has it.
type declared struct {
	dir    string
	fields *ast.StructType
	file   *ast.File // for its imports
}

// key is one key of a file.
type key struct {
	name, what string
	list       bool // of tables
}

func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

func (p *page) row(cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	p.say("| %s |", strings.Join(cells, " | "))
}

func (p *page) head(cells ...string) {
	p.row(cells...)
	p.say("|%s", strings.Repeat("---|", len(cells)))
}

func (p *page) write() {
	p.say("# Settings\n")
	p.say("Every file and key of a node and of a swarm. A test writes this page from the program itself:")
	p.say("`go test ./cmd/murmur -run SettingsPage -rewrite`.\n")
	p.say("A node has three kinds of settings: how it is started (flags, variables, config.toml), what a person allows it")
	p.say("(policy.json and limits.json, which commands write), and what its swarm agreed on once and for all (the manifest).\n")
	p.config()
	p.files()
	p.manifest()
}

// config writes the keys of config.toml.
func (p *page) config() {
	var c cli
	k, err := kong.New(&c)
	if err != nil {
		p.t.Fatal(err)
	}
	p.say("## config.toml\n")
	p.say("It lies in murmur's data directory (`~/.local/share/murmur` on Linux; `MURMUR_DATA` names another), or where `--config`")
	p.say("says. Its keys are the long flags of `murmur up`; commands that share a flag read its key. A flag on the command line goes")
	p.say("before its variable, which goes before the file.\n")
	p.head("key", "variable", "default", "what it is")
	flags := settingsFlags(k.Model)
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		f := flags[name]
		p.row(code(name), code(f.Envs...), code(f.Default), f.Help)
	}
	p.say("")
}

// files writes the files of a swarm's directory, and the keys that they have.
func (p *page) files() {
	p.say("## A swarm's directory\n")
	p.say("`--dir` names it; without, it lies in `swarms` in murmur's data directory, under the beginning of the swarm's id.\n")
	p.head("file", "what is in it")
	for _, f := range inDir {
		p.row(code(f.pattern), f.what)
	}
	p.say("")
	for _, f := range inDir {
		if f.typ == "" {
			continue
		}
		p.say("### %s\n", f.pattern)
		p.head("key", "what it is")
		for _, k := range p.keys(f.tree, f.typ, "json", "") {
			p.row(code(k.name), k.what)
		}
		p.say("")
	}
}

// manifest writes the keys of a swarm's manifest.
func (p *page) manifest() {
	p.say("## A swarm's manifest\n")
	p.say("`murmur init FILE.toml` reads these keys and seals them: the swarm's id is the hash of them all, so that none can change")
	p.say("later. What the file leaves out has its default, which may follow from `method.name`.\n")
	keys, ranges := p.keys("node/manifest", "Manifest", "toml", ""), map[string]string{}
	adapting := manifest.Default()
	adapting.Adapt(&model.Adapter{Rank: 16})
	for _, r := range adapting.Rules() { // of two of one key the later is narrower
		if !slices.ContainsFunc(keys, func(k key) bool { return k.name == r.Key }) {
			p.t.Errorf("there is a range of %s, which is no key", r.Key)
		}
		ranges[r.Key] = r.Range
	}
	p.head("key", "range", "default", "what it is")
	for _, k := range keys {
		switch table := slices.ContainsFunc(keys, func(o key) bool { return strings.HasPrefix(o.name, k.name+".") }); {
		case table && !strings.Contains(k.name, "."):
			p.say("\n### [%s]\n\n%s.\n", k.name, strings.ToUpper(k.what[:1])+k.what[1:])
			p.head("key", "range", "default", "what it is")
		case table:
			if name := "[" + k.name + "]"; k.list {
				p.row(code("["+name+"]"), "", "", k.what)
			} else {
				p.row(code(name), "", "", k.what)
			}
		case strings.HasPrefix(k.name, "method."):
			p.method(k, ranges[k.name])
		default:
			p.row(code(k.name), ranges[k.name], p.value(k.name), k.what)
		}
	}
}

// method writes a key of [method], of which each method has some. also is what the manifest asks for besides.
func (p *page) method(k key, also string) {
	name := strings.TrimPrefix(k.name, "method.")
	var ranges, of, values []string // of methods with one range
	for _, method := range outer.Names() {
		s, err := outer.Defaults(method)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, r := range s.Rules() {
			if r.Key != name {
				continue
			}
			i := slices.Index(ranges, r.Range)
			if i < 0 {
				i, ranges, of = len(ranges), append(ranges, r.Range), append(of, "")
			}
			of[i] += ", " + method
			values = append(values, method+" "+shown(r.Value))
		}
	}
	if name == "name" {
		ranges, of, values = []string{strings.Join(outer.Names(), ", ")}, []string{""}, []string{shown(outer.Names()[0])}
	}
	for i := range ranges {
		if len(ranges) > 1 {
			ranges[i] = strings.TrimPrefix(of[i], ", ") + ": " + ranges[i]
		}
	}
	if also != "" {
		ranges = append(ranges, also)
	}
	p.row(code(k.name), strings.Join(ranges, "; "), strings.Join(values, ", "), k.what)
}

// value is a key's default: the first method's, and behind it those of methods that have another. A table that is not
// there by default has none.
func (p *page) value(name string) string {
	first, rest := "", ""
	for i, method := range outer.Names() {
		m, err := manifest.For(method)
		if err != nil {
			p.t.Fatal(err)
		}
		parts := strings.Split(name, ".")
		v := reflect.ValueOf(m)
		for i := 0; i < len(parts) && v.IsValid(); i++ {
			v = field(v, parts[i])
		}
		if !v.IsValid() {
			continue
		}
		switch value := shown(v.Interface()); {
		case value == "" || len(parts) > 2 && v.IsZero():
		case i == 0:
			first = value
		case value != first:
			rest += ", " + method + " " + value
		}
	}
	return first + strings.Replace(rest, ", ", "; ", 1)
}

// field is what a struct has for a key of TOML. A list and a pointer have none: by default they lead to no table.
func field(v reflect.Value, key string) reflect.Value {
	for i := 0; v.Kind() == reflect.Struct && i < v.NumField(); i++ {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		if name == "-" {
			continue
		}
		if name == key {
			return v.Field(i)
		}
		if f.Anonymous {
			if inside := field(v.Field(i), key); inside.IsValid() {
				return inside
			}
		}
	}
	return reflect.Value{}
}

// shown is a value as a file has it.
func shown(v any) string {
	switch v := reflect.ValueOf(v); v.Kind() {
	case reflect.String:
		return code(strconv.Quote(v.String()))
	case reflect.Slice, reflect.Array:
		return ""
	default:
		return code(fmt.Sprint(v))
	}
}

// code marks words as what is typed.
func code(words ...string) string {
	var marked []string
	for _, w := range words {
		if w != "" {
			marked = append(marked, "`"+w+"`")
		}
	}
	return strings.Join(marked, ", ")
}

// keys lists the keys of a struct that is declared somewhere in a tree of the source, with the comments of its fields.
// A table's key comes before those in it.
func (p *page) keys(tree, typ, format, table string) (keys []key) {
	of, ok := p.find(tree, typ)
	if !ok {
		p.t.Fatalf("no struct %s in %s", typ, tree)
	}
	for _, f := range of.fields.Fields.List {
		name := ""
		if f.Tag != nil {
			tag, _ := strconv.Unquote(f.Tag.Value)
			name, _, _ = strings.Cut(reflect.StructTag(tag).Get(format), ",")
		}
		if name == "-" {
			continue
		}
		if name == "" && len(f.Names) > 0 {
			continue
		}
		inside := table
		if name != "" {
			what := strings.TrimSpace(strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " "))
			if what == "" {
				p.t.Errorf("%s.%s has no comment that says what %s is", typ, f.Names[0].Name, table+name)
			}
			_, list := f.Type.(*ast.ArrayType)
			keys, inside = append(keys, key{table + name, what, list}), table+name+"."
		}
		if dir, inner, ok := of.typeOf(f.Type); ok {
			if _, ok := p.find(dir, inner); ok {
				keys = append(keys, p.keys(dir, inner, format, inside)...)
			}
		}
	}
	return keys
}

// typeOf names the type of a field, or of what it points to or lists, and the folder that declares it; false where that
// is not of this module.
func (d declared) typeOf(e ast.Expr) (dir, name string, ok bool) {
	switch e := e.(type) {
	case *ast.StarExpr:
		return d.typeOf(e.X)
	case *ast.ArrayType:
		return d.typeOf(e.Elt)
	case *ast.Ident:
		return d.dir, e.Name, true
	case *ast.SelectorExpr:
		for _, i := range d.file.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if dir, ok := strings.CutPrefix(path, "github.com/murmurnet/murmur/"); ok && filepath.Base(dir) == e.X.(*ast.Ident).Name {
				return dir, e.Sel.Name, true
			}
		}
	}
	return "", "", false
}

// find looks for a struct in a folder of the module and in those below, the shallowest first.
func (p *page) find(tree, typ string) (declared, bool) {
	const module = "../../"
	if p.packages[tree] == nil {
		p.packages[tree] = map[string]declared{}
		err := filepath.WalkDir(module+tree, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			dir := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), filepath.FromSlash(module)))
			for _, d := range f.Decls {
				decl, ok := d.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, s := range decl.Specs {
					if s, ok := s.(*ast.TypeSpec); ok {
						fields, isStruct := s.Type.(*ast.StructType)
						before, twice := p.packages[tree][s.Name.Name]
						if isStruct && (!twice || len(dir) < len(before.dir)) {
							p.packages[tree][s.Name.Name] = declared{dir, fields, f}
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			p.t.Fatal(err)
		}
	}
	d, ok := p.packages[tree][typ]
	return d, ok
}
