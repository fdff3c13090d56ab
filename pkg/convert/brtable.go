package convert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// brType is how Bottlerocket writes a setting.
type brType int

const (
	brText brType = iota
	brBool
	brNumber
	brList // of strings
	brMap  // of strings
	// brPercent is a number that Bottlerocket takes as a string too.
	brPercent
	// brOptions is a list of names in Bottlerocket, each of which is "true" in
	// KubeletConfiguration.
	brOptions
	// brOptionMap is a table of values in Bottlerocket, which are strings in
	// KubeletConfiguration.
	brOptionMap
)

// brSetting is a setting below settings.kubernetes that is a field of
// KubeletConfiguration.
type brSetting struct {
	key  string
	typ  brType
	path []string
}

// brSettings are Bottlerocket's settings for kubelet (the Kubernetes settings model,
// V1), as its templates put them into KubeletConfiguration.
func brSettings() []brSetting {
	s := func(key string, t brType, path ...string) brSetting { return brSetting{key, t, path} }
	return []brSetting{
		s("allowed-unsafe-sysctls", brList, "allowedUnsafeSysctls"),
		s("cluster-domain", brText, "clusterDomain"),
		s("container-log-max-files", brNumber, "containerLogMaxFiles"),
		s("container-log-max-size", brText, "containerLogMaxSize"),
		s("container-log-max-workers", brNumber, "containerLogMaxWorkers"),
		s("container-log-monitor-interval", brText, "containerLogMonitorInterval"),
		s("cpu-cfs-quota-enforced", brBool, "cpuCFSQuota"),
		s("cpu-manager-policy", brText, "cpuManagerPolicy"),
		s("cpu-manager-policy-options", brOptions, "cpuManagerPolicyOptions"),
		s("cpu-manager-reconcile-period", brText, "cpuManagerReconcilePeriod"),
		s("event-burst", brNumber, "eventBurst"),
		s("event-qps", brNumber, "eventRecordQPS"),
		s("eviction-hard", brMap, "evictionHard"),
		s("eviction-max-pod-grace-period", brNumber, "evictionMaxPodGracePeriod"),
		s("eviction-soft", brMap, "evictionSoft"),
		s("eviction-soft-grace-period", brMap, "evictionSoftGracePeriod"),
		s("ids-per-pod", brNumber, "userNamespaces", "idsPerPod"),
		s("image-gc-high-threshold-percent", brPercent, "imageGCHighThresholdPercent"),
		s("image-gc-low-threshold-percent", brPercent, "imageGCLowThresholdPercent"),
		s("kube-api-burst", brNumber, "kubeAPIBurst"),
		s("kube-api-qps", brNumber, "kubeAPIQPS"),
		s("kube-reserved", brMap, "kubeReserved"),
		s("log-level", brNumber, "logging", "verbosity"),
		s("max-pods", brNumber, "maxPods"),
		s("memory-manager-policy", brText, "memoryManagerPolicy"),
		s("memory-swap-behavior", brText, "memorySwap", "swapBehavior"),
		s("pod-pids-limit", brNumber, "podPidsLimit"),
		s("provider-id", brText, "providerID"),
		s("registry-burst", brNumber, "registryBurst"),
		s("registry-qps", brNumber, "registryPullQPS"),
		s("reserved-cpus", brText, "reservedSystemCPUs"),
		s("seccomp-default", brBool, "seccompDefault"),
		s("server-tls-bootstrap", brBool, "serverTLSBootstrap"),
		s("shutdown-grace-period", brText, "shutdownGracePeriod"),
		s("shutdown-grace-period-for-critical-pods", brText, "shutdownGracePeriodCriticalPods"),
		s("single-process-oom-kill", brBool, "singleProcessOOMKill"),
		s("system-reserved", brMap, "systemReserved"),
		s("topology-manager-policy", brText, "topologyManagerPolicy"),
		s("topology-manager-policy-options", brOptionMap, "topologyManagerPolicyOptions"),
		s("topology-manager-scope", brText, "topologyManagerScope"),
	}
}

