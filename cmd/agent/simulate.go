package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/bootstrap"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
	"github.com/eksnode/eksnode/pkg/platform"
	"github.com/eksnode/eksnode/pkg/platform/ec2"
)

// simulateFlags describe a machine that is not here, and what to compare it with.
type simulateFlags struct {
	as         string
	zone       string
	kubernetes string
	containerd string
	os         string
	cni        string
	facts      []string
	input      string
	against    string
}

func (f *simulateFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.as, "as", "", "decide for another machine, as ec2:m5.large; asks nobody and needs neither root nor Linux")
	flags.StringVar(&f.zone, "zone", "", "with --as: its zone (default us-west-2a)")
	flags.StringVar(&f.kubernetes, "kubernetes", "", "with --as: its version of Kubernetes, as 1.36 (default: the newest known)")
	flags.StringVar(&f.containerd, "containerd", "", "with --as: its version of containerd (default: what EKS images of that time have)")
	flags.StringVar(&f.os, "os", "", "with --as: its operating system, as amzn-2023 or ubuntu-24.04 (default amzn-2023)")
	flags.StringVar(&f.cni, "cni", "", "the cluster's network plugin in place of spec.cni: a profile and its options, as vpc-cni+prefixDelegation+maxENIs=4")
	flags.StringArrayVar(&f.facts, "fact", nil, "with --as: NAME=VALUE of something else about it, as instance.tags.team=ml; repeatable. Known: "+strings.Join(ec2.SimulatedFacts(), ", "))
}

// asked reports whether a machine that is not here is meant.
func (f simulateFlags) asked() bool { return f.as != "" || f.input != "" }

// check refuses options that would have no effect.
func (f simulateFlags) check() error {
	if f.as != "" && f.input != "" {
		return errors.New("cannot decide for two machines: give --as or --input")
	}
	if f.as == "" {
		for _, o := range []struct{ name, value string }{
			{"zone", f.zone}, {"kubernetes", f.kubernetes}, {"containerd", f.containerd}, {"os", f.os}, {"fact", strings.Join(f.facts, "")},
		} {
			if o.value != "" {
				return fmt.Errorf("cannot use --%s without --as, which names the machine it is about", o.name)
			}
		}
	}
	if f.against != "" && !f.asked() {
		return errors.New("cannot use --against without --as or --input; plain plan compares with this machine")
	}
	if f.as != "" {
		_, err := f.instanceType()
		return err
	}
	return nil
}

// instanceType is the type that --as names, or the pattern of types.
func (f simulateFlags) instanceType() (string, error) {
	kind, instanceType, ok := strings.Cut(f.as, ":")
	switch {
	case !ok && strings.Contains(kind, "."):
		return "", fmt.Errorf("cannot decide for %q: write ec2:%s", f.as, f.as)
	case !ok || kind != "ec2" || instanceType == "":
		return "", fmt.Errorf("cannot decide for %q: write ec2: and an instance type, as ec2:m5.large", f.as)
	}
	return instanceType, nil
}

// simulation is a machine that is not here, and how to decide about it.
type simulation struct {
	platform platform.Platform
	// saved is the input that a node has saved; nil for a described machine.
	saved *node.Input
	// assumed is what was taken for granted about the machine.
	assumed []string
}

// simulation makes the machine that the flags mean.
func (a *app) simulation(f simulateFlags) (simulation, error) {
	if err := f.check(); err != nil {
		return simulation{}, err
	}
	if f.input != "" {
		in, err := readInput(f.input)
		if err != nil {
			return simulation{}, err
		}
		p, err := a.open(a, "ec2")
		if err != nil {
			return simulation{}, err
		}
		p.Gather = func(_ context.Context, q platform.Question) (node.Input, error) {
			out := in
			out.Config = q.Config
			return out, nil
		}
		return simulation{platform: p, saved: &in}, nil
	}
	instanceType, err := f.instanceType()
	if err != nil {
		return simulation{}, err
	}
	facts := map[string]string{}
	for _, fact := range f.facts {
		name, value, ok := strings.Cut(fact, "=")
		if !ok {
			return simulation{}, fmt.Errorf("cannot read --fact %q: write NAME=VALUE", fact)
		}
		facts[name] = value
	}
	p, assumed, err := ec2.Simulated(ec2.Machine{
		Type: instanceType, Zone: f.zone, Kubernetes: f.kubernetes, Containerd: f.containerd, OS: f.os, Facts: facts,
	}, a.log)
	return simulation{platform: p, assumed: assumed}, err
}

// maxInput bounds a saved input; a real one has some 20 KiB.
const maxInput = 4 << 20

// readInput reads the input that a node has saved (/run/eksnode/input.json).
func readInput(path string) (node.Input, error) {
	b, err := readBounded(path, maxInput)
	if err != nil {
		return node.Input{}, err
	}
	in, err := decodeInput(b)
	if err != nil {
		return node.Input{}, fault.New(fault.ConfigUnreadable, "Give the input.json that a node has saved in /run/eksnode.",
			fmt.Errorf("cannot read the saved input %s: %w", path, err))
	}
	return in, nil
}

func decodeInput(b []byte) (node.Input, error) {
	var in node.Input
	if err := json.Unmarshal(b, &in); err != nil {
		return node.Input{}, err
	}
	if in.Layout.Kubelet == "" {
		return node.Input{}, errors.New("it has no layout")
	}
	return in, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > limit {
		err = fmt.Errorf("%s has more than %d MiB", path, limit>>20)
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, fault.New(fault.ConfigUnreadable, "Check that the path is right and that you may read it.", fmt.Errorf("cannot read %s: %w", path, err))
	}
	return b, nil
}

