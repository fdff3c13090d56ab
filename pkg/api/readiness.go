package api

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eksnode/eksnode/internal/lazyregexp"
)

// Readiness keeps pods off a node until what is declared here holds: kubelet
// registers the node with a startup taint, and the agent takes it away once all the
// checks hold. The zero value asks for nothing.
type Readiness struct {
	// Taint is the one that the node registers with. It must be no taint of
	// spec.taints or kubelet's own settings: those stay.
	Taint StartupTaint `json:"taint,omitzero"`
	// Checks are what must hold. Without any it is enough that the node is Ready.
	Checks ReadinessChecks `json:"checks,omitzero"`
	// Timeout is a Go duration from 10s to 1h for how long is waited. After it the
	// taint stays, and the next run goes on. Empty is [DefaultReadinessTimeout].
	Timeout string `json:"timeout,omitempty"`
	// RoleARN is the IAM role that the agent assumes to take the taint away. The
	// instance's role must be allowed to assume it, and the cluster must let it patch
	// nodes: a node may not change its own taints.
	RoleARN string `json:"roleArn,omitempty"`
}

// StartupTaint is the taint of a node that is not done. There is only one of a key
// and an effect.
type StartupTaint struct {
	// Key of the taint. Empty means [DefaultReadinessKey].
	Key string `json:"key,omitempty"`
	// Value may be empty. It does not refer to facts.
	Value string `json:"value,omitempty"`
	// Effect is NoSchedule, PreferNoSchedule or NoExecute. Empty means
	// [DefaultReadinessEffect].
	Effect string `json:"effect,omitempty"`
}

// ReadinessChecks are what must hold before a node takes pods.
type ReadinessChecks struct {
	// CNI asks that the container runtime has loaded a network configuration, and
	// that a pod sandbox has an address: one that is there, or else one that is made
	// for trial and taken away again.
	CNI *bool `json:"cni,omitempty"`
	// CSIDrivers are names of CSI drivers that must be registered with kubelet, as
	// ebs.csi.aws.com.
	CSIDrivers []string `json:"csiDrivers,omitempty"`
	// Devices says how many of each resource kubelet must be able to give to pods: a
	// whole number, or auto for as many as the machine has on its PCI bus, and no fewer
	// than its instance type has. Merged by resource.
	Devices map[string]string `json:"devices,omitempty"`
	// DNS are names that the cluster's DNS must resolve, each complete, as
	// kubernetes.default.svc.cluster.local. Search domains are not tried.
	DNS []string `json:"dns,omitempty"`
}

// What a startup taint is if the configuration does not say.
const (
	DefaultReadinessKey     = "eksnode.dev/initializing"
	DefaultReadinessEffect  = "NoSchedule"
	DefaultReadinessTimeout = "10m"
)

// DevicesAuto is as many as the machine has.
const DevicesAuto = "auto"

// Asked reports whether the node registers with a startup taint: if one is named or
// a check is declared.
func (r Readiness) Asked() bool {
	return r.Taint != (StartupTaint{}) || r.Checks.any()
}

func (c ReadinessChecks) any() bool {
	return c.CNI != nil && *c.CNI || len(c.CSIDrivers)+len(c.Devices)+len(c.DNS) > 0
}

// StartupTaint returns the startup taint with its defaults filled in. It is of no
// meaning if none is asked for.
func (r Readiness) StartupTaint() Taint {
	t := Taint{Key: r.Taint.Key, Value: r.Taint.Value, Effect: r.Taint.Effect}
	if t.Key == "" {
		t.Key = DefaultReadinessKey
	}
	if t.Effect == "" {
		t.Effect = DefaultReadinessEffect
	}
	return t
}

// Within returns how long is waited for the checks.
func (r Readiness) Within() time.Duration { return durationOr(r.Timeout, DefaultReadinessTimeout) }

// AutoDevices are the resources whose number can be told from the PCI bus.
func AutoDevices() []string {
	return []string{"amd.com/gpu", "aws.amazon.com/neuron", "aws.amazon.com/neurondevice", "nvidia.com/gpu", "vpc.amazonaws.com/efa"}
}

func readinessSchema() schema {
	return object("readiness",
		object("taint",
			leaf("key", stringType),
			leaf("value", valueType),
			leaf("effect", stringType),
		),
		object("checks",
			leaf("cni", boolType),
			leaf("csiDrivers", listType),
			leaf("devices", scalarMapType),
			leaf("dns", listType),
		),
		leaf("timeout", scalarType),
		leaf("roleArn", stringType),
	)
}

func readinessOf(n *node) Readiness {
	return Readiness{
		Taint: StartupTaint{Key: n.at("taint", "key").text(), Value: n.at("taint", "value").text(), Effect: n.at("taint", "effect").text()},
		Checks: ReadinessChecks{
			CNI:        n.at("checks", "cni").boolean(),
			CSIDrivers: n.at("checks", "csiDrivers").strings(),
			Devices:    n.at("checks", "devices").stringMap(),
			DNS:        n.at("checks", "dns").strings(),
		},
		Timeout: n.get("timeout").text(),
		RoleARN: n.get("roleArn").text(),
	}
}

