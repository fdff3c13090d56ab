// Command eksnode turns a machine into a Ready node of an EKS cluster.
//
// Called by the name nodeadm or nodeadm-internal it speaks that program's
// command line; called by the name ecr-credential-provider it is kubelet's
// image credential provider.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/system/console"
)

// Set by the linker; see the Makefile.
var (
	version = "0.0.0-dev"
	commit  = "unknown"
)

// collection is the garbage collector's percentage. With the usual 100 it begins
// at 4 MB, which a boot's config phase allocates, and is then the largest single
// thing that this costs; at 8 MB that is over.
const collection = 200

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collection)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks, a second one ends the program whatever it does.
	context.AfterFunc(ctx, stop)
	a := &app{
		name: filepath.Base(os.Args[0]), args: os.Args[1:],
		stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, now: time.Now, euid: os.Geteuid(),
		console: console.Device, open: (*app).openPlatform,
	}
	code := a.run(ctx)
	stop()
	os.Exit(code)
}

// app is one invocation: everything that a verb may use of the outside world.
type app struct {
	name           string
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	euid           int
	// console is the device on which verdicts are said.
	console string
	// open returns the platform of a name.
	open func(a *app, name string) (platform.Platform, error)

	log       *slog.Logger
	logFormat string
	platform  string
}

// run executes the command line and returns the exit status: 0 done, 1 error;
// plan also 2 for changes, and nodeadm's personality 2 for wrong usage.
func (a *app) run(ctx context.Context) int {
	switch {
	case strings.TrimSuffix(a.name, ".exe") == "ecr-credential-provider":
		a.args = []string{"credential-provider"}
	case a.name == "nodeadm" || a.name == "nodeadm-internal":
		return a.runNodeadm(ctx)
	}
	root := a.root()
	root.SetArgs(a.args)
	err := root.ExecuteContext(ctx)
	return a.exit(err)
}

// status is an exit status that is no error, such as plan's 2.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// exit prints an error as a person reads it and returns the exit status.
func (a *app) exit(err error) int {
	if err == nil {
		return 0
	}
	if s, ok := errors.AsType[status](err); ok {
		return int(s)
	}
	f := bootstrap.NewFailure(err)
	fmt.Fprintf(a.stderr, "eksnode: %s\n", f.Message)
	if _, classified := fault.Find(err); classified {
		fmt.Fprintf(a.stderr, "  code:   %s\n", f.Code)
	}
	if f.Remedy != "" {
		fmt.Fprintf(a.stderr, "  remedy: %s\n", f.Remedy)
	}
	return 1
}
