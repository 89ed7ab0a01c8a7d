//go:build linux

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// section is what stands in a document between a heading and the next one.
func section(t *testing.T, path, heading string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(b), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no section %q", path, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// packages are the folders of this repository that hold Go, by their path.
func packages(t *testing.T, root string) (found []string) {
	t.Helper()
	if err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := e.Name()
		if e.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if dir, err := filepath.Rel(root, filepath.Dir(path)); err == nil && filepath.Ext(name) == ".go" && !slices.Contains(found, dir) {
			found = append(found, dir)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// TestPackagesDocumented holds the map in architecture.md to the packages: each has a line, or stands in its parent's.
func TestPackagesDocumented(t *testing.T) {
	_, text, _ := strings.Cut(section(t, "../../docs/architecture.md", "The house"), "```\n")
	text, _, _ = strings.Cut(text, "```")
	drawn, path := map[string]string{}, []string(nil)
	entry := regexp.MustCompile(`^((?:  ){0,2})(\S+)/ +(\S.*)`)
	for line := range strings.Lines(text) {
		m := entry.FindStringSubmatch(line)
		if m == nil { // the entry before goes on
			drawn[strings.Join(path, "/")] += line
			continue
		}
		path = append(path[:len(m[1])/2], m[2])
		drawn[strings.Join(path, "/")] = m[3]
	}
	for _, p := range packages(t, "../..") {
		parent := p
		for drawn[parent] == "" && parent != "." {
			parent = filepath.Dir(parent)
		}
		if rest := strings.TrimPrefix(p, parent+"/"); rest != p && !strings.Contains(drawn[parent], rest+"/") {
			t.Errorf("architecture.md does not draw %s", p)
		}
	}
	for p := range drawn {
		if _, err := os.Stat(filepath.Join("../..", p)); err != nil {
			t.Errorf("architecture.md draws %s, which is not there", p)
		}
	}
}

// TestFlagsDocumented holds what volunteers.md says of --json and --watch to the command line.
func TestFlagsDocumented(t *testing.T) {
	said := regexp.MustCompile("(?s)\n\n([^\n]*) take `--watch`.* take `--json`, for programs,\\s+but ([^.]*)\\.").
		FindStringSubmatch(section(t, "../../docs/volunteers.md", "See"))
	if said == nil {
		t.Fatal("volunteers.md does not say which commands take --watch and which no --json")
	}
	named := func(text string) (commands []string) {
		for _, m := range regexp.MustCompile("`([a-z -]+)`").FindAllStringSubmatch(text, -1) {
			commands = append(commands, m[1])
		}
		slices.Sort(commands)
		return commands
	}
	parser, err := kong.New(&cli{}, kong.Name("murmur"))
	if err != nil {
		t.Fatal(err)
	}
	var watch, noJSON []string
	for _, command := range parser.Model.Leaves(true) {
		has := func(name string) bool {
			return slices.ContainsFunc(command.Flags, func(f *kong.Flag) bool { return f.Name == name })
		}
		if has("watch") {
			watch = append(watch, command.Path())
		}
		if !has("json") {
			noJSON = append(noJSON, command.Path())
		}
	}
	slices.Sort(watch)
	slices.Sort(noJSON)
	if told := named(said[1]); !slices.Equal(told, watch) {
		t.Errorf("volunteers.md says that %q take --watch, and %q do", told, watch)
	}
	if told := named(said[2]); !slices.Equal(told, noJSON) {
		t.Errorf("volunteers.md says that %q take no --json, and %q do not", told, noJSON)
	}
}

// documents are the Markdown files of this repository, by their path from here, with their text.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{"../../README.md"}
	if err := filepath.WalkDir("../../docs", func(path string, _ fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		texts[path] = string(b)
	}
	return texts
}

// TestLinks follows the links of all documents to other files of this repository, and to their headings.
func TestLinks(t *testing.T) {
	texts := documents(t)
	anchor := func(heading string) string {
		heading = regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading), "")
		return strings.ReplaceAll(heading, " ", "-")
	}
	for path, text := range texts {
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target, heading, _ := strings.Cut(m[1], "#")
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
			if heading != "" && !slices.ContainsFunc(regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(texts[file], -1), func(h []string) bool { return anchor(h[1]) == heading }) {
				t.Errorf("%s links to %s, which has no such heading", path, m[1])
			}
		}
	}
}

// TestTestsDocumented looks for the tests and benchmarks that documents name with the command that runs them.
func TestTestsDocumented(t *testing.T) {
	found := 0
	for path, text := range documents(t) {
		for _, m := range regexp.MustCompile("go test ([^`]*?)(\\./[\\w/]+)").FindAllStringSubmatch(text, -1) {
			files, err := filepath.Glob(filepath.Join("../..", m[2], "*_test.go"))
			if err != nil {
				t.Fatal(err)
			}
			var source strings.Builder
			for _, file := range files {
				b, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				source.Write(b)
			}
			for _, flag := range regexp.MustCompile(`-(run|bench) '?([\w|]+)`).FindAllStringSubmatch(m[1], -1) {
				kind := map[string]string{"run": "Test", "bench": "Benchmark"}[flag[1]]
				for name := range strings.SplitSeq(flag[2], "|") {
					found++
					if !regexp.MustCompile(`func ` + kind + `\w*` + strings.TrimPrefix(name, "Test")).MatchString(source.String()) {
						t.Errorf("%s names -%s %s, which is not in %s", path, flag[1], name, m[2])
					}
				}
			}
		}
	}
	if found == 0 {
		t.Error("no document names a test")
	}
}
