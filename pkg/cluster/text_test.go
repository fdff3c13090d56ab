package cluster

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
	"unicode/utf8"
)

func TestNameserversAreThoseThatAnswerInTheEnd(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, tc := range []struct {
		name string
		root fstest.MapFS
		want []string
	}{
		{"VPC resolver", fstest.MapFS{resolvConf: file("search ec2.internal\nnameserver 10.0.0.2\n#nameserver 9.9.9.9\nnameserver 10.0.0.3 # second\n")}, []string{"10.0.0.2", "10.0.0.3"}},
		{"systemd-resolved", fstest.MapFS{resolvConf: file("nameserver 127.0.0.53\noptions edns0\n"), upstreamConf: file("nameserver 10.0.0.2\nnameserver fd00:ec2::253\n")},
			[]string{"127.0.0.53 (systemd-resolved, which asks 10.0.0.2 and fd00:ec2::253)"}},
		{"systemd-resolved without upstream", fstest.MapFS{resolvConf: file("nameserver 127.0.0.53\n")}, []string{"127.0.0.53"}},
		{"no file", fstest.MapFS{}, nil},
		{"garbage", fstest.MapFS{resolvConf: file("nameserver\n\x00nameserver x\nnameserver \x1b[31m\n")}, []string{"[31m"}},
		{"a folder", fstest.MapFS{resolvConf + "/x": file("")}, nil},
	} {
		if got := nameservers(tc.root); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", tc.name, got, tc.want)
		}
	}
}

func FuzzOneLine(f *testing.F) {
	f.Add("[+]ping ok\n[-]syncloop failed\r\n")
	f.Add("\x1b[31mred\x00")
	f.Add(strings.Repeat("é ", 1000))
	f.Fuzz(func(t *testing.T, text string) {
		got := oneLine(text)
		if strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q has unprintable characters", got)
		}
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > 802 || strings.Contains(got, "  ") {
			t.Errorf("got %q", got)
		}
	})
}
