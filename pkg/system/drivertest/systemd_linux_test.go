package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/system/drivertest"
	"github.com/eksnode/eksnode/pkg/system/rootfs"
	"github.com/eksnode/eksnode/pkg/system/sysctl"
	"github.com/eksnode/eksnode/pkg/system/systemd"
)

// systemdEnv asks for the tests against the systemd of the machine that they
// run on, as root. They write unit files named eksnode-test-* and take them
// away again. The test binary needs nothing beside it: it is its own service.
const systemdEnv = "EKSNODE_SYSTEMD_TESTS"

// roleEnv makes the test binary behave as a service of some kind.
const roleEnv = "EKSNODE_TEST_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleEnv); role != "" {
		play(role)
	}
	os.Exit(m.Run())
}

// play is a service: it runs until it is ended, unless its role says otherwise.
func play(role string) {
	fmt.Println("role:", role)
	switch role {
	case "exit":
		fmt.Println("these are my last words")
		os.Exit(3)
	case "exit soon":
		time.Sleep(100 * time.Millisecond)
		os.Exit(3)
	case "succeed":
		os.Exit(0)
	case "exit once":
		if os.Mkdir(os.Getenv("ONCE"), 0o755) == nil {
			os.Exit(3)
		}
	case "notify":
		time.Sleep(200 * time.Millisecond)
		conn, err := net.Dial("unixgram", os.Getenv("NOTIFY_SOCKET"))
		if err != nil {
			os.Exit(4)
		}
		_, _ = conn.Write([]byte("READY=1"))
	}
	for {
		time.Sleep(time.Hour)
	}
}

// realUnit is a unit on this machine.
type realUnit struct {
	*systemd.Driver
	name, dir string
}

// newUnit writes a unit file, with lines for its [Service] section, and
// returns a driver for it. systemd does not know the unit yet.
func newUnit(t *testing.T, role string, lines ...string) realUnit {
	t.Helper()
	if os.Getenv(systemdEnv) != "1" {
		t.Skipf("%s=1 is not set: this machine's systemd is not to be tested against", systemdEnv)
	}
	name := "eksnode-test-" + strings.Map(func(r rune) rune {
		if r == '/' || r == '_' || r == '=' || r == '#' {
			return '-'
		}
		return r
	}, t.Name()) + ".service"
	u := realUnit{name: name, dir: t.TempDir()}
	u.Driver = systemd.New(systemd.Options{RunDir: filepath.Join(u.dir, "run"), StateDir: filepath.Join(u.dir, "lib"), Bound: 20 * time.Second})
	t.Cleanup(func() {
		err := errors.Join(u.Remove(context.Background(), u.id()), os.Remove(u.file()))
		u.Close()
		if err = errors.Join(err, systemctl("daemon-reload")); err != nil {
			t.Error(err)
		}
	})
	u.write(t, role, lines...)
	return u
}

func (u realUnit) file() string { return "/etc/systemd/system/" + u.name }
func (u realUnit) id() host.ID  { return host.ID{Kind: host.KindService, Name: u.name} }

func (u realUnit) want(running, enabled bool) host.Service {
	return host.Service{Name: u.name, Running: running, Enabled: enabled, Current: true}
}

