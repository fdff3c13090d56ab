package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
)

// problemsOf loads a valid cluster in which one line is replaced, and other lines.
func problemsOf(t *testing.T, field, value string, more ...string) string {
	t.Helper()
	cluster := validCluster(t)
	if field != "" {
		lines := strings.Split(cluster, "\n")
		for i, l := range lines {
			if strings.HasPrefix(strings.TrimSpace(l), field+":") {
				lines[i] = "  " + field + ": " + value
			}
		}
		cluster = strings.Join(lines, "\n")
	}
	_, problems := load(t, []byte(spec(append([]string{cluster}, more...)...)), api.Options{})
	var out []string
	for _, p := range problems {
		out = append(out, p.Severity.String()+": "+p.Message)
	}
	return strings.Join(out, "; ")
}

func TestClusterNamesFollowTheRuleOfEKS(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "0": false, `"0"`: true, "A-b_9": true, strings.Repeat("x", 100): true, strings.Repeat("x", 101): false,
		"-a": false, "_a": false, "a.b": false, "a/b": false, "a b": false, "é": false, "\"a\\nb\"": false, "'${name}'": false, "<name>": false,
	} {
		if got := problemsOf(t, "name", name); (got == "") != ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestEndpointsAreURLsOfAnAPIServer(t *testing.T) {
	for endpoint, want := range map[string]string{
		"https://ABC.gr7.eu-west-1.eks.amazonaws.com": "",
		"https://x.example.com:6443":                  "",
		"https://10.0.0.1:443":                        "",
		`"https://[fd00::1]:443"`:                     "",
		"https://x_y.example.com":                     "",
		"https://x.example.com/":                      "warning: the URL ends in a slash",
		"http://x.example.com":                        `error: the URL's scheme is "http"; an API server speaks https only`,
		"x.example.com":                               `error: "x.example.com" is not a URL`,
		"x.example.com:443":                           `error: "x.example.com:443" is not a URL`,
		"https://":                                    "error: the URL names no host",
		"https://:443":                                "error: the URL names no host",
		"https://x.example.com/api":                   `error: the URL has the path "/api"`,
		"https://x.example.com?a=b":                   "error: the URL has a query or fragment",
		"'https://x.example.com?'":                    "error: the URL has a query or fragment",
		"'https://x.example.com#a'":                   "error: the URL has a query or fragment",
		"https://u:p@x.example.com":                   "error: the URL holds a user name or password",
		"https://x.example.com:0":                     `error: "0" is no port number`,
		"https://x.example.com:65536":                 `error: "65536" is no port number`,
		"'https://x.example.com:'":                    `error: "" is no port number`,
		"https://x.example.com:abc":                   `error: "https://x.example.com:abc" is not a URL`,
		`"https://x.example.com\n"`:                   "error: the URL holds white space",
		"https://x..example.com":                      `error: "x..example.com" is no host name or IP address`,
		"https://-x.example.com":                      `error: "-x.example.com" is no host name or IP address`,
	} {
		if got := problemsOf(t, "apiServerEndpoint", endpoint); got != want {
			t.Errorf("%s: got %q, want %q", endpoint, got, want)
		}
	}
}

func TestServiceNetworksAreCIDRs(t *testing.T) {
	for cidr, want := range map[string]string{
		"10.100.0.0/16":         "",
		"172.20.5.128/25":       "",
		"fd30:1c53:5f8a::/108":  "",
		"10.100.0.0/28":         "",
		"10.100.0.0/29":         `error: "10.100.0.0/29" is too small to hold the cluster's DNS address, the tenth`,
		"fd00::/125":            `error: "fd00::/125" is too small to hold the cluster's DNS address, the tenth`,
		"10.100.0.1/16":         `warning: "10.100.0.1/16" has bits set beyond the network`,
		"10.100.0.0":            `error: "10.100.0.0" is not a CIDR`,
		"10.100.0/16":           `error: "10.100.0/16" is not a CIDR`,
		"::ffff:10.100.0.0/112": `error: "::ffff:10.100.0.0/112" is an IPv4 network written as IPv6`,
	} {
		if got := problemsOf(t, "cidr", cidr); got != want {
			t.Errorf("%s: got %q, want %q", cidr, got, want)
		}
	}
	p, err := (api.Cluster{CIDR: "10.100.3.4/16"}).ServiceNetwork()
	if err != nil || p.String() != "10.100.0.0/16" {
		t.Errorf("got %v, %v", p, err)
	}
	if _, err := (api.Cluster{CIDR: "x"}).ServiceNetwork(); err == nil {
		t.Error("no error")
	}
}

func TestCertificatesAreJudgedByTheGivenTimeOnly(t *testing.T) {
	docs := decode(t, "x", spec(validCluster(t)))
	for at, want := range map[time.Time]string{
		{}:                      "",
		now:                     "",
		now.AddDate(100, 0, 0):  `certificate 1 ("CN=kubernetes") expired on 2050-01-01`,
		now.AddDate(-100, 0, 0): `certificate 1 ("CN=kubernetes") is valid only from 2020-01-01 00:00:00 on`,
	} {
		problems := api.Validate(api.Merge(docs), at)
		got := ""
		if len(problems) > 0 {
			got = problems[0].Message
		}
		if got != want || api.HasErrors(problems) || len(problems) > 1 {
			t.Errorf("at %v: got %q, want %q", at, problems, want)
		}
	}
}

func TestMaxPodsIsAPositiveWholeNumber(t *testing.T) {
	for value, ok := range map[string]bool{
		"1": true, "110": true, "2147483647": true, "2147483648": false, "0": false, "-1": false, "1.5": false, "1e2": false,
		"'110'": false, "many": false, "true": false, "[]": false, "~": false, "99999999999999999999": false,
	} {
		if got := problemsOf(t, "", "", "kubelet: {config: {maxPods: "+value+"}}"); (got == "") != ok {
			t.Errorf("%s: %q", value, got)
		}
	}
}

func TestFlagsOfRealToolsPassWithoutRemark(t *testing.T) {
	for _, flags := range []string{
		`[--node-labels=a=b, --v=2]`,
		`["--node-labels=\"karpenter.sh/nodepool=x,a=b\"", "--node-labels=a=b"]`,
		`[--node-labels, a=b, -v, "2"]`,
		`["--node-labels=a=1", "--node-labels=b=2"]`,
		`["--register-with-taints=a=b:NoSchedule,c=d:NoExecute"]`,
		`["--fail-swap-on=false", "--rotate-certificates"]`,
	} {
		if got := problemsOf(t, "", "", "kubelet: {flags: "+flags+"}"); got != "" {
			t.Errorf("%s: %s", flags, got)
		}
	}
}

func TestTaintsGivenAsFlagAndInConfigAreTold(t *testing.T) {
	got := problemsOf(t, "", "", "kubelet: {flags: [--register-with-taints=a=b:NoSchedule], config: {registerWithTaints: [{key: c, effect: NoExecute}]}}")
	if want := "warning: --register-with-taints makes the kubelet ignore spec.kubelet.config.registerWithTaints at user-data:9:90: the taint c:NoExecute is lost"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestServiceNamesInEnvironmentAreUnitNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"default": true, "kubelet": true, "getty@tty1": true, "a:b_c.d-e": true, "soci-snapshotter": true,
		"../x": false, "a/b": false, "a..b": false, "a b": false, `""`: false, "a\\b": false, `"a\nb"`: false,
	} {
		if got := problemsOf(t, "", "", "instance:\n  environment:\n    "+name+": {A: b}"); (got == "") != ok {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestVariablesInEnvironmentFitAUnitFile(t *testing.T) {
	for line, ok := range map[string]bool{
		"A: b": true, "_a1: b": true, "http_proxy: 'http://u:p@h:1/%20 \"x\"'": true, "A: ''": true, "A:": true, `A: "a\tb"`: true,
		"1A: b": false, "A-B: b": false, "A.B: b": false, `"": b`: false, `A: "b\nc"`: false, `A: "b\rc"`: false, "é: b": false,
	} {
		if got := problemsOf(t, "", "", "instance:\n  environment:\n    default:\n      "+line); (got == "") != ok {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestValidationOfNothingSaysSo(t *testing.T) {
	problems := api.Validate(api.Merge(nil), now)
	if len(problems) != 1 || problems[0].Code != api.CodeNoNodeConfig || problems[0].Severity != api.Error {
		t.Errorf("got %v", problems)
	}
}

func TestFieldsOfAnOutpostClusterComeTogether(t *testing.T) {
	for value, ok := range map[string]bool{"true": false, "false": true, "yes": false} {
		if got := problemsOf(t, "name", "x\n  enableOutpost: "+value); (got == "") != ok {
			t.Errorf("%s: %q", value, got)
		}
	}
	if got := problemsOf(t, "name", "x\n  enableOutpost: true\n  id: i"); got != "" {
		t.Errorf("with an ID: %q", got)
	}
}
