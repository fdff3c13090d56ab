package nodename

import (
	"net/netip"
	"strings"
	"testing"
)

const id = "i-0123456789abcdef0"

// Every row is a machine that somebody had. "" as name means: ask EC2.
func TestNodeNamesOfOddMachines(t *testing.T) {
	for name, r := range map[string]struct {
		hostname string
		region   string // us-east-1 when empty
		ips      string // 10.0.0.1 when empty, "none" for no address
		want     string
		why      string
	}{
		"plain us-east-1":                      {hostname: "ip-10-0-0-1.ec2.internal", want: "ip-10-0-0-1.ec2.internal", why: "is the IP name"},
		"plain other region":                   {hostname: "ip-10-0-0-1.us-west-2.compute.internal", region: "us-west-2", want: "ip-10-0-0-1.us-west-2.compute.internal", why: "is the IP name"},
		"China":                                {hostname: "ip-10-0-0-1.cn-north-1.compute.internal", region: "cn-north-1", want: "ip-10-0-0-1.cn-north-1.compute.internal", why: "is the IP name"},
		"GovCloud":                             {hostname: "ip-10-0-0-1.us-gov-west-1.compute.internal", region: "us-gov-west-1", want: "ip-10-0-0-1.us-gov-west-1.compute.internal", why: "is the IP name"},
		"resource name us-east-1":              {hostname: id + ".ec2.internal", want: id + ".ec2.internal", why: "is the resource name"},
		"resource name other region":           {hostname: id + ".us-west-2.compute.internal", region: "us-west-2", want: id + ".us-west-2.compute.internal", why: "is the resource name"},
		"resource name in an IPv6-only subnet": {hostname: id + ".us-west-2.compute.internal", region: "us-west-2", ips: "none", want: id + ".us-west-2.compute.internal", why: "is the resource name"},
		"DHCP domain-name foo":                 {hostname: "ip-10-0-0-1.foo", region: "us-west-2", want: "ip-10-0-0-1.us-west-2.compute.internal", why: `domain "foo" comes from a DHCP option set`},
		"DHCP domain-name with resource name":  {hostname: id + ".aws.example.com", region: "us-west-2", want: id + ".us-west-2.compute.internal", why: `"aws.example.com"`},
		"two DHCP domains with a space":        {hostname: "ip-10-0-0-1.ec2.internal corp.example", want: "ip-10-0-0-1.ec2.internal", why: `"ec2.internal corp.example"`},
		"two DHCP domains, own one last":       {hostname: "ip-10-0-0-1.corp.example ec2.internal", want: "ip-10-0-0-1.ec2.internal", why: "DHCP"},
		"two whole names":                      {hostname: "ip-10-0-0-1.ec2.internal ip-10-0-0-1.corp.example", want: "ip-10-0-0-1.ec2.internal", why: "DHCP"},
		"two names on two lines":               {hostname: "ip-10-0-0-1.corp.example\nip-10-0-0-1.ec2.internal\n", want: "ip-10-0-0-1.ec2.internal", why: "DHCP"},
		"dual DHCP domains run together":       {hostname: "ip-10-0-0-1.ec2.internalec2customdomain.info", want: "ip-10-0-0-1.ec2.internal", why: "DHCP"},
		"run together, over 63 characters":     {hostname: "ip-10-0-1-199.us-east-2.compute.internalmycorp.internal.with.a.long.name", region: "us-east-2", ips: "10.0.1.199", want: "ip-10-0-1-199.us-east-2.compute.internal", why: "DHCP"},
		"DHCP domain over 253 characters":      {hostname: "ip-10-0-0-1." + strings.Repeat("x", 300), want: "ip-10-0-0-1.ec2.internal", why: "DHCP"},
		"domain of another region":             {hostname: "ip-10-0-0-1.us-west-2.compute.internal", want: "ip-10-0-0-1.ec2.internal", why: "DHCP"},
		"no domain at all":                     {hostname: "ip-10-0-0-1", want: "ip-10-0-0-1.ec2.internal", why: "no domain"},
		"space after the label":                {hostname: "ip-10-0-0-1 corp.example", want: "ip-10-0-0-1.ec2.internal", why: "DHCP"},
		"dot at the end":                       {hostname: "ip-10-0-0-1.ec2.internal.", want: "ip-10-0-0-1.ec2.internal", why: "is the IP name"},
		"capitals":                             {hostname: "IP-10-0-0-1.EC2.Internal", want: "ip-10-0-0-1.ec2.internal", why: "is the IP name"},
		"secondary address":                    {hostname: "ip-10-0-0-2.ec2.internal", ips: "10.0.0.1,10.0.0.2", want: "ip-10-0-0-2.ec2.internal", why: "is the IP name"},
		"public-range VPC":                     {hostname: "ip-54-1-2-3.ec2.internal", ips: "54.1.2.3", want: "ip-54-1-2-3.ec2.internal", why: "is the IP name"},
		"isolated region, own domain":          {hostname: "ip-10-0-0-1.us-iso-east-1.compute.internal", region: "us-iso-east-1", want: "ip-10-0-0-1.us-iso-east-1.compute.internal", why: "is the IP name"},

		"isolated region, other domain":      {hostname: "ip-10-0-0-1.corp.example", region: "us-iso-east-1", why: "not documented"},
		"sovereign cloud, no domain":         {hostname: "ip-10-0-0-1", region: "eusc-de-east-1", why: "not documented"},
		"host renamed":                       {hostname: "web-1.corp.example", why: `"web-1"`},
		"IP name of another machine":         {hostname: "ip-10-0-0-9.ec2.internal", why: "private address is 10.0.0.1"},
		"IP name without a known address":    {hostname: "ip-10-0-0-1.ec2.internal", ips: "none", why: "not known"},
		"resource name of another machine":   {hostname: "i-0fedcba9876543210.ec2.internal", why: id},
		"resource name glued to text":        {hostname: id + "x.ec2.internal", why: "neither"},
		"IP label with five parts":           {hostname: "ip-10-0-0-1-2.ec2.internal", why: "neither"},
		"IP label with leading zero":         {hostname: "ip-10-0-0-01.ec2.internal", why: "neither"},
		"IP label with dots":                 {hostname: "ip-10.0.0.1.ec2.internal", why: "neither"},
		"IP label out of range":              {hostname: "ip-10-0-0-256.ec2.internal", why: "neither"},
		"IPv6 label":                         {hostname: "ip-fd00--1.ec2.internal", why: "neither"},
		"empty":                              {hostname: "", why: "empty"},
		"white space":                        {hostname: " \n", why: "empty"},
		"web page":                           {hostname: "<html><body>login</body></html>", why: "neither"},
		"two hosts run together":             {hostname: "ip-10-0-0-1ip-10-0-0-1.ec2.internal", why: "neither"},
		"no region":                          {hostname: "ip-10-0-0-1.ec2.internal", region: "none", why: "not a region"},
		"region that would change the name":  {hostname: "ip-10-0-0-1.x", region: "us-west-2.evil", why: "not a region"},
		"label that only looks like an id":   {hostname: "i-0123.ec2.internal", why: "neither"},
		"localhost":                          {hostname: "localhost.localdomain", why: `"localhost"`},
		"leading dot":                        {hostname: ".ec2.internal", why: "empty"},
		"network address that is not in use": {hostname: "ip-0-0-0-0.ec2.internal", why: "private address"},
	} {
		t.Run(name, func(t *testing.T) {
			m := Machine{InstanceID: id, Region: r.region, LocalHostname: r.hostname}
			if m.Region == "" {
				m.Region = "us-east-1"
			}
			switch r.ips {
			case "none":
			case "":
				m.PrivateIPs = []netip.Addr{netip.MustParseAddr("10.0.0.1")}
			default:
				for _, ip := range strings.Split(r.ips, ",") {
					m.PrivateIPs = append(m.PrivateIPs, netip.MustParseAddr(ip))
				}
			}
			got, ok, why := FromLocalHostname(m)
			if got != r.want || ok != (r.want != "") {
				t.Errorf("%q, %v; want %q (%s)", got, ok, r.want, why)
			}
			if !strings.Contains(why, r.why) {
				t.Errorf("why %q, want %q in it", why, r.why)
			}
			if ok && Check(got) != "" {
				t.Errorf("%q is no node name: %s", got, Check(got))
			}
		})
	}
}