// fromBottlerocket turns a setting's value into kubelet's.
func (t brType) fromBottlerocket(v any) (any, error) {
	switch t {
	case brBool:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case brNumber, brPercent:
		if s, ok := stringOf(v); ok {
			if n, ok := number(s); ok {
				return n, nil
			}
		}
	case brText:
		if s, ok := stringOf(v); ok {
			return s, nil
		}
	case brList:
		return stringList(v)
	case brMap, brOptionMap:
		return stringTable(v)
	case brOptions:
		list, err := stringList(v)
		out := make(map[string]any)
		for _, o := range list {
			out[o.(string)] = "true"
		}
		return out, err
	}
	return nil, fmt.Errorf("the value is of the wrong type")
}

// toBottlerocket turns kubelet's value into a setting's.
func (t brType) toBottlerocket(v any) (any, error) {
	switch t {
	case brNumber, brPercent:
		if n, ok := v.(json.Number); ok {
			if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
				return i, nil
			}
		}
		if i, ok := v.(int64); ok {
			return i, nil
		}
		return nil, fmt.Errorf("only a whole number fits Bottlerocket's setting")
	case brOptions:
		m, _ := v.(map[string]any)
		var out []any
		for k, on := range m {
			if s, _ := stringOf(on); s != "true" {
				return nil, fmt.Errorf("options can only be switched on in Bottlerocket")
			}
			out = append(out, k)
		}
		slices.SortFunc(out, func(a, b any) int { return compareStrings(a, b) })
		return out, nil
	case brOptionMap:
		m, err := stringTable(v)
		if err != nil {
			return nil, err
		}
		for k, e := range m {
			s := e.(string)
			if n, ok := number(s); ok {
				i, _ := n.Int64()
				m[k] = i
			} else if b, err := strconv.ParseBool(s); err == nil {
				m[k] = b
			}
		}
		return m, nil
	default:
		return t.fromBottlerocket(v)
	}
}

func compareStrings(a, b any) int {
	x, _ := a.(string)
	y, _ := b.(string)
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func stringList(v any) ([]any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("the value is no list")
	}
	out := make([]any, 0, len(list))
	for _, e := range list {
		s, ok := stringOf(e)
		if !ok {
			return nil, fmt.Errorf("the value is no list of strings")
		}
		out = append(out, s)
	}
	return out, nil
}

func stringTable(v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the value is no table")
	}
	out := make(map[string]any, len(m))
	for k, e := range m {
		s, ok := stringOf(e)
		if !ok {
			return nil, fmt.Errorf("the value is no table of strings")
		}
		out[k] = s
	}
	return out, nil
}

// texts returns the strings of a list, or of one string.
func texts(v any) ([]string, bool) {
	if s, ok := v.(string); ok {
		return []string{s}, true
	}
	list, err := stringList(v)
	if err != nil {
		return nil, false
	}
	var out []string
	for _, e := range list {
		out = append(out, e.(string))
	}
	return out, true
}

// ulimitNames are Bottlerocket's names of resource limits, by the names that
// ulimit(1) and docker use.
func ulimitNames() map[string]string {
	return map[string]string{
		"as": "max-address-space", "core": "max-core-file-size", "cpu": "max-cpu-time", "data": "max-data-size",
		"locks": "max-file-locks", "fsize": "max-file-size", "memlock": "max-locked-memory", "msgqueue": "max-msgqueue-size",
		"nice": "max-nice-priority", "nofile": "max-open-files", "sigpending": "max-pending-signals", "nproc": "max-processes",
		"rtprio": "max-realtime-priority", "rttime": "max-realtime-timeout", "rss": "max-resident-set", "stack": "max-stack-size",
	}
}

// pluginDir is where Bottlerocket has the programs of credential providers.
const pluginDir = "/usr/libexec/kubernetes/kubelet/plugins"

// storageCommand is the name under which Karpenter and we put the command that
// prepares instance storage.
const storageCommand = "000-mount-instance-storage"