func (e *encoder) readiness(r Readiness) *node {
	return e.structure(
		field{name: "taint", value: e.structure(
			field{name: "key", value: e.str(r.Taint.Key)},
			field{name: "value", value: e.str(r.Taint.Value)},
			field{name: "effect", value: e.str(r.Taint.Effect)},
		)},
		field{name: "checks", value: e.structure(
			field{name: "cni", value: optionalBool(r.Checks.CNI)},
			field{name: "csiDrivers", value: e.list(r.Checks.CSIDrivers)},
			field{name: "devices", value: encodeMap(e, r.Checks.Devices, e.value)},
			field{name: "dns", value: e.list(r.Checks.DNS)},
		)},
		field{name: "timeout", value: e.str(r.Timeout)},
		field{name: "roleArn", value: e.str(r.RoleARN)},
	)
}

func (c *checker) readiness() {
	const base = "spec.readiness"
	r := c.at("spec", "readiness")
	if r == nil {
		return
	}
	c.startupTaint(r.get("taint"), base+".taint")
	c.readinessChecks(r.get("checks"), base+".checks")
	if n := r.get("timeout"); !n.empty() {
		c.duration(n, base+".timeout", 10*time.Second, time.Hour)
	}
	role := r.get("roleArn")
	if !role.empty() && !roleARNForm.MatchString(role.scalar) {
		c.fail(role, base+".roleArn", orTemplate(role.scalar, "write the role's ARN, as arn:aws:iam::111122223333:role/eksnode-readiness"), "%s is no ARN of an IAM role", quoteName(role.scalar))
	}
	switch asked := readinessOf(r); {
	case !asked.Asked() && (asked.Timeout != "" || asked.RoleARN != ""):
		c.warn(r, base, "give spec.readiness.checks or spec.readiness.taint", "without a check or a taint the node registers without a startup taint")
	case asked.Asked() && role.empty() && !c.m.rejected[base+".roleArn"]:
		c.say(Info, CodeSuspiciousValue, r, base, "give spec.readiness.roleArn", "without a role the taint stays where the API server has the admission plugin NodeRestriction, as that of EKS: a node may not change its own taints")
	}
}

func (c *checker) startupTaint(t *node, at string) {
	key, effect := t.get("key"), t.get("effect")
	if problem, remedy := qualifiedName(key.text()); problem != "" && !key.empty() {
		c.fail(key, at+".key", remedy, "%s", problem)
	}
	c.choice(effect, at+".effect", taintEffects())
	if value := t.get("value"); value != nil && !value.empty() {
		if strings.Contains(value.scalar, "${") {
			c.fail(value, at+".value", "write the value itself", "the value of a startup taint cannot refer to facts")
		} else {
			c.labelValue(value, at+".value", "a taint's value")
		}
	}
	own := readinessOf(c.at("spec", "readiness"))
	taint := own.StartupTaint()
	for _, f := range c.at("spec", "taints").entries() {
		if own.Asked() && f.value.get("key").text() == taint.Key && f.value.get("effect").text() == taint.Effect {
			c.fail(f.value, keyedPath("spec.taints", f.name), "take it out of spec.taints, or give spec.readiness.taint another key",
				"%s is the startup taint, which goes when the node is ready; those of spec.taints stay", quoteName(taint.Key+":"+taint.Effect))
		}
	}
}

func (c *checker) readinessChecks(checks *node, at string) {
	for i, n := range checks.get("csiDrivers").list() {
		// CSI specification, GetPluginInfo: a domain name of at most 63 characters.
		if !csiDriverForm.MatchString(n.scalar) || len(n.scalar) > maxLabelName {
			c.fail(n, itemPath(at+".csiDrivers", i), orTemplate(n.scalar, "write the name that `kubectl get csidrivers` shows, as ebs.csi.aws.com"), "%s is no name of a CSI driver", quoteName(n.scalar))
		}
	}
	for _, f := range checks.get("devices").entries() {
		path := childPath(at+".devices", f.name)
		if problem, remedy := qualifiedName(f.name); problem != "" {
			c.keyFail(f, path, remedy, "%s", problem)
		}
		c.deviceCount(f, path)
	}
	for i, n := range checks.get("dns").list() {
		if name := strings.TrimSuffix(n.scalar, "."); !validDomain(name) {
			c.fail(n, itemPath(at+".dns", i), orTemplate(n.scalar, "write one complete name an item, as kubernetes.default.svc.cluster.local"), "%s is no DNS name", quoteName(n.scalar))
		}
	}
}

func (c *checker) deviceCount(f field, at string) {
	if f.value.scalar == DevicesAuto {
		if !slices.Contains(AutoDevices(), f.name) {
			c.fail(f.value, at, "write the number", "how many of %s there are cannot be told from the PCI bus; it can of %s", quoteName(f.name), strings.Join(AutoDevices(), ", "))
		}
		return
	}
	if _, err := strconv.ParseUint(f.value.scalar, 10, 31); err != nil {
		c.fail(f.value, at, orTemplate(f.value.scalar, "write a whole number, or "+DevicesAuto), "%s is no number of devices", quoteName(f.value.scalar))
	}
}

var (
	// roleARNForm is that of an IAM role with its path (IAM User Guide, "IAM
	// identifiers").
	roleARNForm   = lazyregexp.New(`^arn:aws[a-z-]*:iam::[0-9]{12}:role/([!-.0-~]+/)*[A-Za-z0-9+=,.@_-]{1,64}$`)
	csiDriverForm = lazyregexp.New(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
)