func (u realUnit) write(t *testing.T, role string, lines ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	content := fmt.Sprintf("[Unit]\nDescription=eksnode test\n[Service]\nEnvironment=\"%s=%s\"\nExecStart=%s\n%s\n[Install]\nWantedBy=multi-user.target\n",
		roleEnv, role, self, strings.Join(lines, "\n"))
	if err := os.WriteFile(u.file(), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func systemctl(args ...string) error {
	if out, err := exec.Command("systemctl", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("systemctl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// show returns properties of the unit as systemctl has them.
func (u realUnit) show(properties ...string) (string, error) {
	out, err := exec.Command("systemctl", "show", u.name, "--property="+strings.Join(properties, ",")).Output()
	return string(out), err
}

func (u realUnit) print() (string, error) {
	shown, err := u.show("InvocationID", "ActiveState", "UnitFileState", "NRestarts", "MainPID")
	if err != nil {
		return "", err
	}
	notes, err := printTree(u.dir)
	return shown + notes, err
}

func TestServiceDriverKeepsTheLawsOnRealSystemd(t *testing.T) {
	drivertest.Run(t, func(t *testing.T) drivertest.Case {
		u := newUnit(t, "serve")
		return drivertest.Case{
			Driver:  u,
			Wants:   []host.Resource{u.want(true, false), u.want(false, false), u.want(true, true)},
			Exists:  true, // its unit file does
			Removed: func(seen host.Resource) bool { s, ok := seen.(host.Service); return ok && !s.Running && !s.Enabled },
			Print:   u.print,
		}
	})
}

func TestSysctlDriverKeepsTheLawsOnARealKernel(t *testing.T) {
	if os.Getenv(systemdEnv) != "1" {
		t.Skipf("%s=1 is not set: this machine's kernel is not to be tested against", systemdEnv)
	}
	// A parameter of the network namespace, which touches nothing else.
	const key = "net.ipv4.conf.lo.log_martians"
	d := sysctl.New(rootfs.At("/"))
	original, err := d.Observe(t.Context(), host.Sysctl{Key: key})
	if err != nil || original == nil {
		t.Fatalf("%s is %v (%v)", key, original, err)
	}
	t.Cleanup(func() {
		if err := d.Apply(context.Background(), original); err != nil {
			t.Error(err)
		}
	})
	drivertest.Run(t, func(*testing.T) drivertest.Case {
		return drivertest.Case{
			Driver:  d,
			Wants:   []host.Resource{host.Sysctl{Key: key, Value: "1"}, host.Sysctl{Key: key, Value: "0"}},
			Exists:  true,
			Removed: func(seen host.Resource) bool { return seen != nil },
		}
	})
}

func TestRealSystemdKnowsNoUnitWithoutAFile(t *testing.T) {
	u := newUnit(t, "serve")
	unknown := host.Service{Name: "eksnode-test-unknown.service", Running: true, Current: true}
	if seen, err := u.Observe(t.Context(), unknown); seen != nil || err != nil {
		t.Errorf("seen %v (%v)", seen, err)
	}
	if err := u.Remove(t.Context(), unknown.ID()); err != nil {
		t.Errorf("Remove says %v", err)
	}
	if err := u.Apply(t.Context(), unknown); fault.CodeOf(err) != fault.UnitMissing {
		t.Errorf("Apply says %s: %v", fault.CodeOf(err), err)
	}
}

func TestRealServicesThatDoNotStandAreExplained(t *testing.T) {
	for _, row := range []struct {
		name, role string
		lines      []string
		code       fault.Code
		want       []string
	}{
		{"exits at once", "exit", nil, fault.UnitFailed, []string{"result exit-code, exit status 3", "these are my last words"}},
		{"exits within the window", "exit soon", nil, fault.UnitFailed, []string{"result exit-code, exit status 3", "role: exit soon"}},
		{"ends with success", "succeed", nil, fault.UnitFailed, []string{"it ended at once, without an error"}},
		{"restarts for ever", "exit", []string{"Restart=always", "RestartSec=50ms", "[Unit]", "StartLimitIntervalSec=0"}, fault.UnitFailed, []string{"these are my last words", "restarted "}},
		{"program missing", "serve", []string{"ExecStart=", "ExecStart=/no/such/program"}, fault.UnitFailed, []string{"203/EXEC"}},
		{"ExecStartPre fails", "serve", []string{"ExecStartPre=/bin/false"}, fault.UnitFailed, []string{"before its main process started"}},
		{"no program at all", "serve", []string{"ExecStart="}, fault.UnitMissing, []string{"systemd cannot use the unit file"}},
		{"condition does not hold", "serve", []string{"[Unit]", "ConditionPathExists=/no/such/path"}, fault.UnitFailed, []string{"a start condition does not hold", "ConditionPathExists=/no/such/path"}},
		{"requires what is unknown", "serve", []string{"[Unit]", "Requires=eksnode-test-none.service", "After=eksnode-test-none.service"}, fault.UnitMissing, []string{"Unit eksnode-test-none.service not found"}},
		{"kills itself by a signal", "serve", []string{"RuntimeMaxSec=100ms"}, fault.UnitFailed, []string{"result timeout"}},
	} {
		t.Run(strings.ReplaceAll(row.name, " ", "-"), func(t *testing.T) {
			u := newUnit(t, row.role, row.lines...)
			err := u.Apply(t.Context(), u.want(true, false))
			if fault.CodeOf(err) != row.code {
				t.Errorf("got %s: %v", fault.CodeOf(err), err)
			}
			for _, want := range row.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("message does not have %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestARealServiceWhoseRequirementFailsIsExplained(t *testing.T) {
	required := newUnit(t, "exit", "Type=oneshot")
	other := realUnit{name: "eksnode-test-other.service", dir: required.dir, Driver: required.Driver}
	other.write(t, "serve", "[Unit]", "Requires="+required.name, "After="+required.name)
	t.Cleanup(func() {
		if err := errors.Join(other.Remove(context.Background(), other.id()), os.Remove(other.file())); err != nil {
			t.Error(err)
		}
	})
	err := other.Apply(t.Context(), other.want(true, false))
	if fault.CodeOf(err) != fault.UnitFailed || !strings.Contains(err.Error(), "a unit that it requires failed") {
		t.Errorf("got %s: %v", fault.CodeOf(err), err)
	}
}

func TestARealServiceThatNeverBecomesReadyEndsAtTheBound(t *testing.T) {
	u := newUnit(t, "serve", "Type=notify")
	u.Bound = time.Second
	err := u.Apply(t.Context(), u.want(true, false))
	if fault.CodeOf(err) != fault.UnitTimeout || !strings.Contains(err.Error(), "activating (start)") || !strings.Contains(err.Error(), "role: serve") {
		t.Errorf("got %s: %v", fault.CodeOf(err), err)
	}
}

func TestARealServiceThatNotifiesIsReadyWhenItSaysSo(t *testing.T) {
	u := newUnit(t, "notify", "Type=notify")
	if err := u.Apply(t.Context(), u.want(true, false)); err != nil {
		t.Error(err)
	}
}

func TestARealServiceThatDiesOnceIsGivenTime(t *testing.T) {
	once := filepath.Join(t.TempDir(), "once")
	u := newUnit(t, "exit once", "Restart=on-failure", "RestartSec=100ms", "Environment=ONCE="+once)
	if err := u.Apply(t.Context(), u.want(true, false)); err != nil {
		t.Error(err)
	}
	if shown, err := u.show("NRestarts"); err != nil || shown != "NRestarts=1\n" {
		t.Errorf("%q (%v): it did not die, so nothing was tested", shown, err)
	}
}

func TestADebtToARealServiceOutlivesTheAgent(t *testing.T) {
	u := newUnit(t, "serve")
	if err := u.Apply(t.Context(), u.want(true, false)); err != nil {
		t.Fatal(err)
	}
	before, err := u.show("InvocationID")
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Owe(t.Context(), u.id()); err != nil {
		t.Fatal(err)
	}
	u.write(t, "serve", "Environment=NEW=1") // the agent writes, and dies
	u.Close()
	next := u
	next.Driver = systemd.New(u.Options)
	defer next.Close()
	seen, err := next.Observe(t.Context(), u.want(true, false))
	if s, ok := seen.(host.Service); !ok || err != nil || !s.Running || s.Current {
		t.Errorf("seen %+v (%v)", seen, err)
	}
	if err := next.Apply(t.Context(), u.want(true, false)); err != nil {
		t.Fatal(err)
	}
	after, err := u.show("InvocationID")
	if err != nil || after == before {
		t.Errorf("not restarted: %s (%v)", after, err)
	}
	if env, err := u.show("Environment"); err != nil || !strings.Contains(env, "NEW=1") {
		t.Errorf("runs with the old unit file: %s (%v)", env, err)
	}
	if reload, err := u.show("NeedDaemonReload"); err != nil || reload != "NeedDaemonReload=no\n" {
		t.Errorf("%s (%v)", reload, err)
	}
}

func TestTheDriverSurvivesSystemdExecutingItselfAnew(t *testing.T) {
	u := newUnit(t, "serve")
	for range 2 {
		if err := u.Apply(t.Context(), u.want(true, false)); err != nil {
			t.Fatal(err)
		}
		if err := u.Owe(t.Context(), u.id()); err != nil {
			t.Fatal(err)
		}
		if err := systemctl("daemon-reexec"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARealUnitWithoutInstallSectionCannotBeEnabled(t *testing.T) {
	u := newUnit(t, "serve")
	b, err := os.ReadFile(u.file())
	if err != nil {
		t.Fatal(err)
	}
	content, _, _ := strings.Cut(string(b), "[Install]")
	if err := os.WriteFile(u.file(), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	err = u.Apply(t.Context(), u.want(true, true))
	if fault.CodeOf(err) != fault.UnitFailed || !strings.Contains(err.Error(), "no [Install] section") {
		t.Errorf("got %s: %v", fault.CodeOf(err), err)
	}
}
