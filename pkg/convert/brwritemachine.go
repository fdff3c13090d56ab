package convert

import (
	"cmp"
	"maps"
	"slices"

	"github.com/eksnode/eksnode/pkg/api"
)

// machine writes the settings below Kubernetes.
func (w *bottlerocketWriter) machine() {
	spec := w.c.Spec
	if p := spec.Proxy.HTTPS; p != "" {
		w.move("spec.proxy.https", p.Reveal(), "network", "https-proxy")
	}
	for _, list := range []struct {
		values []string
		from   string
		keys   []string
	}{
		{spec.Proxy.NoProxy, "spec.proxy.noProxy", []string{"network", "no-proxy"}},
		{spec.TimeSync.Servers, "spec.timeSync.servers", []string{"ntp", "time-servers"}},
		{spec.Instance.Network.Nameservers, "spec.instance.network.nameservers", []string{"dns", "name-servers"}},
		{spec.Instance.Network.Domains, "spec.instance.network.domains", []string{"dns", "search-list"}},
	} {
		if len(list.values) > 0 {
			w.move(list.from, list.values, list.keys...)
		}
	}
	for _, name := range sortedNames(spec.Sysctls) {
		w.move(childPath("spec.sysctls", name), spec.Sysctls[name], "kernel", "sysctl", name)
	}
	for _, m := range spec.KernelModules {
		w.put(true, "kernel", "modules", m.Name, "allowed")
		w.move(keyedPath("spec.kernelModules", m.Name)+".name", true, "kernel", "modules", m.Name, "autoload")
	}
	w.ulimits()
	w.storage()
	for _, gate := range slices.Sorted(maps.Keys(spec.FeatureGates)) {
		if !spec.FeatureGates[gate] {
			w.l.say(Implied, childPath("spec.featureGates", gate), "", "it is off anyway", "")
		}
	}
	if w.l.has("metadata") {
		w.l.say(Implied, "metadata", "", "it has no effect on the node", "")
	}
}

func (w *bottlerocketWriter) ulimits() {
	names := ulimitNames()
	for _, name := range slices.Sorted(maps.Keys(w.c.Spec.Ulimits)) {
		u := w.c.Spec.Ulimits[name]
		hard, okHard := limitValue(u.Hard)
		soft, okSoft := limitValue(cmp.Or(u.Soft, u.Hard))
		if names[name] == "" || !okHard || !okSoft {
			continue // the ledger tells
		}
		w.move(childPath("spec.ulimits", name), map[string]any{"hard-limit": hard, "soft-limit": soft}, "oci-defaults", "resource-limits", names[name])
	}
}

// storage writes Karpenter's recipe for instance storage.
func (w *bottlerocketWriter) storage() {
	s := w.c.Spec.Instance.LocalStorage
	if s.Strategy != api.LocalStorageRAID0 {
		return
	}
	bind := []any{"apiclient", "ephemeral-storage", "bind", "--dirs"}
	for _, d := range storageDirs() {
		if d.disable == "" || !slices.Contains(s.DisabledMounts, d.disable) {
			bind = append(bind, d.dir)
		}
	}
	w.move("spec.instance.localStorage.strategy", map[string]any{
		"commands":  []any{[]any{"apiclient", "ephemeral-storage", "init"}, bind},
		"mode":      "always",
		"essential": true,
	}, "bootstrap-commands", storageCommand)
	for i, m := range s.DisabledMounts {
		from := itemPath("spec.instance.localStorage.disabledMounts", i)
		if m == api.DisabledMountSOCI {
			w.l.say(Implied, from, "", "Bottlerocket binds no such directory", "")
			continue
		}
		w.l.say(Translated, from, "settings.bootstrap-commands."+storageCommand, "", "")
	}
	if s.MountPath == api.DefaultMountPath {
		w.l.say(Implied, "spec.instance.localStorage.mountPath", "", "it is where NodeConfig mounts anyway", "")
	}
}

// whyNotBottlerocket says why a field has no place in Bottlerocket's settings.
func whyNotBottlerocket(path string) (message, remedy string) {
	for _, r := range []struct{ prefix, message, remedy string }{
		{"spec.kubelet.config.featureGates", "Bottlerocket does not take feature gates of kubelet", ""},
		{"spec.kubelet.config", "Bottlerocket has no setting for this field of KubeletConfiguration", ""},
		{"spec.kubelet.flags", "Bottlerocket does not take flags of kubelet", ""},
		{"spec.kubelet.maxPodsExpression", "Bottlerocket does not evaluate expressions", "give settings.kubernetes.max-pods"},
		{"spec.cni", "Bottlerocket reckons with the VPC CNI in its default mode", "give settings.kubernetes.max-pods"},
		{"spec.reserved", "Bottlerocket has the model of EKS only", "give settings.kubernetes.kube-reserved"},
		{"spec.containerd", "Bottlerocket does not take configuration of containerd", ""},
		{"spec.hooks", "Bottlerocket runs no programs of the host", "make it a bootstrap container"},
		{"spec.instance.environment", "Bottlerocket does not set environment variables of services", "a proxy belongs to settings.network.https-proxy"},
		{"spec.instance.localStorage", "Bottlerocket joins instance storage as RAID0 only, and has one place for it", ""},
		{"spec.hugePages", "Bottlerocket allocates huge pages at boot", "give settings.boot.kernel-parameters"},
		{"spec.registries", "Bottlerocket's mirrors have an address and basic credentials only", "a certificate authority belongs to settings.pki"},
		{"spec.proxy.http", "Bottlerocket has a proxy for https only", ""},
		{"spec.swap", "Bottlerocket makes no swap file", ""},
		{"spec.annotations", "Bottlerocket does not annotate its node", ""},
		{"spec.cluster", "Bottlerocket has no setting for local clusters on Outposts", ""},
		{"spec.nodeName", "Bottlerocket takes the private DNS name, the instance ID or a fixed name", ""},
		{"spec.featureGates", "it is a gate of this agent", ""},
	} {
		if within(path, r.prefix) {
			return r.message, r.remedy
		}
	}
	return "there is no such setting in Bottlerocket", ""
}
