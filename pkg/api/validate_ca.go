package api

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"
)

func (c *checker) certificateAuthority() {
	const path = "spec.cluster.certificateAuthority"
	n := c.at("spec", "cluster", "certificateAuthority")
	if n.empty() || isBlank(n.scalar) {
		c.missing([]string{"spec", "cluster", "certificateAuthority"}, describe("cluster.certificateAuthority.data"))
		return
	}
	c.conflict(n, path)
	bundle, problem, remedy := readCA(n.scalar)
	if problem != "" {
		c.fail(n, path, orTemplate(n.scalar, remedy), "%s", problem)
		return
	}
	c.checkBundle(n, path, bundle, "give the certificate authority of the cluster: aws eks describe-cluster --query cluster.certificateAuthority.data")
}

// readCA decodes the base64 of a certificate authority, or says what it is instead.
func readCA(s string) (bundle []byte, problem, remedy string) {
	const encode = "encode the PEM bundle once, with: base64 -w0"
	if strings.Contains(s, "-----BEGIN") {
		return nil, "this is the PEM text itself; it must be in base64", encode
	}
	bundle, err := decodeCA(s)
	if err != nil {
		packed := packBase64([]byte(s))
		var at base64.CorruptInputError
		if errors.As(err, &at) && strings.IndexFunc(strings.TrimRight(packed, "="), notBase64) >= 0 {
			return nil, fmt.Sprintf("not valid base64, from character %d on", int64(at)+1), encode
		}
		return nil, fmt.Sprintf("the base64 ends in the middle, after %d characters", len(packed)), "it was cut off: give it whole"
	}
	if inner, err := decodeCA(string(bundle)); err == nil && strings.Contains(string(inner), "-----BEGIN") {
		return nil, "base64 was applied twice", encode
	}
	return bundle, "", ""
}

// checkBundle looks at each block of a PEM bundle. want is the remedy if it holds
// no certificate.
func (c *checker) checkBundle(n *node, path string, bundle []byte, want string) {
	usable, count := 0, 0
	for rest := bundle; ; count++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if text := strings.TrimSpace(string(rest)); text != "" && count > 0 {
				c.warn(n, path, "remove it", "the bundle holds something beside PEM blocks")
			}
			break
		}
		switch {
		case strings.Contains(block.Type, "PRIVATE KEY"):
			c.warn(n, path, "remove it at once and replace the key: user data can be read by everything on the instance", "the bundle holds a private key")
		case block.Type != "CERTIFICATE":
			c.warn(n, path, "remove it", "block %d of the bundle is a %s, not a certificate", count+1, quoteName(block.Type))
		default:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				c.warn(n, path, "remove it or give it anew", "certificate %d of the bundle cannot be read: %s", count+1, strings.TrimPrefix(err.Error(), "x509: "))
				continue
			}
			usable++
			c.checkCertificate(n, path, count+1, cert)
		}
	}
	switch {
	case count == 0:
		c.fail(n, path, want, "the decoded text is not a PEM bundle")
	case usable == 0:
		c.fail(n, path, want, "the bundle holds no readable certificate")
	}
}

func (c *checker) checkCertificate(n *node, path string, number int, cert *x509.Certificate) {
	name := quoteName(cert.Subject.String())
	if !cert.IsCA && cert.BasicConstraintsValid {
		c.warn(n, path, "give the certificate of the authority, not of the server", "certificate %d (%s) is not of a certificate authority", number, name)
	}
	switch {
	case c.now.IsZero():
	case c.now.After(cert.NotAfter):
		c.warn(n, path, "give the cluster's current certificate authority; if this is it, check the machine's clock",
			"certificate %d (%s) expired on %s", number, name, cert.NotAfter.UTC().Format(time.DateOnly))
	case c.now.Before(cert.NotBefore):
		c.warn(n, path, "check the machine's clock", "certificate %d (%s) is valid only from %s on", number, name, cert.NotBefore.UTC().Format(time.DateTime))
	}
}
