package speed

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/murmurnet/murmur/trainer/worker"
)

// rival is the same training in a program of another framework's, such as docs/bench/train_jax.py: it gets the model as one
// JSON argument, and for each number of steps on its input answers with tokens/s.
type rival struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func newRival(ctx context.Context, command []string, s worker.Spec) (*rival, error) {
	c := s.Model
	description, err := json.Marshal(map[string]any{
		"vocab": c.Vocab, "dim": c.Dim, "layers": c.Layers, "heads": c.Heads, "kv_heads": c.KVHeads, "head_dim": c.HeadDim, "ffn": c.FFN,
		"seq_len": c.SeqLen, "rope_theta": c.RopeTheta, "norm_eps": c.NormEps, "tied": c.Tied, "batch": s.Batch,
	})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, command[0], append(command[1:len(command):len(command)], string(description))...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", command[0], err)
	}
	return &rival{cmd: cmd, in: in, out: bufio.NewScanner(out)}, nil
}

func (r *rival) run(_ context.Context, n int) (float64, error) {
	if _, err := fmt.Fprintln(r.in, n); err != nil {
		return 0, fmt.Errorf("%s ended: %w", r.cmd.Path, err)
	}
	if !r.out.Scan() {
		return 0, errors.Join(fmt.Errorf("%s ended without an answer", r.cmd.Path), r.out.Err())
	}
	rate, err := strconv.ParseFloat(strings.TrimSpace(r.out.Text()), 64)
	if err != nil || !(rate > 0) {
		return 0, fmt.Errorf("%s answered %q: want tokens/s", r.cmd.Path, r.out.Text())
	}
	return rate, nil
}

func (r *rival) close() error {
	return errors.Join(r.in.Close(), r.cmd.Wait())
}
