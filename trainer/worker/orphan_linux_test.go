package worker

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// alive tells whether a process runs; one that has ended and that nobody has waited for yet does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
}

func TestKilledDaemonLeavesNoOrphan(t *testing.T) {
	p := params(t, "daemon")
	daemon := exec.Command(p.Command[0])
	daemon.Env = append(os.Environ(), append(p.Env, exchangeEnv+"="+p.Exchange)...)
	daemon.Stderr = os.Stderr
	out, err := daemon.StdoutPipe()
	must(t, err)
	must(t, daemon.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	must(t, err)
	if !alive(pid) {
		t.Fatal("the child is not there to begin with")
	}
	must(t, daemon.Process.Kill())
	_ = daemon.Wait() // it was killed
	gone(t, pid)
	if _, err := os.Stat(p.Exchange); err == nil {
		t.Error("the exchange file is left behind")
	}
}

func gone(t *testing.T, pid int) {
	t.Helper()
	for late := time.Now().Add(await); alive(pid); {
		if time.Now().After(late) {
			t.Fatalf("process %d still lives", pid)
		}
		time.Sleep(time.Millisecond)
	}
}

// Without the kernel's help: the child itself sees that stdin has ended, in the middle of a step that never does.
func TestStdinEndsInAStep(t *testing.T) {
	p := params(t, "fake", hangEnv+"=2")
	file, err := createExchange(p.Exchange, p.Spec.Model.Layout().Params())
	must(t, err)
	defer func() { must(t, file.close()) }()
	child := exec.Command(p.Command[0])
	child.Env = append(os.Environ(), p.Env...)
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	must(t, err)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	for i, r := range []string{
		line(t, opInit, initArgs{Spec: p.Spec, Exchange: p.Exchange}), line(t, opLoad, loadArgs{}), line(t, opRun, Run{Active: 1}),
	} {
		_, err := fmt.Fprintf(in, r, i+1)
		must(t, err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), eventProgress) {
	}
	must(t, in.Close())
	if rest, err := io.ReadAll(out); err != nil || len(rest) > 0 {
		t.Errorf("the child still wrote %q, %v", rest, err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("the child ended with %v", err)
	}
}

// cpu is the processor time that a process has used, in ticks of 10 ms.
func cpu(t *testing.T, pid int) (ticks int) {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(t, err)
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(rest) // from the third of proc(5) on: utime is 14, stime 15
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(string(f))
		must(t, err)
		ticks += n
	}
	return ticks
}

func TestPausedChildIsIdle(t *testing.T) {
	ctx, p := t.Context(), start(t, params(t, "fake"))
	must(t, p.Load(ctx, 0, false))
	must(t, p.Run(ctx, Run{Active: 1}))
	steps(t, p, 10)
	must(t, p.Pause(ctx))
	before := cpu(t, p.Pid())
	time.Sleep(300 * time.Millisecond) // long enough to see a loop that spins: 30 ticks
	if used := cpu(t, p.Pid()) - before; used > 3 {
		t.Errorf("a paused child used %d ms of processor time in 300", 10*used)
	}
}
