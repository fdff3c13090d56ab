package pki

import (
	"crypto/x509"
	"testing"
)

func TestCertificatesServeUnderTheirNamesAlone(t *testing.T) {
	ca, err := NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCA("test")
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Issue(Request{CommonName: "server", Names: []string{"a.example", "*.b.example", "10.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Issue(Request{CommonName: "client", Organizations: []string{"system:masters"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		pair Pair
		ca   *CA
		host string
		use  x509.ExtKeyUsage
		good bool
	}{
		"its name":             {server, ca, "a.example", x509.ExtKeyUsageServerAuth, true},
		"a name of a wildcard": {server, ca, "x.b.example", x509.ExtKeyUsageServerAuth, true},
		"its address":          {server, ca, "10.0.0.1", x509.ExtKeyUsageServerAuth, true},
		"another name":         {server, ca, "c.example", x509.ExtKeyUsageServerAuth, false},
		"another authority":    {server, other, "a.example", x509.ExtKeyUsageServerAuth, false},
		"a client as client":   {client, ca, "", x509.ExtKeyUsageClientAuth, true},
		"a client as server":   {client, ca, "", x509.ExtKeyUsageServerAuth, false},
	} {
		t.Run(name, func(t *testing.T) {
			pair, err := row.pair.TLS()
			if err != nil {
				t.Fatal(err)
			}
			roots := x509.NewCertPool()
			roots.AppendCertsFromPEM(row.ca.CertPEM)
			_, err = pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: row.host, KeyUsages: []x509.ExtKeyUsage{row.use}})
			if (err == nil) != row.good {
				t.Error(err)
			}
		})
	}
}
