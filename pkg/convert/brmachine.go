package convert

import (
	"slices"
	"strings"

	"github.com/eksnode/eksnode/pkg/api"
)

// machine reads the settings below Kubernetes: proxy, clock, name servers, kernel.
func (r *bottlerocketReader) machine() {
	spec := &r.config.Spec
	if v, s, ok := r.str("network", "https-proxy"); ok {
		message := ""
		if !strings.Contains(v, "://") { // Bottlerocket takes HOST:PORT, too
			v, message = "http://"+v, "it had no scheme, which is http"
		}
		spec.Proxy.HTTPS = api.Secret(v)
		r.say(r.done(s), Translated, "spec.proxy.https", message, "")
	}
	for _, list := range []struct {
		keys  []string
		field *[]string
		to    string
	}{
		{[]string{"network", "no-proxy"}, &spec.Proxy.NoProxy, "spec.proxy.noProxy"},
		{[]string{"ntp", "time-servers"}, &spec.TimeSync.Servers, "spec.timeSync.servers"},
		{[]string{"dns", "name-servers"}, &spec.Instance.Network.Nameservers, "spec.instance.network.nameservers"},
		{[]string{"dns", "search-list"}, &spec.Instance.Network.Domains, "spec.instance.network.domains"},
	} {
		v, s, ok := r.get(list.keys...)
		if !ok {
			continue
		}
		if values, ok := texts(v); ok {
			*list.field = values
			r.say(r.done(s), Translated, list.to, "", "")
		}
	}
	r.kernel()
	r.ulimits()
}

func (r *bottlerocketReader) kernel() {
	v, _, _ := r.get("kernel", "sysctl")
	table, _ := v.(map[string]any)
	for _, name := range sortedKeys(table) {
		if v, s, ok := r.str("kernel", "sysctl", name); ok {
			if r.config.Spec.Sysctls == nil {
				r.config.Spec.Sysctls = make(map[string]string)
			}
			r.config.Spec.Sysctls[name] = v
			r.say(r.done(s), Translated, childPath("spec.sysctls", name), "", "")
		}
	}
	v, _, _ = r.get("kernel", "modules")
	table, _ = v.(map[string]any)
	for _, name := range sortedKeys(table) {
		allowed, s, isSet := r.get("kernel", "modules", name, "allowed")
		if isSet && allowed == true {
			r.say(r.done(s), Implied, "", "no module is forbidden", "")
		}
		switch autoload, s, ok := r.get("kernel", "modules", name, "autoload"); {
		case ok && autoload == true && allowed != false:
			to := keyedPath("spec.kernelModules", name)
			r.config.Spec.KernelModules = append(r.config.Spec.KernelModules, api.KernelModule{Name: name})
			r.say(r.done(s), Translated, to, "", "")
		case ok && autoload == false:
			r.say(r.done(s), Implied, "", "modules are loaded only where NodeConfig says so", "")
		}
	}
}

func (r *bottlerocketReader) ulimits() {
	names := ulimitNames()
	for _, name := range sortedNames(names) {
		v, s, ok := r.get("oci-defaults", "resource-limits", names[name])
		table, isTable := v.(map[string]any)
		hard, okHard := limitText(table["hard-limit"])
		soft, okSoft := limitText(table["soft-limit"])
		if !ok || !isTable || !okHard || !okSoft {
			continue
		}
		if r.config.Spec.Ulimits == nil {
			r.config.Spec.Ulimits = make(map[string]api.Ulimit)
		}
		r.config.Spec.Ulimits[name] = api.Ulimit{Soft: soft, Hard: hard}
		r.each(s, table, []string{"hard-limit", "soft-limit"}, Translated, childPath("spec.ulimits", name), "", "")
	}
}

// limitText is a resource limit as NodeConfig has it. Bottlerocket writes -1 or
// "unlimited" for no limit.
func limitText(v any) (string, bool) {
	s, ok := stringOf(v)
	if s == "-1" {
		s = "unlimited"
	}
	return s, ok
}

func sortedNames(m map[string]string) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// storageDirs are the directories that the command of Karpenter's recipe binds to
// instance storage, with the name by which NodeConfig leaves one out.
func storageDirs() []struct {
	dir     string
	disable api.DisabledMount
} {
	return []struct {
		dir     string
		disable api.DisabledMount
	}{
		{"/var/lib/containerd", api.DisabledMountContainerd}, {"/var/lib/kubelet", ""}, {"/var/log/pods", api.DisabledMountPodLogs},
	}
}

