package convert

import (
	"fmt"
	"slices"
	"strings"
)

// commands names what else the script does.
func (r *scripts) commands() {
	for _, c := range r.others {
		name := cleanMarks(c.words[0])
		at := source{"the command " + name, c.line}
		switch {
		case name == "set" || name == "trap" || name == "exec" && len(c.words) == 1 || (name == "echo" || name == "printf") && !c.redirected || name == "shopt" || name == ":" || name == "true" || name == "exit" || name == "[[" || name == "[" || name == "test" || declared(c):
			r.say(at, Implied, "", "it is about the script and not about the node", "")
		case r.files[name]:
			r.say(at, Implied, "", "the file was read", "")
		case r.eksctl && c.in != "" && eksctlCommand(c):
			r.say(at, Implied, "", "it is eksctl's own, about files that the agent writes", "")
		default:
			message := "commands have no place in NodeConfig"
			if c.document > 0 {
				message = fmt.Sprintf("commands have no place in NodeConfig, nor have the %d lines that it is given", c.document)
			}
			r.say(at, Lost, "", message, "keep it in a part of type text/x-shellscript, or make it a program that spec.hooks names")
		}
	}
}

// declared reports whether a command only declares variables.
func declared(c command) bool { return slices.Contains(declares, c.words[0]) && len(c.words) == 1 }

// eksctlCommand reports whether a command is one of eksctl's script around the call.
func eksctlCommand(c command) bool {
	switch c.words[0] {
	case "source", ".":
		return len(c.words) > 1 && isProgram(c.words[1], "bootstrap.helper.sh")
	case "jq", "mv", "trap":
		return true
	case "systemctl":
		return len(c.words) == 2 && c.words[1] == "daemon-reload" || len(c.words) == 3 && c.words[1] == "restart" && c.words[2] == "kubelet"
	}
	return false
}

// variables names the assignments that the call does not use.
func (r *scripts) variables() {
	names := make([]string, 0, len(r.sh.vars))
	for name := range r.sh.vars {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := r.sh.vars[name]
		at := source{"the variable " + name, v.line}
		switch lower := strings.ToLower(name); {
		case v.used && v.inside != "":
			r.say(at, Changed, "", "it is assigned within "+v.inside+"; it was taken as if it were always assigned", "see that the condition holds for every node")
		case v.used:
		case lower == "http_proxy" || lower == "https_proxy" || lower == "no_proxy":
			r.say(at, Lost, "", "it is the environment of the script alone", "give it at spec.proxy, which reaches containerd and kubelet too")
		case v.exported:
			r.say(at, Lost, "", "it is the environment of the script", "give it at spec.instance.environment if a service needs it")
		default:
			r.say(at, Implied, "", "the call of bootstrap.sh does not use it", "")
		}
	}
	for _, e := range r.call.env {
		if e.name != "SERVICE_IPV4_CIDR" {
			r.say(source{"the variable " + e.name, r.call.line}, Lost, "", "it is the environment of bootstrap.sh", "")
		}
	}
}
