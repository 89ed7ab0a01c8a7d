// Command murmur trains one language model on many people's computers.
//
// It says what each command takes and prints. What a command does lies in the packages below.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/coreos/go-systemd/v22/journal"
)

// version is set by release builds with -ldflags "-X main.version=…".
var version = "0.1.0-dev"

// cli is the command line.
type cli struct {
	Config   string     `help:"Settings file." type:"path" placeholder:"FILE" env:"MURMUR_CONFIG"`
	LogLevel slog.Level `help:"How much to log: debug, info, warn or error." default:"info" env:"MURMUR_LOG_LEVEL"`

	Demo     DemoCmd     `cmd:"" help:"Train a small model with a whole swarm on this machine."`
	Init     InitCmd     `cmd:"" help:"Make a new swarm and print its join link."`
	Fork     ForkCmd     `cmd:"" help:"Make a new swarm that goes on from a state which this node holds."`
	Join     JoinCmd     `cmd:"" help:"Join a swarm by its link."`
	Up       UpCmd       `cmd:"" help:"Run this machine's node until it is stopped."`
	Seed     SeedCmd     `cmd:"" help:"Run a light node that helps others meet and does not train."`
	Finish   FinishCmd   `cmd:"" help:"Let the running node end once its work is in."`
	Crawl    CrawlCmd    `cmd:"" help:"Walk through the swarm and list who is there."`
	Link     LinkCmd     `cmd:"" help:"Print the swarm's link, with a checkpoint if asked."`
	Invite   InviteCmd   `cmd:"" help:"Print a link by which others can join."`
	Members  MembersCmd  `cmd:"" help:"List who belongs to the swarm."`
	Revoke   RevokeCmd   `cmd:"" help:"Throw a member out."`
	Rotate   RotateCmd   `cmd:"" help:"Give the community a new key."`
	ID       IDCmd       `cmd:"" name:"id" help:"Print the peer id that this machine has in a directory, for a swarm of listed members."`
	Leave    LeaveCmd    `cmd:"" help:"Leave the swarm for good."`
	Page     PageCmd     `cmd:"" help:"Print the link to the node's page, for a browser on this machine."`
	Pause    PauseCmd    `cmd:"" help:"Stop training for a while and give the device back."`
	Resume   ResumeCmd   `cmd:"" help:"End a pause."`
	Hours    HoursCmd    `cmd:"" help:"Show or set when murmur may train and use the line."`
	Energy   EnergyCmd   `cmd:"" help:"Train by a signal: when power is cheap, clean, or comes from the roof."`
	Peers    PeersCmd    `cmd:"" help:"List the other nodes."`
	Rounds   RoundsCmd   `cmd:"" help:"List how rounds went."`
	Events   EventsCmd   `cmd:"" help:"Show the node's diary."`
	Why      WhyCmd      `cmd:"" help:"Say why the node does or does not train."`
	Limit    LimitCmd    `cmd:"" help:"Show or set how much of the line and of the machine murmur may take."`
	Status   StatusCmd   `cmd:"" help:"Show what the running node does, and why."`
	Top      TopCmd      `cmd:"" help:"Show the running node in this terminal, as it goes on."`
	Generate GenerateCmd `cmd:"" help:"Let the swarm's model continue a text."`
	Eval     EvalCmd     `cmd:"" help:"Answer multiple-choice benchmarks with a model."`
	Export   ExportCmd   `cmd:"" help:"Write the swarm's model as a folder that others can load."`
	XLA      XLACmd      `cmd:"" name:"xla" help:"Show and install the backends that training runs on."`
	Data     DataCmd     `cmd:"" help:"Make and check data sets of token shards."`
	Bench    BenchCmd    `cmd:"" help:"Measure this machine."`
	Fits     FitsCmd     `cmd:"" help:"Say what a swarm takes of this machine, and what would make it fit."`
	Doctor   DoctorCmd   `cmd:"" help:"Look for what is wrong on this machine, and say what to do."`
	Support  SupportCmd  `cmd:"" help:"Pack what others need to help into a file, without secrets."`
	Version  VersionCmd  `cmd:"" help:"Print the version."`

	InstallService InstallServiceCmd `cmd:"" help:"Have this machine start murmur by itself."`
	Completion     CompletionCmd     `cmd:"" help:"Print what a shell needs to complete murmur's commands."`
	Complete       CompleteCmd       `cmd:"" hidden:"" help:"Complete a command line; shells call this."`

	Trainer TrainerCmd `cmd:"" hidden:"" help:"Train; murmur up starts this itself."`
}

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	file := &settings{}
	parser, err := kong.New(&c,
		kong.Name("murmur"),
		kong.Description("murmur trains one language model on many people's computers, without a server."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Resolvers(file),
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "murmur:", err)
		return exitFailed
	}
	k, err := parser.Parse(spelled(args))
	if file.err != nil {
		err = file.err
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "murmur: %s; see murmur --help\n", oneLine(err))
		return exitUsage
	}
	go func() { // a second interrupt ends the process at once
		<-ctx.Done()
		stop()
	}()
	if err := k.Run(&c); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			err = interrupted(err, context.Cause(ctx))
		}
		fmt.Fprintln(os.Stderr, "murmur:", oneLine(err))
		var usage usageError
		if errors.As(err, &usage) {
			return exitUsage
		}
		return exitFailed
	}
	return 0
}

// interrupted is what a command says of an interrupt: where it goes on, if it knows.
func interrupted(err, cause error) error {
	for _, why := range []error{context.Canceled, cause} {
		if said, ok := strings.CutSuffix(err.Error(), ": "+why.Error()); ok {
			return errors.New(said)
		}
	}
	return errors.New("interrupted")
}

// spelled puts what people try first as the commands that there are.
func spelled(args []string) []string {
	switch {
	case len(args) == 0:
		return []string{"--help"}
	case args[0] == "help":
		return append(args[1:len(args):len(args)], "--help")
	case args[0] == "--version":
		return []string{"version"}
	}
	return args
}

// usageError is a wrong use of the command line that only shows when it runs.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// log is text on a terminal and in systemd's journal, which keeps the time itself; JSON elsewhere; always to stderr.
func (c *cli) log() *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if isTerminal(os.Stderr) {
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	if journaled, err := journal.StderrIsJournalStream(); err == nil && journaled {
		options.ReplaceAttr = func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		return slog.New(slog.NewTextHandler(os.Stderr, options))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, options))
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
