package convert

import (
	"errors"
	"slices"
	"strings"
)

var errNoWindowsCall = errors.New("cannot find a call of Start-EKSBootstrap.ps1 in the input")

// windowsParameters are the parameters of Start-EKSBootstrap.ps1. PowerShell takes
// them in any case, and shortened as long as that is unambiguous.
func windowsParameters() []string {
	return []string{"EKSClusterName", "KubeletExtraArgs", "KubeProxyExtraArgs", "APIServerEndpoint", "Base64ClusterCA", "DNSClusterIP", "ServiceCIDR", "ExcludedSnatCIDRs", "ContainerRuntime", "Endpoint"}
}

// readWindows reads the call of Start-EKSBootstrap.ps1 in user data.
func readWindows(texts []text) (*draft, error) {
	d, p := newDraft(), newPowershell()
	d.unresolved = p.sh.unresolved
	for _, t := range texts {
		script, above, rest := powershellBody(t.body)
		if t.before >= 0 {
			t.before += above
		}
		t.body = script
		d.otherTags(rest)
		p.read(t)
	}
	if p.sh.grown > maxInput {
		return nil, errExpansion
	}
	call, words := -1, []psWord(nil)
	for i, c := range p.out {
		at := slices.IndexFunc(c.words, isWindowsBootstrap)
		if at < 0 && !slices.ContainsFunc(c.words, func(w psWord) bool { return strings.EqualFold(w.text, "-EKSClusterName") }) {
			continue
		}
		if call >= 0 {
			d.say(source{"a second call of Start-EKSBootstrap.ps1", c.line}, Lost, "", "only the first call is read", "convert the calls one by one")
			continue
		}
		call, words = i, c.words[at+1:]
	}
	if call < 0 {
		return nil, errNoWindowsCall
	}
	d.windowsArguments(p.out[call].line, words)
	for i, c := range p.out {
		if i != call && !slices.ContainsFunc(c.words, isWindowsBootstrap) {
			d.say(source{"the command " + cleanMarks(c.words[0].text), c.line}, Lost, "", "commands have no place in NodeConfig", "keep it in the <powershell> part")
		}
	}
	d.psVariables(p)
	d.needCluster()
	return d, nil
}

func isWindowsBootstrap(w psWord) bool {
	return strings.HasSuffix(strings.ToLower(w.text), "start-eksbootstrap.ps1")
}

// otherTags names what stands around the script in user data.
func (d *draft) otherTags(rest string) {
	for _, tag := range []string{"persist", "script", "runAsLocalSystem", "detach", "version"} {
		if strings.Contains(strings.ToLower(rest), "<"+strings.ToLower(tag)+">") {
			d.say(source{from: "the tag <" + tag + ">"}, Lost, "", "it is the business of EC2Launch", "keep it in the user data")
		}
	}
}

func (d *draft) windowsArguments(line int, words []psWord) {
	var given []pair
	for i := 0; i < len(words); i++ {
		w := words[i].text
		switch name, value, joined := strings.Cut(strings.TrimPrefix(w, "-"), ":"); {
		case strings.HasPrefix(w, "@") && !words[i].quoted:
			d.say(source{"the arguments " + w, line}, Lost, "", "splatting is not read", "write the arguments out")
		case words[i].quoted || !strings.HasPrefix(w, "-"):
			if i == 0 { // EKSClusterName may be given by position
				given = append(given, pair{"EKSClusterName", w})
				continue
			}
			d.say(source{"the word after the arguments", line}, Lost, "", "it belongs to no parameter", "give it a name or remove it")
		case windowsParameter(name) == "":
			d.say(source{"-" + name, line}, Lost, "", "Start-EKSBootstrap.ps1 has no such parameter", "correct it or remove it")
			if i+1 < len(words) && !joined && !strings.HasPrefix(words[i+1].text, "-") {
				i++
			}
		case joined && value != "":
			given = append(given, pair{windowsParameter(name), value})
		case i+1 == len(words):
			d.say(source{"-" + name, line}, Lost, "", "the parameter has no value", "give it one or remove it")
		default:
			i++
			given = append(given, pair{windowsParameter(name), words[i].text})
		}
	}
	for _, g := range given { // the name first, which remedies tell
		if g.name == "EKSClusterName" {
			d.text(source{"-" + g.name, line}, &d.config.Spec.Cluster.Name, "spec.cluster.name", g.value)
		}
	}
	for _, g := range given {
		d.windowsArgument(source{"-" + g.name, line}, g.value)
	}
}

// windowsParameter returns the parameter that a name is or begins, or "".
func windowsParameter(name string) string {
	var found []string
	for _, p := range windowsParameters() {
		if strings.EqualFold(p, name) {
			return p
		}
		if name != "" && len(p) > len(name) && strings.EqualFold(p[:len(name)], name) {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		return found[0]
	}
	return ""
}

func (d *draft) windowsArgument(s source, value string) {
	c := &d.config.Spec.Cluster
	if value == "" {
		d.say(s, Implied, "", "the value is empty", "")
		return
	}
	switch strings.TrimPrefix(s.from, "-") {
	case "APIServerEndpoint", "Endpoint":
		d.text(s, &c.APIServerEndpoint, "spec.cluster.apiServerEndpoint", value)
	case "Base64ClusterCA":
		d.certificate(s, value)
	case "DNSClusterIP":
		d.dns(s, strings.Split(value, ","))
	case "ServiceCIDR":
		d.text(s, &c.CIDR, "spec.cluster.cidr", value)
	case "KubeletExtraArgs":
		d.kubeletArguments(s, splitWords(strings.ReplaceAll(value, `\`, `\\`)))
	case "KubeProxyExtraArgs":
		d.say(s, Lost, "", "NodeConfig does not configure kube-proxy", "keep it where Start-EKSBootstrap.ps1 is called")
	case "ExcludedSnatCIDRs":
		d.say(s, Lost, "", "NodeConfig does not configure the network plugin", "keep it where Start-EKSBootstrap.ps1 is called")
	case "ContainerRuntime":
		d.say(s, Implied, "", "containerd is the only runtime since Kubernetes 1.24", "")
	}
}

// psVariables names the assignments that the call does not use.
func (d *draft) psVariables(p *powershell) {
	names := make([]string, 0, len(p.vars))
	for name := range p.vars {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		v := p.vars[name]
		switch {
		case v.used:
		case strings.HasPrefix(name, "env:"):
			d.say(source{"the variable $" + name, v.line}, Lost, "", "it is the environment of the script", "")
		default:
			d.say(source{"the variable $" + name, v.line}, Implied, "", "the call does not use it", "")
		}
	}
}
