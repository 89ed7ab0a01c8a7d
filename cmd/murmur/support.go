package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/murmurnet/murmur/node/support"
)

// SupportCmd packs what others need to help.
type SupportCmd struct {
	DirFlag
	File string `arg:"" optional:"" help:"Where to (default: murmur-support-DATE.tar.gz here)." type:"path" placeholder:"FILE.tar.gz"`
	Port uint16 `help:"The port that the daemon listens on, or would." default:"4101" env:"MURMUR_PORT"`
}

// Run writes the file and says what is in it. It goes nowhere else.
func (c *SupportCmd) Run(ctx context.Context, root *cli) error {
	dir, err := c.existing()
	if err != nil {
		return err
	}
	doctor := DoctorCmd{DirFlag: c.DirFlag, Port: c.Port}
	report, err := doctor.report(ctx)
	if err != nil {
		return err
	}
	config := root.Config
	if config == "" {
		config, _ = usualSettings() // without a home there is none to pack
	}
	now := time.Now()
	p := support.Params{Version: thisBuild().String(), Dir: dir, Config: config, Report: report, Now: now}
	items, err := support.Gather(ctx, p)
	if err != nil {
		return err
	}
	path := c.File
	if path == "" {
		path = "murmur-support-" + now.Format("20060102-150405") + ".tar.gz"
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(support.Write(f, dir, items, now), f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	fmt.Printf("written: %s\n\n", path)
	for _, i := range items {
		fmt.Printf("    %-12s  %s\n", i.Name, i.What)
	}
	fmt.Println("\nIt went nowhere. Look at it (tar xzf), and send it if you like.")
	return nil
}
