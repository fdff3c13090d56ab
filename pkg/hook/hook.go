// Package hook decides which of a person's own programs are run on the way to a
// node: before any file is written, before kubelet starts, and when the node is
// Ready.
//
// A hook is run at least once a boot, or at least once in the machine's life, and
// again when anything about it changes. "Once in the machine's life" is once for an
// instance ID: a machine image made of a node runs its hooks anew. The package is
// pure; package system/command runs the programs.
package hook

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Name is the component's name.
const Name = "hooks"

// Component returns the component of hooks. The stage of a hook decides where it
// stands among the resources of all components, not when this one is asked.
func Component() node.Component {
	return node.Component{Name: Name, Desired: Desired, Reasons: reasons}
}

// Settings is everything that is decided about hooks.
type Settings struct {
	// Commands are in the order of the configuration.
	Commands []host.Command `json:"commands,omitempty"`
	Why      []node.Reason  `json:"why,omitempty"`
}

// Desired returns the programs to be run.
func Desired(in node.Input) ([]host.Resource, error) {
	s, err := Decide(in)
	if err != nil {
		return nil, err
	}
	var out []host.Resource
	for _, c := range s.Commands {
		out = append(out, c)
	}
	return out, nil
}

func reasons(in node.Input) []node.Reason {
	s, err := Decide(in)
	if err != nil {
		return nil
	}
	return s.Why
}

// Decide decides everything about hooks. It returns all that is wrong with them at
// once, each as a fault.
func Decide(in node.Input) (Settings, error) {
	var s Settings
	var errs []error
	seen := map[string]bool{}
	for _, h := range in.Config.Spec.Hooks {
		c, err := command(in, h)
		if err == nil && seen[h.Name] {
			err = errors.New("there are two of that name")
		}
		if err != nil {
			errs = append(errs, refusal(h.Name, err))
			continue
		}
		seen[h.Name] = true
		s.Commands = append(s.Commands, c)
		s.Why = append(s.Why, node.Reason{Setting: "hook " + h.Name, Value: words(c.Args), From: manner(c)})
	}
	if len(errs) > 0 {
		return Settings{}, errors.Join(errs...)
	}
	return s, nil
}

// words writes a command on one line for people, each argument so that it is seen
// where it begins and ends.
func words(args []string) string {
	out := make([]string, len(args))
	for i, a := range args {
		if out[i] = a; a == "" || strings.ContainsFunc(a, func(r rune) bool { return r <= ' ' || r == '"' || !unicode.IsPrint(r) }) {
			out[i] = strconv.Quote(a)
		}
	}
	return strings.Join(out, " ")
}

// refusal gives an error about a hook a code, unless it has one already.
func refusal(name string, err error) error {
	wrapped := fmt.Errorf("cannot use hook %q: %w", name, err)
	if _, classified := fault.Find(err); classified {
		return wrapped
	}
	return fault.New(fault.ConfigInvalid, "Correct spec.hooks.", wrapped)
}

// manner says in one phrase when and how a hook is run.
func manner(c host.Command) string {
	often, failure := "every boot", "ends the run"
	if c.Once {
		often = "once on this machine"
	}
	if c.Tolerate {
		failure = "is a warning"
	}
	return fmt.Sprintf("spec.hooks: %s, %s, within %s, a failure %s", c.Stage, often, c.Timeout, failure)
}

