package kubelet

import (
	"fmt"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/eksnode/eksnode/pkg/fault"
)

// argsVariable is the variable of the environment file that kubelet's unit
// puts on its command line. Units of EKS images know it by this name.
const argsVariable = "NODEADM_KUBELET_ARGS"

// dropInVariable makes kubelet 1.28 and 1.29 take --config-dir.
const dropInVariable = "KUBELET_CONFIG_DROPIN_DIR_ALPHA"

// flags decides the command line. The order is fixed: configuration,
// credentials, identity, labels, cgroups, registry credentials, and then the
// user's flags in their own order, so that kubelet takes the user's value of a
// flag given twice. (--node-labels adds up.)
func (d *decider) flags() {
	l := d.in.Layout
	flags := []string{"--config=" + l.KubeletConfig}
	add := func(name, value string) { flags = append(flags, name+"="+value) }
	if d.hasDropIn() {
		add("--config-dir", l.KubeletConfigDir)
	}
	add("--kubeconfig", l.Kubeconfig)
	if d.s.Bootstrap {
		add("--bootstrap-kubeconfig", l.BootstrapKubeconfig)
	}
	add("--hostname-override", d.s.NodeName)
	add("--node-ip", d.s.NodeIP)
	add("--cloud-provider", "external")
	if len(d.s.Labels) > 0 {
		add("--node-labels", labelFlag(d.s.Labels))
	}
	add("--runtime-cgroups", "/"+l.RuntimeSlice+"/"+l.ContainerdUnit)
	provider := l.RegistryCredentialProvider()
	add("--image-credential-provider-bin-dir", path.Dir(provider))
	add("--image-credential-provider-config", l.ImageCredentialProviderConfig)
	for _, f := range flags {
		d.fail(oneWord(f))
	}
	d.s.Flags = append(flags, d.user...)
}

// userFlags takes the user's flags, each trimmed, and refuses what the environment
// file cannot hold.
func (d *decider) userFlags() {
	for i, raw := range d.in.Config.Spec.Kubelet.Flags {
		f := strings.TrimSpace(raw)
		if err := fileable(f); err != nil {
			d.fail(fault.New(fault.ConfigInvalid, fmt.Sprintf("Correct spec.kubelet.flags[%d]; give each flag an item of its own.", i),
				fmt.Errorf("cannot use spec.kubelet.flags[%d] %q: %w", i, raw, err)))
			continue
		}
		if f != "" {
			d.user = append(d.user, f)
		}
	}
}

// userWords are the user's flags as kubelet gets them.
func (d *decider) userWords() []word { return words(strings.Join(d.user, " ")) }

// fileable refuses what systemd would not read back from an environment file:
// text that is not UTF-8, line ends, and other control characters.
func fileable(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("it is not UTF-8")
	}
	for _, r := range s {
		if r == '\n' || r == '\r' {
			return fmt.Errorf("it has a line end in it")
		}
		if (r < ' ' && r != '\t') || r == 0x7f {
			return fmt.Errorf("it has the control character %#U in it", r)
		}
	}
	return nil
}

// oneWord refuses a flag of our own that systemd would not hand to kubelet as
// the one word that it is.
func oneWord(flag string) error {
	if err := fileable(flag); err != nil {
		return fmt.Errorf("cannot pass %q to kubelet: %w", flag, err)
	}
	if strings.ContainsAny(flag, " \t\"'\\") {
		return fmt.Errorf("cannot pass %q to kubelet: it has blanks or quotes in it", flag)
	}
	return nil
}

// environment renders the environment file: one NAME=VALUE a line, the flags
// first.
//
// systemd reads it in two steps, and both are kept in mind. The file's parser
// takes an unquoted value to the end of its line, cuts blanks at the ends and
// drops a backslash before any character, so backslashes are doubled here and
// the variable holds the flags exactly, joined by blanks. Then $NODEADM_KUBELET_ARGS
// on the command line is split at blanks, and quotes group words: a user's
// --node-labels="a=b" reaches kubelet without its quotes, as with nodeadm.
func environment(s Settings) []byte {
	line := argsVariable + "=" + strings.ReplaceAll(strings.Join(s.Flags, " "), `\`, `\\`) + "\n"
	if s.DropInByEnvironment {
		line += dropInVariable + "=on\n"
	}
	return []byte(line)
}
