package command

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

const (
	// searchPath is that of programs which systemd starts (systemd.exec(5)).
	searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// markVariable tells the processes of a run from all others.
	markVariable = "EKSNODE_RUN_MARK"
	// lingering is how long the output of a program that has ended is still read:
	// what it leaves in the background may hold it open for ever.
	lingering = 2 * time.Second
	// aliveEvery is how often one looks whether processes that were told to end
	// have ended.
	aliveEvery = 50 * time.Millisecond
)

// errTimeout is the cause of a context that the command's own timeout has ended.
var errTimeout = errors.New("its timeout is over")

// proxies are the variables that programs take proxies from, in both spellings.
func proxies() []string {
	return []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}
}

// run runs a program to its end, in a process group of its own.
func (d *Driver) run(ctx context.Context, c host.Command, p paths) error {
	if err := check(c); err != nil {
		return failed(c, -1, "Correct the command.", err)
	}
	mark, err := newMark()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(p.running, []byte(mark), atomicfile.Attr{Mode: 0o600, UID: -1, GID: -1, Lazy: true}); err != nil {
		return fmt.Errorf("cannot note that it runs: %w", err)
	}
	result := d.execute(ctx, c, mark)
	if err := atomicfile.Remove(p.running); err != nil {
		return errors.Join(result, err)
	}
	return result
}

// check says what is wrong with a program before it is started, better than the
// kernel would.
func check(c host.Command) error {
	if len(c.Args) == 0 || !filepath.IsAbs(c.Args[0]) {
		return errors.New("the command does not begin with the absolute path of a program")
	}
	info, err := os.Stat(c.Args[0])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no program %s", c.Args[0])
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no program, but %s", c.Args[0], kind(info.Mode()))
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not executable: its mode is %04o", c.Args[0], info.Mode().Perm())
	}
	return nil
}

func kind(m fs.FileMode) string {
	if m.IsDir() {
		return "a directory"
	}
	return "a special file"
}

// newMark returns a mark that no other run has.
func newMark() (string, error) {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		return "", fmt.Errorf("cannot make a mark: %w", err)
	}
	return hex.EncodeToString(b), nil
}

// execute starts a program, and returns when it has ended or has been ended.
func (d *Driver) execute(ctx context.Context, c host.Command, mark string) error {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Timeout, errTimeout)
		defer cancel()
	}
	env := d.environment(c, mark)
	out := newOutput(d.Log.With("program", c.Name), secrets(env))
	defer out.Close()
	cmd := &exec.Cmd{
		Path: c.Args[0], Args: c.Args, Dir: filepath.FromSlash("/"), Stdout: out, Stderr: out,
		WaitDelay: lingering, SysProcAttr: attributes(),
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	started, ended := start(cmd)
	if err := <-started; err != nil {
		return unstartable(c, err)
	}
	d.Log.Info("program runs", "program", c.Name, "path", c.Args[0], "pid", cmd.Process.Pid, "timeout", c.Timeout)
	select {
	case err := <-ended:
		return verdict(c, err)
	case <-ctx.Done():
	}
	select {
	case err := <-ended: // in the same instant
		return verdict(c, err)
	default:
	}
	gone := d.end(c.Name, cmd.Process, mark, ended)
	if !errors.Is(context.Cause(ctx), errTimeout) {
		return fmt.Errorf("its program %s was ended: %w", c.Args[0], context.Cause(ctx))
	}
	err := fmt.Errorf("%s ran past its timeout of %s and was killed with its children", c.Args[0], c.Timeout)
	if !gone {
		err = fmt.Errorf("%s ran past its timeout of %s and cannot be killed", c.Args[0], c.Timeout)
	}
	return failed(c, -1, "See its output in the journal for what it waits for, or give it a longer timeout.", err)
}

// start starts a program and waits for it, both on one thread that does nothing
// else: the signal that a child gets at its parent's death (PR_SET_PDEATHSIG,
// prctl(2)) comes when the thread ends that has started it.
func start(cmd *exec.Cmd) (started, ended <-chan error) {
	s, e := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		s <- err
		if err == nil {
			e <- cmd.Wait()
		}
	}()
	return s, e
}

// end asks a program and its children to end, kills them when they do not within
// the grace, and reports whether they are gone: what hangs in the kernel is not.
func (d *Driver) end(name string, p *os.Process, mark string, ended <-chan error) (gone bool) {
	d.Log.Warn("program is told to end", "program", name, "killed in", d.Grace)
	_ = terminate(p) // it may have ended meanwhile
	reaped := d.await(p, ended, false)
	if !reaped || alive(p.Pid) {
		_ = kill(p)
	}
	killMarked(mark) // those that have left the group
	return d.await(p, ended, reaped) && !alive(p.Pid)
}

// await waits for the grace until a program has been reaped and its group is empty.
// It reports whether the program has been reaped.
func (d *Driver) await(p *os.Process, ended <-chan error, reaped bool) bool {
	deadline := time.NewTimer(d.Grace)
	defer deadline.Stop()
	look := time.NewTicker(aliveEvery)
	defer look.Stop()
	for !reaped || alive(p.Pid) {
		select {
		case <-ended:
			reaped = true
		case <-look.C:
		case <-deadline.C:
			return reaped
		}
	}
	return reaped
}

// verdict turns how a program has ended into an error.
func verdict(c host.Command, err error) error {
	exit, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay):
		return nil // what it has left in the background holds its output: not ours to end
	case !ok:
		return failed(c, -1, "", fmt.Errorf("cannot wait for %s: %w", c.Args[0], err))
	case exit.ExitCode() < 0:
		return failed(c, -1, "See its output in the journal, and the kernel's log for a lack of memory.", fmt.Errorf("%s was ended: %s", c.Args[0], exit))
	}
	return failed(c, exit.ExitCode(), "See its output in the journal: journalctl -u eksnode-config -u eksnode-run.",
		fmt.Errorf("%s failed with exit code %d", c.Args[0], exit.ExitCode()))
}

// unstartable is the error for a program that is there and that the kernel refuses.
func unstartable(c host.Command, err error) error {
	remedy := ""
	switch {
	case errors.Is(err, syscall.ENOEXEC):
		remedy = "Begin a script with its interpreter, such as #!/bin/sh; a program must be made for this architecture."
	case errors.Is(err, fs.ErrNotExist): // the program is there, check has seen it
		remedy = "Install the interpreter that the program names in its first line, or its dynamic linker; a script must not have Windows line ends."
	case errors.Is(err, fs.ErrPermission):
		remedy = "Look for a filesystem that is mounted noexec, and at SELinux."
	}
	return failed(c, -1, remedy, fmt.Errorf("cannot start %s: %w", c.Args[0], err))
}

// failed is the failure of a program.
func failed(c host.Command, exitCode int, remedy string, err error) error {
	return &host.RunError{ExitCode: exitCode, Tolerated: c.Tolerate, Err: fault.New(fault.HookFailed, remedy, err)}
}

// environment is what a program gets: nothing of the agent's but its proxies.
func (d *Driver) environment(c host.Command, mark string) map[string]string {
	env := map[string]string{"PATH": searchPath}
	for _, name := range proxies() {
		if v := d.Getenv(name); v != "" {
			env[name] = v
		}
	}
	maps.Copy(env, c.Env)
	env[markVariable] = mark
	return env
}
