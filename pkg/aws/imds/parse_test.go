package imds

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
)

func replaced(old, with string) string { return strings.Replace(awstest.Document, old, with, 1) }

func TestDocumentsOfOddMachines(t *testing.T) {
	for name, doc := range map[string]string{
		"IPv6-only subnet, null":    replaced(`"10.0.12.34"`, "null"),
		"IPv6-only subnet, empty":   replaced(`"10.0.12.34"`, `""`),
		"Local Zone":                replaced("us-west-2a", "us-west-2-lax-1a"),
		"Wavelength":                replaced("us-west-2a", "us-west-2-wl1-las-wlz-1"),
		"metal":                     replaced("m5.large", "m5.metal-24xl"),
		"longest type":              replaced("m5.large", strings.Repeat("m", 63)),
		"longest account":           replaced("111122223333", strings.Repeat("1", 64)),
		"u-instance":                replaced("m5.large", "u-6tb1.112xlarge"),
		"short instance id":         replaced(`"i-0123456789abcdef0"`, `"i-01234567"`),
		"sovereign cloud":           strings.NewReplacer("us-west-2a", "eusc-de-east-1a", "us-west-2", "eusc-de-east-1").Replace(awstest.Document),
		"without unused fields":     `{"instanceId":"i-01234567","region":"us-east-1","availabilityZone":"us-east-1a","instanceType":"t3.nano"}`,
		"with fields of the future": replaced("{", `{"new": {"a": [1]},`),
	} {
		if _, err := parseDocument([]byte(doc)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDocumentsThatAreRefused(t *testing.T) {
	for name, doc := range map[string]string{
		"empty":                      "",
		"null":                       "null",
		"no fields":                  "{}",
		"list":                       "[]",
		"web page":                   "<html></html>",
		"cut off":                    awstest.Document[:len(awstest.Document)/2],
		"wrong type":                 replaced(`"us-west-2"`, "7"),
		"no instance id":             replaced(`"i-0123456789abcdef0"`, `""`),
		"instance id with a newline": replaced(`"i-0123456789abcdef0"`, `"i-01234567\n"`),
		"region that is a host":      replaced(`"us-west-2"`, `"us-west-2.evil.example/"`),
		"zone with a space":          replaced("us-west-2a", "us west"),
		"type with a quote":          replaced("m5.large", `m5.\"large`),
		"type that is too long":      replaced("m5.large", strings.Repeat("m", 64)),
		"account that is too long":   replaced("111122223333", strings.Repeat("1", 65)),
		"private IP that is none":    replaced("10.0.12.34", "10.0.12.340"),
		"private IP of family 6":     replaced("10.0.12.34", "fd00::1"),
	} {
		if id, err := parseDocument([]byte(doc)); err == nil {
			t.Errorf("%s: accepted as %+v", name, id)
		}
	}
}

func TestIPv6Lists(t *testing.T) {
	for name, r := range map[string]struct {
		in   string
		want []string
	}{
		"one":                     {"2600:1f14::1", []string{"2600:1f14::1"}},
		"several lines":           {"2600:1f14::2\n2600:1f14::1\n", []string{"2600:1f14::2", "2600:1f14::1"}},
		"blank lines and CR LF":   {"\r\n2600:1f14::2\r\n\r\n2600:1f14::1\r\n", []string{"2600:1f14::2", "2600:1f14::1"}},
		"several words":           {"2600:1f14::2 2600:1f14::1", []string{"2600:1f14::2", "2600:1f14::1"}},
		"duplicates in two forms": {"2600:1f14:0::1\n2600:1f14::1", []string{"2600:1f14::1"}},
		"with link-local":         {"fe80::1\n2600:1f14::1", []string{"2600:1f14::1"}},
		"link-local only":         {"fe80::1", nil},
		"zone":                    {"2600:1f14::1%eth0", nil},
		"mapped":                  {"::ffff:10.0.0.1", nil},
		"IPv4":                    {"10.0.0.1", nil},
		"empty":                   {"\n", nil},
		"page":                    {"<html>", nil},
	} {
		got, err := parseIPv6List([]byte(r.in))
		var texts []string
		for _, a := range got {
			texts = append(texts, a.String())
		}
		if d := cmp.Diff(r.want, texts); d != "" || (err == nil) != (r.want != nil) {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, d)
		}
	}
}

func TestHardwareAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"02:AB:cd:00:00:01\n": "02:ab:cd:00:00:01", "02-ab-cd-00-00-01": "02:ab:cd:00:00:01",
		"02:ab:cd:00:00": "", "02:00:5e:10:00:00:00:01": "", "": "", "../../iam": "",
	} {
		if got, err := parseMAC([]byte(in)); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
}

func FuzzDocument(f *testing.F) {
	for _, s := range []string{awstest.Document, "", "{}", "null", `{"instanceId":"i-01234567"}`, replaced("10.0.12.34", "::"), "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := parseDocument(body)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || len(err.Error()) > 512 {
				t.Errorf("error %q", err)
			}
			return
		}
		for _, v := range []string{id.InstanceID, id.Region, id.Zone, id.InstanceType} {
			if v == "" || strings.ContainsAny(v, " \t\r\n\"'\\/%") {
				t.Errorf("value %q in %+v", v, id)
			}
		}
	})
}

func FuzzIPv6List(f *testing.F) {
	for _, s := range []string{"2600:1f14::2\n2600:1f14::1", "fe80::1", "", "::", "10.0.0.1", "::ffff:1.2.3.4", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		addrs, err := parseIPv6List(body)
		if (err == nil) != (len(addrs) > 0) {
			t.Fatalf("%v, %v", addrs, err)
		}
		for i, a := range addrs {
			if !a.Is6() || a.Is4In6() || a.IsLinkLocalUnicast() || slices.Contains(addrs[:i], a) {
				t.Errorf("address %v in %v", a, addrs)
			}
			if b, err := netip.ParseAddr(a.String()); err != nil || a != b {
				t.Errorf("%v does not survive printing", a)
			}
		}
	})
}

func FuzzValue(f *testing.F) {
	for _, s := range []string{"ip-10-0-0-1.ec2.internal corp.example", "a\nb", "", " ", "\x00", "\u2028"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if s, err := text(body); err == nil {
			if s == "" || s != strings.TrimSpace(s) || !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x1b\r") {
				t.Errorf("value %q", s)
			}
		}
		if mac, err := parseMAC(body); err == nil && len(mac) != len("00:00:00:00:00:00") {
			t.Errorf("mac %q", mac)
		}
		if tok, ttl, err := readToken(body, string(body)); err == nil && (tok == "" || ttl <= 0 || strings.ContainsAny(tok, " \r\n")) {
			t.Errorf("token %q, %v", tok, ttl)
		}
	})
}
