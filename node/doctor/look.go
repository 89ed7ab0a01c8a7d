package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/murmurnet/murmur/node"
	"github.com/murmurnet/murmur/node/api"
	"github.com/murmurnet/murmur/node/fits"
	"github.com/murmurnet/murmur/node/home"
	"github.com/murmurnet/murmur/node/manifest"
	"github.com/murmurnet/murmur/node/senses/device"
	"github.com/murmurnet/murmur/p2p"
	"github.com/murmurnet/murmur/trainer/worker"
	"github.com/murmurnet/murmur/xla"
)

// answerLimit is how long a daemon may take to say how it is.
const answerLimit = 5 * time.Second

// errStuck says that a daemon is there and does not answer.
var errStuck = fmt.Errorf("the daemon does not answer within %v", answerLimit)

// Params say where to look.
type Params struct {
	Version string
	Dir     home.Dir // empty with DirErr
	DirErr  error    // why there is no directory
	Port    uint16   // that a daemon would listen on
	// Survey tries the backends.
	Survey func(context.Context) ([]xla.Status, error)
}

// Look gathers facts.
func Look(ctx context.Context, p Params) Facts {
	f := Facts{Version: p.Version, Platform: runtime.GOOS + "/" + runtime.GOARCH, Dir: string(p.Dir), DirErr: p.DirErr, Port: p.Port, Clock: clock(), Memory: worker.Free()}
	f.DaemonErr = api.ErrNoDaemon
	if f.DirErr == nil {
		f.readDirectory(p)
	}
	if f.DirErr == nil {
		f.askDaemon(ctx, p.Dir)
	}
	if f.State == nil && !errors.Is(f.DaemonErr, errStuck) {
		f.PortErrs = map[string]error{"UDP": udpFree(p.Port), "TCP": tcpFree(p.Port)}
	}
	f.Backends, f.BackendErr = p.Survey(ctx)
	return f
}

func (f *Facts) readDirectory(p Params) {
	if f.DirErr = usable(f.Dir); f.DirErr != nil {
		return
	}
	f.Disk = disk(f.Dir)
	f.VersionErr = p.Dir.CheckVersion()
	for _, name := range []string{"identity.key", "community.key"} {
		info, err := os.Stat(filepath.Join(f.Dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		s := Secret{Name: name, Err: err}
		if err == nil {
			s.Mode = info.Mode()
		}
		if name == "identity.key" && err == nil {
			_, s.Err = p.Dir.Identity()
		}
		f.Secrets = append(f.Secrets, s)
	}
	if _, err := p.Dir.Settings(); err != nil {
		f.Settings = append(f.Settings, err)
	}
	if _, err := p.Dir.Limits(); err != nil {
		f.Settings = append(f.Settings, err)
	}
	raw, err := p.Dir.Manifest()
	if errors.Is(err, fs.ErrNotExist) {
		_, f.ManifestErr = p.Dir.Swarm() // of no swarm at all
		return
	}
	var m manifest.Manifest
	if err == nil {
		m, _, err = manifest.Decode(raw)
	}
	if f.ManifestErr = err; err != nil {
		return
	}
	f.Swarm, f.Params = m.Name, uint64(m.Model.Layout().Params())
	if f.ManifestErr = m.Runs(p.Version); f.ManifestErr == nil {
		f.Fit, f.ManifestErr = fits.Of(m, node.Spec(m, "", ""), Here(f.Dir))
	}
}

// usable tries whether this account can work in a directory.
func usable(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	file, err := os.CreateTemp(dir, "doctor-*.tmp") // a daemon's start removes it, should this be killed
	if err != nil {
		return err
	}
	_, err = file.WriteString("x")
	return errors.Join(err, file.Close(), os.Remove(file.Name()))
}

func (f *Facts) askDaemon(ctx context.Context, dir home.Dir) {
	ctx, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	client := api.NewClient(string(dir))
	defer client.Close()
	s, err := client.State(ctx)
	switch {
	case err == nil:
		f.State, f.DaemonErr = &s, nil
		if l, err := p2p.ParseLink(s.Link); err == nil {
			f.Port = portOf(l.Addrs, f.Port)
		}
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		f.DaemonErr = errStuck
	default:
		f.DaemonErr = err
	}
}

// portOf is the port in a node's own addresses, such as /ip4/192.0.2.7/udp/4101/quic-v1.
func portOf(addrs []string, usual uint16) uint16 {
	for _, a := range addrs {
		if parts := strings.Split(a, "/"); len(parts) > 4 {
			if port, err := strconv.ParseUint(parts[4], 10, 16); err == nil {
				return uint16(port)
			}
		}
	}
	return usual
}

func udpFree(port uint16) error {
	l, err := net.ListenPacket("udp", ":"+strconv.Itoa(int(port)))
	if err != nil {
		return busy(err)
	}
	return l.Close()
}

func tcpFree(port uint16) error {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(int(port)))
	if err != nil {
		return busy(err)
	}
	return l.Close()
}

// busy drops what an error says of the address.
func busy(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// Here is what a node in a directory may take of this machine: of the first graphics card where there is one, else of its memory.
func Here(dir string) fits.Machine {
	m, err := Machine(dir, "card")
	if err != nil {
		m, _ = Machine(dir, "cpu") // which is always there
	}
	return m
}

// Machine is Here for a device: card, cpu, or auto for either.
func Machine(dir, on string) (m fits.Machine, err error) {
	if on == "auto" {
		return Here(dir), nil
	}
	m = fits.Machine{Disk: disk(dir).Free, Host: worker.Free()}
	if on == "cpu" {
		m.Device, m.Memory = "this machine's processor", worker.Share(m.Host)
		m.Host -= m.Memory
		return m, nil
	}
	cards, err := device.Open()
	if err != nil {
		return m, fmt.Errorf("no graphics card can be asked: %w", err)
	}
	defer func() { _ = cards.Close() }() // it was asked alone
	r, err := cards.Read(0, nil)
	if err != nil {
		return m, err
	}
	m.Device, m.Memory = r.Name, worker.Share(r.Total-min(r.Memory, r.Total))
	return m, nil
}