// simulatedInput is what is known of the machine with a configuration from sources.
// Without sources a saved input keeps its own configuration, but for what cni says.
func (a *app) simulatedInput(ctx context.Context, s simulation, cni string, sources []string) (node.Input, error) {
	if len(sources) == 0 && s.saved != nil {
		in := *s.saved
		var err error
		if cni != "" {
			in.Config.Spec.CNI, err = parseCNI(cni)
		}
		return in, err
	}
	if err := needSources(sources); err != nil {
		return node.Input{}, err
	}
	l, err := a.loadFor(ctx, s, cni, sources)
	if err != nil {
		return node.Input{}, err
	}
	return s.platform.Gather(ctx, platform.Question{Config: l.Merged.Config, Log: a.log})
}

// needSources refuses to ask a machine that is not here for its user data.
func needSources(sources []string) error {
	if len(sources) > 0 {
		return nil
	}
	return fault.New(fault.ConfigMissing, "Name a file with user data, or - for standard input.",
		errors.New("cannot decide for a machine that is not here without a configuration"))
}

// loadFor reads the configuration for a machine that is not here.
func (a *app) loadFor(ctx context.Context, s simulation, cni string, sources []string) (bootstrap.Loaded, error) {
	o := bootstrap.LoadOptions{URIs: sources, Stdin: a.stdin, Now: a.now()}
	if cni == "" {
		return bootstrap.Load(ctx, s.platform, o)
	}
	option, err := cniOption(cni)
	if err != nil {
		return bootstrap.Loaded{}, err
	}
	o.Option = &option
	return bootstrap.Load(ctx, s.platform, o)
}

// simulate plans for a machine that is not here.
func (a *app) simulate(ctx context.Context, f simulateFlags, sources, only []string) (bootstrap.Decision, error) {
	s, err := a.simulation(f)
	if err != nil {
		return bootstrap.Decision{}, err
	}
	if err := known(s.platform, only); err != nil {
		return bootstrap.Decision{}, err
	}
	in, err := a.simulatedInput(ctx, s, f.cni, sources)
	if err != nil {
		return bootstrap.Decision{}, err
	}
	var base host.State
	var notes []string
	if len(s.assumed) > 0 {
		notes = append(notes, "assumed: "+strings.Join(s.assumed, "; "))
	}
	if f.against != "" {
		notes = append(notes, "compared with "+f.against+", not with an empty machine")
		other, saved, err := a.otherInput(ctx, s, f)
		if err == nil && saved != (s.saved != nil && len(sources) == 0) {
			notes = append(notes, "secrets are not compared: a saved input does not hold them")
			in, other, err = withoutSecrets(in, other)
		}
		if err == nil {
			base, err = node.Desired(other, s.platform.Components)
		}
		if err != nil {
			return bootstrap.Decision{}, fmt.Errorf("cannot decide for --against: %w", err)
		}
	}
	d, err := bootstrap.Compare(ctx, in, s.platform.Components, base)
	d.Plan = bootstrap.Scope{Only: only}.Filter(d.Plan)
	d.Notes = append(notes, d.Notes...)
	return d, err
}

// otherInput is the machine with the configuration of --against, or the node whose
// saved input that is.
func (a *app) otherInput(ctx context.Context, s simulation, f simulateFlags) (in node.Input, saved bool, err error) {
	b, err := readBounded(f.against, maxInput)
	if err != nil {
		return node.Input{}, false, err
	}
	if in, err = decodeInput(b); err == nil {
		return in, true, nil
	}
	in, err = a.simulatedInput(ctx, s, f.cni, []string{"file://" + f.against}) // it is a configuration
	return in, false, err
}

// withoutSecrets returns both inputs as they would be saved, with their secrets
// hidden, so that they can be compared.
func withoutSecrets(a, b node.Input) (node.Input, node.Input, error) {
	var out [2]node.Input
	for i, in := range []node.Input{a, b} {
		text, err := json.Marshal(in)
		if err == nil {
			err = json.Unmarshal(text, &out[i])
		}
		if err != nil {
			return node.Input{}, node.Input{}, fmt.Errorf("cannot compare with a saved input: %w", err)
		}
	}
	return out[0], out[1], nil
}

// cniOption is --cni as a document, which takes the place of spec.cni.
func cniOption(text string) (bootstrap.Option, error) {
	var c api.NodeConfig
	var err error
	if c.Spec.CNI, err = parseCNI(text); err != nil {
		return bootstrap.Option{}, err
	}
	c.APIVersion, c.Kind = api.APIVersionSuperset, api.Kind
	body, err := api.Encode(c, api.EncodeOptions{})
	return bootstrap.Option{Text: platform.Text{Name: "--cni", Body: body}, Replaces: []string{"spec.cni"}}, err
}

// parseCNI reads a profile and its options, joined by plus signs. What the profile
// may be is for the configuration's own check to say.
func parseCNI(text string) (api.CNI, error) {
	words := strings.Split(text, "+")
	c := api.CNI{Profile: api.CNIProfile(words[0])}
	on := true
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		switch name {
		case "prefixDelegation":
			c.PrefixDelegation = &on
		case "customNetworking":
			c.CustomNetworking = &on
		case "securityGroupsForPods":
			c.SecurityGroupsForPods = &on
		case "maxENIs":
			n, err := strconv.ParseInt(value, 10, 32)
			if err != nil {
				return api.CNI{}, fmt.Errorf("cannot read --cni %q: maxENIs=%s is no number", text, value)
			}
			c.MaxENIs = &n
			continue
		default:
			return api.CNI{}, fmt.Errorf("cannot read --cni %q: known options are prefixDelegation, customNetworking, securityGroupsForPods and maxENIs=N", text)
		}
		if value != "" {
			return api.CNI{}, fmt.Errorf("cannot read --cni %q: %s takes no value", text, name)
		}
	}
	return c, nil
}
