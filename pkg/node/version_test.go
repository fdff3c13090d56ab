package node

import "testing"

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]string{
		"v1.33.5-eks-113cf36":                    "1.33.5",
		"Kubernetes v1.29.0\n":                   "1.29.0",
		"1.37.2":                                 "1.37.2",
		"containerd github.com/x/y v2.1.4 abc":   "2.1.4",
		"v2.0.0-rc.1":                            "2.0.0",
		"1.7.35+ds1":                             "1.7.35",
		"containerd 1.7 then 2.2.9":              "2.2.9",
		"":                                       "",
		"v1.33":                                  "",
		"version":                                "",
		"1..2":                                   "",
		"99999999999999999999.1.1 then nothing":  "",
		"v1234567.1.1":                           "",
		"10.0.0.1 is no version but an address?": "10.0.0",
	} {
		v, err := ParseVersion(in)
		if want == "" {
			if err == nil {
				t.Errorf("ParseVersion(%q) = %s, want an error", in, v)
			}
			continue
		}
		if err != nil || v.String() != want {
			t.Errorf("ParseVersion(%q) = %s, %v, want %s", in, v, err, want)
		}
	}
}

func TestVersionOrder(t *testing.T) {
	v := Version{Major: 1, Minor: 33, Raw: "v1.33.0"}
	for _, tt := range []struct {
		major, minor int
		want         bool
	}{{1, 33, true}, {1, 32, true}, {1, 34, false}, {2, 0, false}, {0, 99, true}} {
		if got := v.AtLeast(tt.major, tt.minor); got != tt.want {
			t.Errorf("1.33 at least %d.%d: %v", tt.major, tt.minor, got)
		}
	}
	if (Version{}).Known() || (Version{}).AtLeast(1, 0) || (Version{}).String() != "unknown" {
		t.Error("an unknown version must look like one")
	}
}

func FuzzParseVersion(f *testing.F) {
	f.Add("v1.33.5-eks-113cf36")
	f.Add("1.7.")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := ParseVersion(s)
		if (err == nil) != v.Known() && s != "" {
			t.Errorf("ParseVersion(%q) = %+v, %v", s, v, err)
		}
	})
}
