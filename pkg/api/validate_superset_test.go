package api_test

import (
	"strings"
	"testing"

	"github.com/eksnode/eksnode/pkg/api"
)

func TestValuesOfTheSupersetAreJudged(t *testing.T) {
	mirror := func(url string) string {
		return "registries: [{registry: a.b, mirrors: [{url: '" + url + "'}]}]"
	}
	ca := func(text string) string {
		return "registries:\n  - registry: a.b\n    mirrors:\n      - url: https://c.d\n        ca: " + text
	}
	for lines, want := range map[string]string{
		"nodeName: {source: fixed, name: 'a b'}":     `error: "a b" is no name of a node`,
		"nodeName: {source: fixed, name: 'a${x}'}":   `error: "${x}": there is no such fact`,
		"nodeName: {source: 5, name: a}":             "error: expected a string, found the number 5",
		"nodeName: {name: a}":                        "error: the name is used for the source fixed only",
		"nodeName: {source: fixed, name: '${os.id'}": "error: the reference to a fact has no closing brace",

		"annotations: {'a b': x}":                                         `error: "a b" cannot be the name of a key`,
		"annotations: {a: " + strings.Repeat("x", 256<<10) + "}":          "error: the annotations have 262145 bytes together; the API server takes at most 262144",
		"labels: {" + strings.Repeat("a", 254) + "/b: x}":                 "error: the domain before the slash is longer than 253 characters",
		"labels: {/b: x}":                                                 `error: "/b" has no domain before the slash`,
		"labels: {'': x}":                                                 "error: the key is empty",
		"cni: {profile: [a], maxENIs: 1}":                                 "error: expected a string, found a list",
		"cni: {profile: vpc-cni, maxENIs: 0}":                             "error: must be positive, found 0",
		"cni: {profile: vpc-cni, maxENIs: -1}":                            "error: must be positive, found -1",
		"cni: {profile: vpc-cni, maxENIs: 99999999999}":                   "error: 99999999999 does not fit into 32 bits",
		"cni: {maxENIs: two}":                                             `error: expected a whole number, found the string "two"`,
		"reserved: {cpu: 100}":                                            "error: this is an expression for the model expression only",
		"reserved: {model: [], cpu: 100}":                                 "error: expected a string, found an empty list",
		"reserved: {ephemeralStorage: 8Ei}":                               `error: "8Ei": it is too large`,
		"reserved: {system: {memory: '${x}'}}":                            `error: "${x}": write a number and a suffix such as m, Ki, Mi, Gi, k, M or G`,
		"reserved: {model: expression, cpu: '1 / 0', memory: 0}":          "error: it gives no usable number on any machine: column 3: / by zero",
		"reserved: {model: expression, cpu: '8 / (cpus - 1)', memory: 0}": "", // depends on the machine
		"reserved: {model: expression, cpu: 0 - cpus, memory: 0}":         "error: it gives no usable number on any machine: the result -192 is not between 0 and 2147483647",
		"kubelet: {maxPodsExpression: default_enis - default_enis}":       "error: it gives no usable number on any machine: the result 0 is not between 1 and 2147483647",
		"kubelet: {maxPodsExpression: '\"x\"'}":                           "error: it gives no usable number on any machine: column 1: \"x\" is no int",
		"kubelet: {config: {staticPodPath: manifests}}":                   "",
		"kubelet: {config: {staticPodPath: manifests}}\nstaticPods: {a: {metadata: {name: a}, spec: {containers: [{name: a, image: b}]}}}": `error: the manifests of spec.staticPods cannot be written to "manifests"`,
		"staticPods: {a: {metadata: {name: a}, spec: &s {containers: [{name: a, image: b}]}}, a.yaml: {metadata: {name: b}, spec: *s}}":    `error: this has the same file as "a" at user-data:9:19`,
		"containerd: {config: version = 9}": "error: expected 2 or 3, found the number 9",
		"containerd: {config: version = 3}": "",
		"registries: [{registry: docker.io, mirrors: [{url: 'https://m.example.com'}]}]\ncontainerd: {config: \"plugins.'io.containerd.cri.v1.images'.registry.config_path = '/x'\"}":                         "error: spec.registries is written to /etc/containerd/certs.d, and this makes containerd look elsewhere; info: this name is containerd 2's: a node with containerd 1.7 refuses it",
		"registries: [{registry: docker.io, mirrors: [{url: 'https://m.example.com'}]}]\ncontainerd: {config: \"plugins.'io.containerd.cri.v1.images'.registry.config_path = '/x:/etc/containerd/certs.d'\"}": "info: this name is containerd 2's: a node with containerd 1.7 refuses it",
		"swap: {behavior: LimitedSwap, size: 4Gi, path: /dev/swap}":       "error: no swap file can be kept below /dev",
		"swap: {behavior: LimitedSwap, size: 4Gi, path: /data/swap}":      "",
		"kubelet: {maxPodsExpression: " + strings.Repeat("1", 5000) + "}": "error: the expression has 5000 bytes; at most 4096 are read",

		mirror("https://[fd00::1]:5000/v2/x"):    "",
		mirror("u:p@c.d"):                        "error: this is not a URL",
		mirror("https://c d"):                    "error: the URL holds white space",
		mirror("https://%zz"):                    "error: this is not a URL",
		mirror("https:///v2"):                    "error: the URL names no host",
		mirror("https://-c"):                     `error: "-c" is no host name or IP address`,
		mirror("https://c.d:0"):                  `error: "0" is no port number`,
		mirror("https://c.d/${x}"):               "", // a path may hold anything
		ca("x"):                                  "error: this is not a PEM bundle",
		ca("LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0t"):   "error: this is base64; here the bundle is the PEM text itself",
		"registries: [{registry: '[::1]:5000'}]": "error: required, but missing",
		"registries: [{registry: 'a:0', mirrors: [{url: https://c.d}]}]":                                      `error: "0" is no port number`,
		"registries: [{registry: '-a', mirrors: [{url: https://c.d}]}]":                                       `error: "-a" is no host name or IP address`,
		"registries: [{registry: a.b, mirrors: [{url: https://public.ecr.aws, credentials: {source: ecr}}]}]": "",
		"registries: [{registry: a.b, mirrors: [{url: 'https://c d', credentials: {source: ecr}}]}]":          "error: the URL holds white space",
		"registries: [{registry: a.b, mirrors: [{url: https://c.d, credentials: {source: 1, username: u}}]}]": "error: expected a string, found the number 1",
		"imageCredentials: [{name: a, program: /a, matchImages: ['a:99999']}]":                                `error: "99999" is no port number`,
		"imageCredentials: [{name: a, program: \"/a\\nb\", matchImages: [a]}]":                                "error: the path holds a control character",
		"imageCredentials: [{name: a, program: '', matchImages: [a]}]":                                        "error: required, but empty",
		"proxy: {http: 'http://a b'}":                                    "error: the URL holds white space",
		"proxy: {http: 'http://:3128'}":                                  "error: the URL names no host",
		"proxy: {http: 'http://p:3128/path'}":                            "error: the URL has a path, a query or a fragment",
		"proxy: {http: 'http://p:3128/'}":                                "",
		"proxy: {http: [], noProxy: [a]}":                                "error: expected a string, found an empty list",
		"sysctls: {a.b: " + strings.Repeat("x", 4001) + "}":              "error: the value has 4001 bytes; the kernel takes at most 4000",
		"swap: {behavior: NoSwap, size: 1500m}":                          "error: 1500m is a fraction of a byte",
		"swap: {behavior: NoSwap, size: 64Ki}":                           "error: a swap file of 64Ki bytes is too small",
		"swap: {behavior: 1, size: 1Gi}":                                 "error: expected a string, found the number 1",
		"swap: {behavior: NoSwap, size: 1Gi, path: /a/./b}":              `error: "/a/./b" is not a clean path`,
		"ulimits: {nofile: {hard: -5}}":                                  `error: "-5" is no limit`,
		"ulimits: {nofile: ~}":                                           "",
		"readiness: {checks: {cni: true}}":                               "info: without a role the taint stays where the API server has the admission plugin NodeRestriction, as that of EKS: a node may not change its own taints",
		"readiness: {timeout: 1m}":                                       "warning: without a check or a taint the node registers without a startup taint",
		"readiness: {checks: {cni: false}, taint: {key: '', value: ''}}": "",
		"readiness: {taint: {value: x}, roleArn: 5}":                     "error: expected a string, found the number 5",
		"readiness: {taint: {value: x}, timeout: 9s, roleArn: 'arn:aws:iam::111122223333:role/a'}": "error: 9s is too short; the least is 10s",
		"timeSync: {servers: ['fe80::1%eth0']}":                                                    `error: "fe80::1%eth0" is no host name or IP address`,
		"timeSync: {servers: [0.0.0.0]}":                                                           `error: "0.0.0.0" is no host name or IP address`,
		"accelerators: {nvidia: {mode: CDI}}":                                                      "error: unknown value \"CDI\"; known are auto, cdi, runtime",
		"accelerators: {nvidia: {driver: grid}}":                                                   "error: unknown value \"grid\"; known are auto, open, proprietary",
		"accelerators: {neuron: {cdi: maybe}}":                                                     `error: expected true or false, found the string "maybe"`,
		"accelerators: {amd: {}}":                                                                  `error: unknown field "amd"`,
		"timeSync: {servers: [10.0.0]}":                                                            `error: "10.0.0" is no host name or IP address`,
		"hooks: [{name: a, stage: pre-config, command: ['', x]}]":                                  "error: the program is empty",
		"hooks: [{name: a, stage: pre-config, command: [/]}]":                                      "error: the root directory is no file",
		"hooks: [{name: a, stage: pre-config, command: [[x]]}]":                                    "error: expected a string, found a list",
		"hooks: [{name: a, stage: pre-config, command: [/x], timeout: 999ms}]":                     "error: 999ms is too short; the least is 1s",
		"hooks: [{name: a, stage: pre-config, command: [/x], timeout: 60}]":                        `error: "60" has no unit`,
		"hooks: [{name: a, stage: pre-config, command: [/x], env: {A=b: c}}]":                      `error: "A" is followed by "=" and not by a colon`,
		"hugePages: [{size: 512Mi, count: 1}, {size: 16Gi, count: 0}]":                             "",
		"staticPods: {a: {metadata: {name: a}, spec: {containers: [{name: a, image: b}]}}}":        "", // the agent writes kind and apiVersion
		"staticPods: {a: {metadata: {name: 1}, spec: []}}":                                         "error: expected a string, found the number 1; error: required, but empty",
		"staticPods: {a: {metadata: {name: a}, spec: [b]}}":                                        "error: expected a list of mappings, found a list",
		"staticPods: {a: {metadata: {name: a}, spec: {containers: a}}}":                            "error: expected a list of mappings, found the string \"a\"",
		"staticPods: {a: {metadata: {name: a, namespace: b}, spec: &s {containers: [{name: a, image: b}]}}, b: {metadata: {name: a}, spec: *s}}": "",
	} {
		_, problems := load(t, []byte(super(validCluster(t), lines)), api.Options{})
		var got []string
		for _, p := range problems {
			got = append(got, p.Severity.String()+": "+p.Message)
		}
		if got := strings.Join(got, "; "); got != want {
			t.Errorf("%.120s: got %q, want %q", lines, got, want)
		}
	}
}

// The place of an error inside a value is exact wherever the value stands as it is
// read, and else that of the value.
func TestErrorsInsideValuesHaveTheirColumn(t *testing.T) {
	for text, want := range map[string]string{
		"labels: {a: 'x${y}'}":                        "9:17",
		`labels: {a: "x${y}"}`:                        "9:17",
		"labels:\n  a: x${y}":                         "10:9",
		"labels:\n  a: é${y}":                         "10:9",
		"labels:\n  a: é${os.id}${y}":                 "10:17",
		`labels: {a: "\u0078${y}"}`:                   "9:15",
		"labels:\n  a: |-\n    x${y}":                 "11:8",
		"annotations:\n  a: |\n    x\n      é ${y}\n": "12:11",
		"annotations:\n  a: >\n    x\n    ${y}\n":     "10:8",
		"annotations:\n  a: x\n    ${y}":              "10:8",
		"labels: {a: x${y}, b: z}":                    "9:15", // is not YAML
	} {
		_, problems := load(t, []byte(super(validCluster(t), text)), api.Options{})
		if len(problems) != 1 {
			t.Errorf("%q: %v", text, problems)
			continue
		}
		if got := strings.TrimPrefix(problems[0].Pos.String(), "user-data:"); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}
