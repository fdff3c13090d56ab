// Package pki makes the lab's certificate authorities and certificates.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// validity is long enough for any run and short enough that a leaked key is worthless.
const validity = 7 * 24 * time.Hour

// CA signs certificates.
type CA struct {
	// Cert is the authority's own certificate, CertPEM and KeyPEM what files hold.
	Cert            *x509.Certificate
	CertPEM, KeyPEM []byte
	key             *ecdsa.PrivateKey
}

// Pair is a certificate with its private key, both in PEM.
type Pair struct{ CertPEM, KeyPEM []byte }

// TLS is the pair as crypto/tls wants it.
func (p Pair) TLS() (tls.Certificate, error) { return tls.X509KeyPair(p.CertPEM, p.KeyPEM) }

// Request is what a certificate shall say.
type Request struct {
	CommonName    string
	Organizations []string
	// Names are DNS names and IP addresses the holder serves under; with none, the
	// certificate is for clients only.
	Names []string
}

// NewCA makes an authority with a fresh key.
func NewCA(commonName string) (*CA, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return nil, fmt.Errorf("cannot make CA %s: %w", commonName, err)
	}
	t, err := template(commonName)
	if err != nil {
		return nil, fmt.Errorf("cannot make CA %s: %w", commonName, err)
	}
	t.IsCA, t.BasicConstraintsValid = true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("cannot make CA %s: %w", commonName, err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("cannot make CA %s: %w", commonName, err)
	}
	return &CA{Cert: cert, CertPEM: encode("CERTIFICATE", der), KeyPEM: keyPEM, key: key}, nil
}

// Issue signs a certificate with a fresh key.
func (c *CA) Issue(r Request) (Pair, error) {
	key, keyPEM, err := newKey()
	if err != nil {
		return Pair{}, fmt.Errorf("cannot issue certificate for %s: %w", r.CommonName, err)
	}
	t, err := template(r.CommonName)
	if err != nil {
		return Pair{}, fmt.Errorf("cannot issue certificate for %s: %w", r.CommonName, err)
	}
	t.Subject.Organization = r.Organizations
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, n := range r.Names {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	if len(r.Names) > 0 {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, c.Cert, key.Public(), c.key)
	if err != nil {
		return Pair{}, fmt.Errorf("cannot issue certificate for %s: %w", r.CommonName, err)
	}
	return Pair{CertPEM: encode("CERTIFICATE", der), KeyPEM: keyPEM}, nil
}

// NewSigningKey makes the key pair that service account tokens are signed with.
func NewSigningKey() (private, public []byte, err error) {
	key, private, err := newKey()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make signing key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(crypto.PublicKey(key.Public()))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make signing key: %w", err)
	}
	return private, encode("PUBLIC KEY", der), nil
}

func newKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return key, encode("EC PRIVATE KEY", der), nil
}

func template(commonName string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: commonName},
		// An hour back, so that a box whose clock is set wrong by a test still has a certificate in force.
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity)}, nil
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
