package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/murmurnet/murmur/xla"
)

// XLACmd shows and installs the backends that training runs on.
type XLACmd struct {
	Show    XLAShowCmd    `cmd:"" default:"withargs" help:"Show backends, devices, and the one that is used."`
	Install XLAInstallCmd `cmd:"" help:"Download, verify and install an XLA plugin."`
	Probe   XLAProbeCmd   `cmd:"" hidden:"" help:"Try one plugin; murmur calls this itself."`
}

// XLAShowCmd tells what each backend would do on this machine.
type XLAShowCmd struct {
	JSON bool `help:"Print one JSON object."`
}

// Run tries every backend and prints what came of it.
func (c *XLAShowCmd) Run(ctx context.Context) error {
	all, err := xla.Survey(ctx, xla.Params{Probe: xla.SelfProbe()})
	if err != nil {
		return err
	}
	used := ""
	for _, s := range all {
		if s.Usable {
			used = s.Config
			break
		}
	}
	if c.JSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(struct {
			Backends []xla.Status `json:"backends"`
			Used     string       `json:"used"`
		}{all, used})
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "BACKEND\tUSABLE\tDEVICE, OR WHY NOT")
	for _, s := range all {
		switch {
		case !s.Usable:
			fmt.Fprintf(table, "%s\tno\t%s\n", s.Config, s.Reason)
		case s.Devices == 1:
			fmt.Fprintf(table, "%s\tyes\t%s\n", s.Config, s.Device)
		default:
			fmt.Fprintf(table, "%s\tyes\t%d x %s\n", s.Config, s.Devices, s.Device)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("murmur trains on %s\n", used)
	return nil
}

// XLAInstallCmd installs a pinned plugin.
type XLAInstallCmd struct {
	Which string `arg:"" help:"The plugin: cpu, cuda13 (NVIDIA driver 580 or newer), cuda12 (525 or newer) or rocm (with ROCm 7 installed)."`
	Index string `help:"Python package index with the Simple JSON API to download from." env:"MURMUR_XLA_INDEX" placeholder:"URL"`
}

// Run installs the plugin, or says that it is there.
func (c *XLAInstallCmd) Run(ctx context.Context) error {
	p := xla.InstallParams{Which: c.Which, Index: c.Index}
	if err := p.Validate(); err != nil {
		return err
	}
	if warning := p.Warn(); warning != "" {
		fmt.Fprintf(os.Stderr, "murmur: %s\n", warning)
	}
	_, already := xla.Installed("", c.Which)
	terminal := false
	if info, err := os.Stdout.Stat(); err == nil {
		terminal = info.Mode()&os.ModeCharDevice != 0
	}
	bar := xla.NewProgress(os.Stdout, terminal, "XLA "+strings.ToUpper(c.Which)+" plugin")
	downloaded := false
	p.Progress = func(done, total int64) {
		downloaded = true
		bar.Update(done, total)
	}
	path, err := xla.Install(ctx, p)
	bar.End()
	if err != nil {
		return err
	}
	if already && !downloaded {
		fmt.Printf("already installed and whole: %s\n", path)
		return nil
	}
	fmt.Printf("installed: %s\n", path)
	return nil
}

// XLAProbeCmd is the process in which a plugin is tried.
type XLAProbeCmd struct {
	Config string `arg:"" help:"The plugin, as in xla:/path/to/plugin.so."`
}

// Run loads the plugin and answers on standard output.
func (c *XLAProbeCmd) Run(ctx context.Context) error {
	return xla.RunProbe(ctx, c.Config, os.Stdout)
}
