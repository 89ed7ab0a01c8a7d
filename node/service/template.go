package service

import (
	"bytes"
	"embed"
	"encoding/xml"
	"strings"
	"text/template"
)

//go:embed unit
var units embed.FS

// values are what a template asks for.
type values struct {
	Params
	Needs string // what must be there for a start
	Log   string
}

// Command is the command line.
func (v values) Command() []string {
	c := append([]string{v.Program}, v.Args...)
	if v.Dir != "" {
		c = append(c, "--dir", v.Dir)
	}
	return c
}

// fill writes a template.
func (v values) fill(name string) ([]byte, error) {
	t, err := template.New(name).Funcs(template.FuncMap{
		"value": value, "command": command, "join": strings.Join,
		"setting": func(k, v string) string { return word(k + "=" + v) },
		"xml": func(s string) (string, error) {
			var b strings.Builder
			err := xml.EscapeText(&b, []byte(s))
			return b.String(), err
		},
	}).ParseFS(units, "unit/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, v)
	return b.Bytes(), err
}

// value escapes what systemd would take for a specifier.
func value(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// word quotes what systemd would split or unquote.
func word(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value(s)) + `"`
}

// command quotes a command line, in which systemd also puts variables in.
func command(words []string) string {
	var out []string
	for _, w := range words {
		q := w
		if strings.ContainsAny(w, "\"'\\%$ \t;") {
			q = strings.ReplaceAll(word(w), "$", "$$")
		}
		out = append(out, q)
	}
	return strings.Join(out, " ")
}
