package api_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/eksnode/eksnode/pkg/api"
)

// random makes parts of configurations out of strange strings.
type random struct{ *rand.Rand }

func (r random) str() string {
	if r.IntN(2) == 0 {
		return ""
	}
	return strange[r.IntN(len(strange))]
}

// word is a string that is not empty.
func (r random) word() string {
	for {
		if s := strange[r.IntN(len(strange))]; s != "" {
			return s
		}
	}
}

func (r random) words() []string {
	var out []string
	for range r.IntN(3) {
		out = append(out, strange[r.IntN(len(strange))])
	}
	return out
}

func (r random) mapping() map[string]string {
	var out map[string]string
	for range r.IntN(3) {
		if out == nil {
			out = make(map[string]string)
		}
		out[strange[r.IntN(len(strange))]] = strange[r.IntN(len(strange))]
	}
	return out
}

func (r random) secrets() map[string]api.Secret {
	var out map[string]api.Secret
	for k, v := range r.mapping() {
		if k != "=" { // a name with it is refused
			if out == nil {
				out = make(map[string]api.Secret)
			}
			out[k] = api.Secret(v)
		}
	}
	return out
}

func (r random) flag() *bool {
	if r.IntN(2) == 0 {
		return nil
	}
	on := r.IntN(2) == 0
	return &on
}

func (r random) number() *int64 {
	if r.IntN(2) == 0 {
		return nil
	}
	i := []int64{0, 1, -1, 1 << 40, 9223372036854775807, -9223372036854775808}[r.IntN(6)]
	return &i
}

// several calls add with names that differ.
func (r random) several(add func(name string)) {
	for i := range r.IntN(3) {
		add(fmt.Sprintf("%d%s", i, r.word()))
	}
}

// superset is a configuration's superset, often empty.
func (r random) superset() api.Superset {
	if r.IntN(3) == 0 {
		return api.Superset{}
	}
	s := api.Superset{
		NodeName: api.NodeName{Source: api.NodeNameSource(r.str()), Name: r.str()},
		Labels:   r.mapping(), Annotations: r.mapping(), Sysctls: r.mapping(),
		CNI: api.CNI{
			Profile: api.CNIProfile(r.str()), PrefixDelegation: r.flag(), CustomNetworking: r.flag(),
			SecurityGroupsForPods: r.flag(), MaxENIs: r.number(),
			PodCIDRs: r.words(), MTU: r.number(), Masquerade: r.flag(),
		},
		Reserved: api.Reserved{
			Model: api.ReservationModel(r.str()), CPU: r.str(), Memory: r.str(), EphemeralStorage: r.str(),
			System: api.SystemReserved{CPU: r.str(), Memory: r.str(), EphemeralStorage: r.str()},
		},
		Proxy:      api.Proxy{HTTP: api.Secret(r.str()), HTTPS: api.Secret(r.str()), NoProxy: r.words(), ProxyAPIServer: r.flag()},
		Swap:       api.Swap{Behavior: r.str(), Size: r.str(), Path: r.str()},
		StaticPods: randomObject(r.Rand),
		TimeSync:   api.TimeSync{Servers: r.words()},
		Accelerators: api.Accelerators{
			NVIDIA: api.NVIDIA{Mode: api.NVIDIAMode(r.str()), Driver: api.NVIDIADriver(r.str())},
			Neuron: api.Neuron{CDI: r.flag()},
		},
		Readiness: api.Readiness{
			Taint:   api.StartupTaint{Key: r.str(), Value: r.str(), Effect: r.str()},
			Checks:  api.ReadinessChecks{CNI: r.flag(), CSIDrivers: r.words(), Devices: r.mapping(), DNS: r.words()},
			Timeout: r.str(), RoleARN: r.str(),
		},
	}
	r.several(func(name string) {
		s.Taints = append(s.Taints, api.Taint{Key: name, Value: r.str(), Effect: r.word()})
	})
	r.several(func(name string) {
		s.Registries = append(s.Registries, api.Registry{Registry: name, Mirrors: r.mirrors(), Fallback: r.flag()})
	})
	r.several(func(name string) {
		s.ImageCredentials = append(s.ImageCredentials, api.ImageCredential{
			Name: name, Program: r.str(), MatchImages: r.words(), DefaultCacheDuration: r.str(), APIVersion: r.str(), Args: r.words(), Env: r.secrets(),
		})
	})
	r.several(func(name string) {
		h := api.HugePages{Size: name, NUMANode: r.number()}
		if n := r.number(); n != nil {
			h.Count = *n
		}
		s.HugePages = append(s.HugePages, h)
	})
	r.several(func(name string) {
		s.KernelModules = append(s.KernelModules, api.KernelModule{Name: name, Parameters: r.mapping()})
	})
	r.several(func(name string) {
		if s.Ulimits == nil {
			s.Ulimits = make(map[string]api.Ulimit)
		}
		s.Ulimits[name] = api.Ulimit{Soft: r.str(), Hard: r.str()}
	})
	r.several(func(name string) {
		s.Hooks = append(s.Hooks, api.Hook{
			Name: name, Stage: api.HookStage(r.str()), Command: r.words(), Env: r.secrets(), Timeout: r.str(),
			OnFailure: api.HookPolicy(r.str()), Run: api.HookFrequency(r.str()),
		})
	})
	return s
}

func (r random) mirrors() []api.Mirror {
	var out []api.Mirror
	r.several(func(string) {
		out = append(out, api.Mirror{
			URL: r.str(), CA: r.str(), InsecureSkipVerify: r.flag(), OverridePath: r.flag(), Capabilities: r.words(),
			Credentials: api.MirrorCredentials{Source: r.str(), Username: r.str(), Password: api.Secret(r.str())},
		})
	})
	return out
}
