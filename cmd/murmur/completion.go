package main

import (
	"embed"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

//go:embed shell
var shells embed.FS

// CompletionCmd prints a shell's part of completion.
type CompletionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run prints what the shell is to read at its start.
func (c *CompletionCmd) Run() error {
	b, err := shells.ReadFile("shell/" + c.Shell)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(b)
	return err
}

// CompleteCmd is murmur's part: shells call it.
type CompleteCmd struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The words after murmur, the last of which is unfinished."`
}

// Run prints a line for each word that may stand there, with what it means after a tab. Where it prints none,
// shells offer files.
func (c *CompleteCmd) Run(k *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	for _, o := range options(k.Model.Node, words[:len(words)-1]) {
		if strings.HasPrefix(o.word, words[len(words)-1]) && (o.word[0] != '-' || words[len(words)-1] != "") {
			fmt.Printf("%s\t%s\n", o.word, o.help)
		}
	}
	return nil
}

type option struct{ word, help string }

// options are what may stand after some words.
func options(n *kong.Node, words []string) (out []option) {
	var awaits *kong.Flag // its value is the next word
	at := 0               // of n's positional arguments
	for _, w := range words {
		switch {
		case awaits != nil:
			awaits = nil
		case strings.HasPrefix(w, "-"):
			if f := flagOf(n, w); f != nil && !f.IsBool() && !strings.Contains(w, "=") {
				awaits = f
			}
		default:
			if c := child(n, w); c != nil {
				n, at = c, 0
			} else {
				at++
			}
		}
	}
	if awaits != nil {
		return enum(awaits.Value)
	}
	for _, c := range n.Children {
		if !c.Hidden {
			out = append(out, option{c.Name, c.Help})
		}
	}
	if at < len(n.Positional) {
		out = append(out, enum(n.Positional[at])...)
	}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			out = append(out, option{"--" + f.Name, f.Help})
			if f.Tag.Negatable != "" {
				out = append(out, option{"--no-" + f.Name, f.Help})
			}
		}
	}
	return out
}

func child(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func flagOf(n *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	for _, group := range n.AllFlags(false) {
		for _, f := range group {
			if f.Name == name || f.Short != 0 && word == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

// enum are the values that a flag or an argument may have, where they are listed.
func enum(v *kong.Value) (out []option) {
	if v.Enum == "" {
		return nil
	}
	for _, e := range v.EnumSlice() {
		out = append(out, option{e, v.Help})
	}
	return out
}