// command turns a hook into what is to be run. Values of variables are never part
// of an error.
func command(in node.Input, h api.Hook) (host.Command, error) {
	c := host.Command{Name: "hook/" + h.Name, Args: h.Command}
	if h.Name == "" {
		return c, errors.New("it has no name")
	}
	if len(h.Command) == 0 || !path.IsAbs(h.Command[0]) {
		return c, errors.New("its command does not begin with the absolute path of a program")
	}
	for _, arg := range h.Command {
		if strings.ContainsRune(arg, 0) {
			return c, errors.New("its command has a NUL character in it")
		}
	}
	var err error
	if c.Stage, err = stage(h.Stage); err != nil {
		return c, err
	}
	if c.Timeout, err = timeout(h.Timeout); err != nil {
		return c, err
	}
	switch h.OnFailure {
	case "", api.HookFail:
	case api.HookWarn:
		c.Tolerate = true
	default:
		return c, fmt.Errorf("onFailure is %q: known are fail and warn", h.OnFailure)
	}
	switch h.Run {
	case "", api.HookEveryBoot:
	case api.HookOnce:
		c.Once = true
	default:
		return c, fmt.Errorf("run is %q: known are boot and once", h.Run)
	}
	if c.Env, err = environment(in, h, c.Stage); err != nil {
		return c, err
	}
	c.Digest, err = digest(in, h, c)
	return c, err
}

func stage(s api.HookStage) (host.Stage, error) {
	switch s {
	case api.HookPreConfig:
		return host.StagePreConfig, nil
	case api.HookPreKubelet:
		return host.StagePreKubelet, nil
	case api.HookPostReady:
		return host.StagePostReady, nil
	}
	return "", fmt.Errorf("its stage is %q: known are pre-config, pre-kubelet and post-ready", s)
}

func timeout(s string) (time.Duration, error) {
	if s == "" {
		s = api.DefaultHookTimeout
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("its timeout %q is no duration", s)
	}
	if d <= 0 {
		return 0, fmt.Errorf("its timeout %q is not above zero", s)
	}
	return d, nil
}

// environment is what the hook asks for, on top of the agent's way out and of what
// says which node this is. A fact that nobody has told has no variable.
func environment(in node.Input, h api.Hook, stage host.Stage) (map[string]string, error) {
	env := map[string]string{}
	proxy, ok := in.AgentProxy()
	if !ok { // the agent's own environment has it
		proxy = node.Proxy{}
	}
	for name, value := range proxy.Variables() {
		env[name] = value.Reveal()
	}
	for name, value := range map[string]string{
		"EKSNODE_NODE_NAME":     in.Instance.NodeName,
		"EKSNODE_CLUSTER":       in.Config.Spec.Cluster.Name,
		"EKSNODE_INSTANCE_ID":   in.Instance.ID,
		"EKSNODE_INSTANCE_TYPE": in.Instance.Type,
		"EKSNODE_REGION":        in.Instance.Region,
		"EKSNODE_ZONE":          in.Instance.Zone,
		"EKSNODE_STAGE":         string(stage),
	} {
		if value != "" {
			env[name] = value
		}
	}
	for name, value := range h.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(value.Reveal(), 0) {
			return nil, fmt.Errorf("its variable %q cannot be one", name)
		}
		if strings.HasSuffix(strings.ToLower(name), "_proxy") { // one spelling stands for both
			delete(env, strings.ToLower(name))
			delete(env, strings.ToUpper(name))
		}
	}
	for name, value := range h.Env {
		env[name] = value.Reveal()
	}
	return env, nil
}

// digest stands for all that a person has said about the hook. What the machine
// says of itself is not part of it, but for the instance of a hook that is run once:
// its note outlives a reboot, and would come along in a machine image.
func digest(in node.Input, h api.Hook, c host.Command) (string, error) {
	machine := ""
	if c.Once {
		if err := in.Require("instance.id"); err != nil {
			return "", err
		}
		machine = in.Instance.ID
	}
	env := map[string]string{}
	for name, value := range h.Env {
		env[name] = value.Reveal()
	}
	b, err := json.Marshal(struct {
		Args     []string          `json:"args"`
		Env      map[string]string `json:"env"`
		Timeout  time.Duration     `json:"timeout"`
		Tolerate bool              `json:"tolerate"`
		Once     bool              `json:"once"`
		Stage    host.Stage        `json:"stage"`
	}{c.Args, env, c.Timeout, c.Tolerate, c.Once, c.Stage})
	if err != nil {
		return "", fmt.Errorf("cannot tell one version of it from another: %w", err)
	}
	return host.Digest(string(b), machine), nil
}