func TestInstanceIDsAreNodeNames(t *testing.T) {
	for in, want := range map[string]bool{
		id: true, "i-01234567": true,
		"": false, "i-": false, "i-0123456789ABCDEF0": false, "i-012345678": false, "mi-0123456789abcdef0": false,
		id + "\n": false, id + ".ec2.internal": false,
	} {
		name, ok, why := InstanceIDName(in)
		if ok != want || ok && name != in || !ok && name != "" || why == "" {
			t.Errorf("%q: %q, %v, %q", in, name, ok, why)
		}
	}
}

func TestNamesAreComposedWhateverTheHostnameIs(t *testing.T) {
	ip := netip.MustParseAddr("10.0.0.1")
	for region, want := range map[string]struct{ domain, why string }{
		"us-east-1":      {"ec2.internal", ""},
		"us-east-2":      {"us-east-2.compute.internal", ""},
		"cn-north-1":     {"cn-north-1.compute.internal", ""},
		"us-gov-west-1":  {"us-gov-west-1.compute.internal", ""},
		"us-iso-east-1":  {"us-iso-east-1.compute.internal", "not documented"},
		"eusc-de-east-1": {"eusc-de-east-1.compute.internal", "not documented"},
		"nowhere":        {"", "not a region"},
		"us-west-2.evil": {"", "not a region"},
		"":               {"", "not a region"},
	} {
		for kind, f := range map[string]func() (string, bool, string){
			"ip-10-0-0-1": func() (string, bool, string) { return IPName(ip, region) },
			id:            func() (string, bool, string) { return ResourceName(id, region) },
		} {
			name, ok, why := f()
			expected := kind + "." + want.domain
			if want.domain == "" {
				expected = ""
			}
			if name != expected || ok != (expected != "") || !strings.Contains(why, want.why) || strings.Contains(why, "not documented") != (want.why == "not documented") {
				t.Errorf("%s in %q: %q, %v, %q", kind, region, name, ok, why)
			}
			if ok && Check(name) != "" {
				t.Errorf("%q is no node name: %s", name, Check(name))
			}
		}
	}
	for _, none := range []netip.Addr{{}, netip.MustParseAddr("2600::1"), netip.MustParseAddr("::ffff:10.0.0.1")} {
		if name, ok, why := IPName(none, "us-west-2"); ok || name != "" || !strings.Contains(why, "no private IPv4") {
			t.Errorf("%s: %q, %v, %q", none, name, ok, why)
		}
	}
	if name, ok, why := ResourceName("mi-0123", "us-west-2"); ok || name != "" || !strings.Contains(why, "not an instance id") {
		t.Errorf("%q, %v, %q", name, ok, why)
	}
}