// storage reads a bootstrap command that makes an array of instance storage.
func (r *bottlerocketReader) storage() {
	v, _, _ := r.get("bootstrap-commands")
	table, _ := v.(map[string]any)
	for _, name := range sortedKeys(table) {
		v, s, _ := r.get("bootstrap-commands", name)
		disabled, ok := storageCommands(v)
		if !ok {
			continue
		}
		spec := &r.config.Spec.Instance.LocalStorage
		spec.Strategy, spec.DisabledMounts = api.LocalStorageRAID0, disabled
		r.each(s, v, []string{"commands", "mode", "essential"}, Translated, "spec.instance.localStorage", "", "")
	}
}

// storageCommands reports whether a bootstrap command is the recipe for instance
// storage, and what it leaves out.
func storageCommands(v any) (disabled []api.DisabledMount, ok bool) {
	mode, _ := at(v, "mode").(string)
	list, _ := at(v, "commands").([]any)
	if len(list) != 2 || mode != "always" {
		return nil, false
	}
	initial, _ := texts(list[0])
	bind, _ := texts(list[1])
	if strings.Join(initial, " ") != "apiclient ephemeral-storage init" || len(bind) < 3 || strings.Join(bind[:3], " ") != "apiclient ephemeral-storage bind" {
		return nil, false
	}
	dirs := bind[3:]
	if len(dirs) > 0 && dirs[0] != "--dirs" {
		return nil, false
	}
	left := slices.Clone(dirs[min(len(dirs), 1):])
	for _, d := range storageDirs() {
		i := slices.Index(left, d.dir)
		switch {
		case i >= 0:
			left = slices.Delete(left, i, i+1)
		case len(dirs) == 0: // without directories apiclient binds them all
		case d.disable == "":
			return nil, false
		default:
			disabled = append(disabled, d.disable)
		}
	}
	return disabled, len(left) == 0
}

// whyNotNodeConfig says why a setting has no place in NodeConfig.
func whyNotNodeConfig(path string) (message, remedy string) {
	for _, w := range []struct{ prefix, message, remedy string }{
		{"settings.kubernetes.bootstrap-token", "EKS has no bootstrap tokens", "the node authenticates with its IAM role"},
		{"settings.kubernetes.credential-providers.ecr-credential-provider", "the agent's provider for ECR has its patterns and its time of its own", "give another program under another name at spec.imageCredentials"},
		{"settings.kubernetes.authentication-mode", "the node authenticates with its IAM role only", ""},
		{"settings.kubernetes.standalone-mode", "a node of NodeConfig joins a cluster", ""},
		{"settings.kubernetes.cloud-provider", "external is the only cloud provider that works with EKS", ""},
		{"settings.kubernetes.server-certificate", "NodeConfig brings no files", "put certificate and key into the image and name them at spec.kubelet.config.tlsCertFile and tlsPrivateKeyFile"},
		{"settings.kubernetes.server-key", "NodeConfig brings no files", "put certificate and key into the image and name them at spec.kubelet.config.tlsCertFile and tlsPrivateKeyFile"},
		{"settings.kubernetes.device-ownership-from-security-context", "it is containerd's", "set device_ownership_from_security_context in spec.containerd.config"},
		{"settings.container-runtime", "it is containerd's", "set it in spec.containerd.config"},
		{"settings.bootstrap-containers", "bootstrap containers exist on Bottlerocket only", "make it a program of the image that spec.hooks names"},
		{"settings.bootstrap-commands", "bootstrap commands exist on Bottlerocket only", "make it a program of the image that spec.hooks names"},
		{"settings.host-containers", "host containers exist on Bottlerocket only", "use the image's SSM agent or SSH"},
		{"settings.pki", "NodeConfig has certificate authorities for mirrors only", "put the certificate into the image, or at spec.registries[].mirrors[].ca"},
		{"settings.boot", "NodeConfig does not configure the boot", "bake kernel parameters into the image; huge pages belong to spec.hugePages"},
		{"settings.kernel.modules", "NodeConfig loads modules and forbids none", "forbid it in /etc/modprobe.d of the image"},
		{"settings.kernel.lockdown", "NodeConfig does not configure the boot", "bake the kernel parameter lockdown into the image"},
		{"settings.aws", "the node has its credentials and region from instance metadata", ""},
		{"settings.updates", "the image is not updated in place", "replace nodes"},
		{"settings.network.hosts", "NodeConfig does not write /etc/hosts", ""},
	} {
		if within(path, w.prefix) {
			return w.message, w.remedy
		}
	}
	return "there is no such setting in NodeConfig", ""
}
