package p2p

import (
	"context"
	"log/slog"
	"os"
	"sync/atomic"

	golog "github.com/ipfs/go-log/v2"
	"github.com/libp2p/go-libp2p/gologshim"
	"go.uber.org/zap/zapcore"
)

// logSink is where the process-wide loggers of libp2p write: the handler of the
// Network that was made last. libp2p knows no logger of a host's own.
var logSink atomic.Pointer[slog.Handler]

// bridgeLogs sends libp2p's logs to a handler, two levels down: what libp2p
// calls an error (a peer hung up) is at most a warning here, and its warnings
// are daily life on home networks.
func bridgeLogs(h slog.Handler) {
	if logSink.Swap(&h) != nil {
		return
	}
	gologshim.SetDefaultHandler(bridge{})
	golog.SetPrimaryCore(zapBridge{zapcore.NewNopCore(), nil}) // kad-dht
	// quic-go prints a hint about kernel buffers on stderr; it is no news to a
	// volunteer who cannot change them.
	_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true")
}

// bridge forwards to logSink with the attributes that its logger was given.
type bridge struct{ attrs []slog.Attr }

func lowered(l slog.Level) slog.Level {
	if l >= slog.LevelError {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// Enabled drops libp2p's own info and debug lines altogether.
func (b bridge) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && (*logSink.Load()).Enabled(ctx, lowered(l))
}

// Handle writes the record under the lowered level.
func (b bridge) Handle(ctx context.Context, r slog.Record) error {
	r = r.Clone()
	r.Level = lowered(r.Level)
	r.AddAttrs(b.attrs...)
	return (*logSink.Load()).Handle(ctx, r)
}

// WithAttrs keeps the attributes for Handle.
func (b bridge) WithAttrs(attrs []slog.Attr) slog.Handler {
	return bridge{attrs: append(b.attrs[:len(b.attrs):len(b.attrs)], attrs...)}
}

// WithGroup is flat: libp2p uses no groups.
func (b bridge) WithGroup(string) slog.Handler { return b }

// zapBridge forwards the records of libraries that still log through zap, in the same way.
type zapBridge struct {
	zapcore.Core
	fields []zapcore.Field
}

// Enabled follows go-log, where only errors are on.
func (z zapBridge) Enabled(l zapcore.Level) bool { return l >= zapcore.ErrorLevel }

// With keeps the fields for Write.
func (z zapBridge) With(fields []zapcore.Field) zapcore.Core {
	return zapBridge{z.Core, append(z.fields[:len(z.fields):len(z.fields)], fields...)}
}

// Check adds the bridge to the writers of an entry.
func (z zapBridge) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if z.Enabled(e.Level) {
		return c.AddCore(e, z)
	}
	return c
}

// Write turns the entry into a slog record.
func (z zapBridge) Write(e zapcore.Entry, fields []zapcore.Field) error {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range append(z.fields[:len(z.fields):len(z.fields)], fields...) {
		f.AddTo(enc)
	}
	b := bridge{attrs: []slog.Attr{slog.String("logger", e.LoggerName)}}
	ctx := context.Background()
	if !b.Enabled(ctx, slog.LevelError) {
		return nil
	}
	r := slog.NewRecord(e.Time, slog.LevelError, e.Message, 0)
	for k, v := range enc.Fields {
		r.AddAttrs(slog.Any(k, v))
	}
	return b.Handle(ctx, r)
}
