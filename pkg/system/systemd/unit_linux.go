package systemd

import (
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// unit is what systemd says of one unit. The names are those of its D-Bus
// interface (org.freedesktop.systemd1(5)).
type unit struct {
	LoadState  string // loaded, not-found, masked, bad-setting, error
	LoadError  string
	Active     string // ActiveState
	Sub        string // SubState
	FileState  string // UnitFileState
	NeedReload bool   // NeedDaemonReload
	Invocation string // changes with every start

	// The rest is of services alone (Result also of other kinds).
	Type           string
	Result         string
	ExecMainCode   int32 // as si_code of waitid(2): 1 exited, 2 killed, 3 dumped core
	ExecMainStatus int32
	Restarts       uint32 // NRestarts: automatic ones, since the last manual start
}

func (u unit) running() bool {
	return u.Active == "active" || u.Active == "reloading" || u.Active == "refreshing"
}

// idle reports whether nothing of the unit is left or on its way.
func (u unit) idle() bool { return u.Active == "inactive" || u.Active == "failed" }

func (u unit) known() bool { return u.LoadState != "not-found" }

func (u unit) enabled() bool { return u.FileState == "enabled" }

// settlesAtOnce reports whether active means that the program works. systemd
// calls these types active as soon as the program has been forked or executed,
// though it may read its configuration and exit a moment later.
func (u unit) settlesAtOnce() bool {
	return u.Type != "simple" && u.Type != "exec" && u.Type != "idle"
}

// end says how the last run of the unit ended, for people.
func (u unit) end() string {
	var b strings.Builder
	fmt.Fprintf(&b, "result %s", u.Result)
	switch u.ExecMainCode {
	case 0:
		if u.Type != "" && u.Result != "success" {
			b.WriteString(", before its main process started")
		}
	case 1:
		fmt.Fprintf(&b, ", exit status %d", u.ExecMainStatus)
		if name := exitNames()[u.ExecMainStatus]; name != "" {
			fmt.Fprintf(&b, "/%s", name)
		}
	case 2:
		fmt.Fprintf(&b, ", killed by signal %d", u.ExecMainStatus)
	case 3:
		fmt.Fprintf(&b, ", dumped core on signal %d", u.ExecMainStatus)
	}
	if u.Restarts > 0 {
		fmt.Fprintf(&b, ", restarted %d times", u.Restarts)
	}
	return b.String()
}

// exitNames are the exit statuses by which systemd reports that it could not
// even execute the program (systemd.exec(5), "process exit codes").
func exitNames() map[int32]string {
	return map[int32]string{
		200: "CHDIR", 203: "EXEC", 206: "OOM_ADJUST", 208: "STDIN", 209: "STDOUT", 216: "GROUP", 217: "USER",
		218: "CAPABILITIES", 219: "CGROUP", 226: "NAMESPACE", 227: "NO_NEW_PRIVILEGES", 228: "SECCOMP",
		233: "RUNTIME_DIRECTORY", 238: "STATE_DIRECTORY", 240: "LOGS_DIRECTORY", 241: "CONFIGURATION_DIRECTORY",
	}
}

// unitName is what systemd accepts as the name of a unit (systemd.unit(5)).
// It has no slash, so it is also a safe name for a file.
var unitName = lazyregexp.New(`^[A-Za-z0-9:_.\\@-]+\.(service|socket|target|timer|path|slice|mount|scope|swap|automount|device)$`)

// checkName returns an error unless name is the full name of a unit.
func checkName(name string) error {
	if len(name) > 255 || !unitName.MatchString(name) {
		return fmt.Errorf("%q is no name of a systemd unit", name)
	}
	return nil
}
