package containerd

import (
	"errors"
	"fmt"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Settings is everything that is decided about containerd: plain data, from
// which the files follow without another decision.
type Settings struct {
	Version node.Version `json:"version"`
	// Schema is the version of the configuration file: 2 or 3.
	Schema int `json:"schema"`
	// Handlers are the runtime handlers, and DefaultHandler is the name of the
	// one that pods without a RuntimeClass get.
	Handlers       []Handler `json:"handlers"`
	DefaultHandler string    `json:"defaultHandler"`
	// CDI is set where device plugins may name devices by CDI. CDISpecDirs are where
	// their specifications are looked for, where the configuration is told so.
	CDI         bool     `json:"cdi"`
	CDISpecDirs []string `json:"cdiSpecDirs,omitempty"`
	// SOCI is set where images are pulled through the SOCI snapshotter.
	SOCI bool `json:"soci,omitempty"`
	// Config is the whole configuration, with the user's part merged. Secret
	// says that it holds registry credentials, for which it is not in JSON.
	Config map[string]any `json:"-"`
	Secret bool           `json:"secret,omitempty"`
	// BaseRuntimeSpec is the OCI specification that every container starts from.
	BaseRuntimeSpec api.Object `json:"baseRuntimeSpec"`
	// Registries say where images are pulled from, where that is not the registry
	// that a reference names. In the order of their folders.
	Registries []Registry `json:"registries,omitempty"`
	// Sandbox is the pause image.
	Sandbox host.Image `json:"sandbox"`
	// Why tells where the values come from, Notes what a person may want to
	// know and nothing else would say.
	Why   []node.Reason `json:"why"`
	Notes []string      `json:"notes,omitempty"`
}

// Handler is one runtime handler: a name that a RuntimeClass may refer to.
type Handler struct {
	Name   string `json:"name"`
	Binary string `json:"binary"`
}

// Decide decides everything about containerd. It returns all that is wrong
// with the input at once, each as a fault.
func Decide(in node.Input) (Settings, error) {
	d := decider{in: in}
	d.version()
	d.handlers()
	d.soci()
	d.baseRuntimeSpec()
	d.config()
	d.registries()
	d.sandbox()
	d.s.Notes = append(d.s.Notes, in.ProxyNotes()...)
	if len(d.errs) > 0 {
		return Settings{}, errors.Join(d.errs...)
	}
	return d.s, nil
}

// decider gathers settings and the reasons why there are none.
type decider struct {
	in   node.Input
	s    Settings
	errs []error
}

func (d *decider) fail(err error) {
	if err != nil {
		d.errs = append(d.errs, err)
	}
}

func (d *decider) because(setting, value, from string) {
	d.s.Why = append(d.s.Why, node.Reason{Setting: setting, Value: value, From: from})
}

func (d *decider) note(format string, args ...any) {
	d.s.Notes = append(d.s.Notes, fmt.Sprintf(format, args...))
}

// version decides the schema, and what else depends on versions alone.
func (d *decider) version() {
	// What the image brings decides what is written: unknown is not absent.
	d.fail(d.in.Require("present"))
	v, err := d.in.VersionFact("containerd", d.in.Versions.Containerd)
	d.fail(err)
	kubelet, err := d.in.VersionFact("kubelet", d.in.Versions.Kubelet)
	d.fail(err)
	d.s.Version, d.s.Schema = v, 2
	if v.AtLeast(2, 0) {
		d.s.Schema = 3
	}
	if v.AtLeast(3, 0) {
		d.note("containerd %s is newer than 2.x; it gets the settings of 2.x", v)
	}
	// Device plugins name devices by CDI by default since Kubernetes 1.32.
	d.s.CDI = kubelet.AtLeast(1, 32)
	d.because("config version", fmt.Sprint(d.s.Schema), "containerd "+v.String())
}

// handlers decides the runtime handlers. The NVIDIA runtime wraps runc, so it
// is a second handler and not a replacement; where devices are named by CDI it is
// there for those who ask for it by a RuntimeClass.
func (d *decider) handlers() {
	l := d.in.Layout
	d.s.Handlers = []Handler{{Name: "runc", Binary: l.Runc}}
	d.s.DefaultHandler = "runc"
	if d.in.Present.NvidiaRuntime {
		d.s.Handlers = append(d.s.Handlers, Handler{Name: "nvidia", Binary: l.NvidiaRuntime})
	}
	nvidia, err := d.in.NVIDIA()
	d.fail(err)
	_, err = d.in.NeuronCDI()
	d.fail(err)
	from := nvidia.From
	if from == "" {
		from = "the only runtime of the machine"
	}
	if nvidia.Mode == api.NVIDIARuntime {
		d.s.DefaultHandler = "nvidia"
	}
	d.because("default runtime", d.s.DefaultHandler, from)
	if d.in.CDI() {
		d.cdi(nvidia)
	}
}

// cdi has containerd read the specifications of devices. They are looked for in both
// places by default (containerd's docs/cri/config.md), and written down for the
// versions of which CDI has to be asked for.
func (d *decider) cdi(nvidia node.NVIDIA) {
	d.s.CDI = true
	if !d.hasNewKeys() {
		d.s.CDISpecDirs = []string{d.in.Layout.CDIDir, d.in.Layout.CDIRunDir}
	}
	from := nvidia.From
	if nvidia.Mode != api.NVIDIACDI {
		from = "spec.accelerators.neuron.cdi"
	}
	d.because("CDI", "on", from)
}

func (d *decider) soci() {
	on, why := d.in.FastImagePull()
	d.s.SOCI = on
	if on {
		d.because("snapshotter", "soci", "feature gate FastImagePull")
	} else if why != "" {
		d.note("feature gate FastImagePull has no effect: %s", why)
	}
}

// sandbox decides where the pause image comes from. The user's TOML may name
// another one; then the archive of the machine image does not hold it.
func (d *decider) sandbox() {
	l := d.in.Layout
	image := host.Image{Ref: l.SandboxImage, Pinned: true, Source: d.in.Instance.SandboxSource}
	from := "already in the image store, else pulled from " + image.Source
	if image.Source == "" {
		from = "already in the image store"
	}
	if d.in.Present.SandboxArchive {
		image.Archive = l.SandboxArchive
		from = "already in the image store, else imported from " + image.Archive
	}
	if ref := sandboxRef(d.s.Config); ref != "" && ref != image.Ref {
		image = host.Image{Ref: ref, Pinned: true, Source: ref}
		from = "spec.containerd.config"
	}
	image.Snapshotter = snapshotter(d.s.Config)
	d.s.Sandbox = image
	d.because("sandbox image", image.Ref, from)
}

func invalid(remedy, format string, args ...any) error {
	return fault.New(fault.ConfigInvalid, remedy, fmt.Errorf(format, args...))
}
