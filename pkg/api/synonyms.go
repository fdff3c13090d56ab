package api

import "strings"

// entrySynonyms maps what people call the fields of one mapping of the superset, as
// bareName has it, to the field of the same mapping; or to a whole remedy where there
// is no such field.
func entrySynonyms(s schema, path string) map[string]string {
	const credentials = "write it at credentials, as {source: basic, username: USER, password: PASSWORD}"
	switch holder := withoutKeys(path); holder {
	case "spec.registries":
		return map[string]string{"name": "registry", "host": "registry", "server": "registry", "mirror": "mirrors", "endpoint": "mirrors", "endpoints": "mirrors"}
	case "spec.registries.mirrors":
		return map[string]string{
			"endpoint": "url", "host": "url", "server": "url", "mirror": "url", "address": "url", "skipverify": "insecureSkipVerify", "insecure": "insecureSkipVerify",
			"cacert": "ca", "cabundle": "ca", "username": credentials, "password": credentials, "auth": credentials,
		}
	case "spec.registries.mirrors.credentials":
		return map[string]string{"type": "source", "user": "username", "pass": "password"}
	case "spec.hooks":
		const script = "write command: [/bin/sh, -c, SCRIPT], or the program and its arguments"
		return map[string]string{
			"cmd": "command", "exec": "command", "program": "command", "script": script, "content": script,
			"args": "write the arguments behind the program in command", "when": "stage", "phase": "stage", "type": "stage", "point": "stage",
			"timeoutseconds": "timeout", "environment": "env", "frequency": "run", "policy": "onFailure", "failurepolicy": "onFailure",
		}
	case "spec.kernelModules":
		return map[string]string{"module": "name", "options": "parameters", "params": "parameters", "args": "parameters"}
	case "spec.swap":
		const enabled = "write behavior: LimitedSwap, and size for a swap file"
		return map[string]string{"file": "path", "enabled": enabled, "swapbehavior": "behavior", "memoryswap": "behavior"}
	case "spec.taints":
		return map[string]string{
			"operator": "remove it: tolerations have an operator, taints have none", "timeadded": "remove it",
			"name": "key", "tolerationseconds": "remove it: tolerations have it, taints have not",
		}
	case "spec.hugePages":
		return map[string]string{"pages": "count", "number": "count", "nr": "count", "pagesize": "size", "node": "numaNode", "numa": "numaNode"}
	case "spec.proxy":
		return map[string]string{"httpproxy": "http", "httpsproxy": "https", "url": "https", "noproxies": "noProxy", "exclude": "noProxy"}
	case "spec.timeSync":
		return map[string]string{"server": "servers", "ntp": "servers", "pools": "servers", "pool": "servers", "ntpservers": "servers"}
	case "spec.cni":
		return map[string]string{"name": "profile", "type": "profile", "plugin": "profile", "enableprefixdelegation": "prefixDelegation", "enablepodeni": "securityGroupsForPods", "maxeni": "maxENIs"}
	case "spec.reserved":
		return map[string]string{"kubereserved": "write model: expression, with cpu and memory; or spec.kubelet.config.kubeReserved", "systemreserved": "system"}
	case "spec.imageCredentials":
		return map[string]string{"path": "program", "bin": "program", "binary": "program", "command": "program", "images": "matchImages", "environment": "env"}
	case "spec.nodeName":
		return map[string]string{"type": "source", "value": "name", "from": "source"}
	}
	if strings.HasPrefix(path, "spec.ulimits.") {
		return map[string]string{"max": "hard", "limit": "hard", "value": "hard", "min": "soft"}
	}
	return nil
}

// withoutKeys is a path without the keys and numbers of list entries.
func withoutKeys(path string) string {
	var b strings.Builder
	for path != "" {
		before, rest, ok := strings.Cut(path, "[")
		b.WriteString(before)
		if !ok {
			break
		}
		keys := pathKeys("[" + rest)
		if len(keys) == 0 {
			break
		}
		end := strings.IndexByte(rest, ']')
		if strings.HasPrefix(rest, `"`) {
			end = strings.Index(rest, `"]`) + 1
		}
		if end < 0 {
			break
		}
		path = rest[end+1:]
	}
	return b.String()
}