func TestWhatKubeletAcceptsAsName(t *testing.T) {
	for name, why := range map[string]string{
		"ip-10-0-0-1.ec2.internal":     "",
		id:                             "",
		"a":                            "",
		strings.Repeat("a", 63):        "",
		"":                             "empty",
		"a..b":                         "empty part",
		".a":                           "empty part",
		"a.":                           "empty part",
		"-a":                           "hyphen",
		"a-.b":                         "hyphen",
		"A":                            "lower-case",
		"a_b":                          "lower-case",
		"a b":                          "lower-case",
		"ü":                            "lower-case",
		strings.Repeat("a", 64):        "64 characters, more than 63",
		strings.Repeat("a.", 32) + "a": "kubernetes.io/hostname",
		strings.Repeat("a.", 130):      "more than 253",
	} {
		if got := Check(name); (why == "") != (got == "") || !strings.Contains(got, why) {
			t.Errorf("%q: %q, want %q", name, got, why)
		}
	}
}

func FuzzLocalHostname(f *testing.F) {
	for _, s := range []string{
		"ip-10-0-0-1.ec2.internal", "ip-10-0-0-1.ec2.internal corp.example", "ip-10-0-0-1.ec2.internalec2customdomain.info",
		id + ".us-west-2.compute.internal", "", ".", " ", "ip-", "ip-10-0-0-1", "İp-10-0-0-1", "\x00",
	} {
		f.Add(s, "us-west-2")
	}
	ip := netip.MustParseAddr("10.0.0.1")
	f.Fuzz(func(t *testing.T, hostname, region string) {
		name, ok, why := FromLocalHostname(Machine{InstanceID: id, Region: region, LocalHostname: hostname, PrivateIPs: []netip.Addr{ip}})
		if why == "" || ok != (name != "") {
			t.Fatalf("%q, %v, %q", name, ok, why)
		}
		if !ok {
			return
		}
		// Whatever the host name says, only two names are possible.
		domain, _ := Domain(region)
		if name != "ip-10-0-0-1."+domain && name != id+"."+domain {
			t.Errorf("%q in %q gives %q", hostname, region, name)
		}
	})
}
