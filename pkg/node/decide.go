package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
)

// Reason says where a decided value comes from, for `plan` and `explain`.
type Reason struct {
	// Component is the one that has decided; empty within its own settings.
	Component string `json:"component,omitempty"`
	// Setting is the value's name in the words of what it configures: maxPods.
	Setting string `json:"setting"`
	Value   string `json:"value"`
	// From is one phrase: "ENI table m5.large: 3 ENIs × (10−1) + 2".
	From string `json:"from"`
}

// Fact returns value, which is the fact of that name, or a fault that says why
// it is not there.
func (in Input) Fact(name, value string) (string, error) {
	if err := in.Require(name); err != nil {
		return "", err
	}
	if value == "" {
		return "", fault.New(fault.FactMissing, "Set the value in NodeConfig where it has a field, else mend what keeps it from being read.",
			fmt.Errorf("cannot tell %s: nobody has told it", name))
	}
	return value, nil
}

// VersionFact returns the version of an installed program, or a fault when it
// is not known. name is kubelet or containerd.
func (in Input) VersionFact(name string, v Version) (Version, error) {
	if err := in.Require("versions." + name); err != nil {
		return Version{}, err
	}
	if !v.Known() {
		file := in.Layout.KubeletVersionFile
		if name == "containerd" {
			file = in.Layout.ContainerdVersionFile
		}
		return Version{}, fault.New(fault.VersionUnknown, "Write the version into "+file+".",
			errors.New("cannot tell versions."+name+": nobody has told it"))
	}
	return v, nil
}

// What FastImagePull needs to be worth its memory: the bounds of nodeadm.
const (
	fastPullMemory = 7 << 30 // bytes
	fastPullCPUs   = 4
)

// FastImagePull reports whether images are to be pulled through the SOCI
// snapshotter: the gate is on, the machine is large enough, and the image has
// the snapshotter. When the gate is on and the answer is no, why says in one
// phrase what is missing. Containerd and kubelet must agree about it, which is
// why it is decided here.
func (in Input) FastImagePull() (on bool, why string) {
	if !in.Config.Spec.FeatureGates.Enabled(api.FastImagePull) {
		return false, ""
	}
	if err := in.Require("hardware.memory", "hardware.cpu"); err != nil {
		return false, err.Error()
	}
	switch {
	case !in.Present.SOCISnapshotter:
		return false, "the machine has no " + in.Layout.SOCIUnit
	case in.Hardware.Memory.OnlineBytes < fastPullMemory:
		return false, fmt.Sprintf("%d MiB of memory is less than the %d MiB it needs", in.Hardware.Memory.OnlineBytes>>20, fastPullMemory>>20)
	case in.Hardware.CPU.Online < fastPullCPUs:
		return false, fmt.Sprintf("%d CPUs are less than the %d it needs", in.Hardware.CPU.Online, fastPullCPUs)
	}
	return true, ""
}

// EnvironmentUnit returns the unit that a key of spec.instance.environment
// means: nodeadm's keys are names of services without their suffix.
func EnvironmentUnit(key string) string {
	if strings.HasSuffix(key, ".service") {
		return key
	}
	return key + ".service"
}

// EnvironmentDropIn returns the path of the drop-in that holds a unit's
// environment.
func (l Layout) EnvironmentDropIn(unit string) string {
	return l.UnitDir + "/" + unit + ".d/environment.conf"
}

// EnvironmentReads returns the files from which unit's process gets what
// spec.instance.environment and spec.proxy set. They are declared by the component tuning;
// the component that runs the unit lists them among what it reads.
func (in Input) EnvironmentReads(unit string) []host.ID {
	var ids []host.ID
	environment := in.Config.Spec.Instance.Environment
	if len(environment[api.EnvironmentDefault]) > 0 {
		ids = append(ids, host.File{Path: in.Layout.ManagerEnvironment}.ID())
	}
	for key, vars := range environment {
		if key != api.EnvironmentDefault && EnvironmentUnit(key) == unit && len(vars) > 0 {
			return append(ids, host.File{Path: in.Layout.EnvironmentDropIn(unit)}.ID())
		}
	}
	if len(in.ProxyEnvironment(unit)) > 0 {
		ids = append(ids, host.File{Path: in.Layout.EnvironmentDropIn(unit)}.ID())
	}
	return ids
}

// JSON renders a configuration file: indented by four blanks as nodeadm writes
// them, with sorted keys where v has maps, and without a newline at the end.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("cannot render as JSON: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
