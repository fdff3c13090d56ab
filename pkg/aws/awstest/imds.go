package awstest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// IMDS is an instance metadata service, version 2 only. Its zero value has no
// metadata; make one with NewIMDS.
type IMDS struct {
	// Fail may answer in place of the service: it is asked first, with the
	// count of requests so far (from 1), and says whether it has answered.
	Fail func(w http.ResponseWriter, r *http.Request, n int) bool

	mu       sync.Mutex
	values   map[string]string
	requests []string
	tokens   map[string]bool
	issued   int
}

// Document is the identity document of the instance that NewIMDS makes.
const Document = `{
  "accountId" : "111122223333",
  "architecture" : "x86_64",
  "availabilityZone" : "us-west-2a",
  "billingProducts" : null,
  "imageId" : "ami-0123456789abcdef0",
  "instanceId" : "i-0123456789abcdef0",
  "instanceType" : "m5.large",
  "privateIp" : "10.0.12.34",
  "region" : "us-west-2",
  "version" : "2017-09-30"
}`

// Credentials is what the instance role of NewIMDS's instance gives.
const Credentials = `{
  "Code" : "Success",
  "LastUpdated" : "2026-01-01T00:00:00Z",
  "Type" : "AWS-HMAC",
  "AccessKeyId" : "ASIAIOSFODNN7EXAMPLE",
  "SecretAccessKey" : "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
  "Token" : "role-session-token",
  "Expiration" : "2099-01-01T00:00:00Z"
}`

// NewIMDS returns the service of an ordinary instance: an m5.large with IP-based
// naming and two IPv6 addresses in us-west-2, with a role and without user data.
func NewIMDS() *IMDS {
	return &IMDS{tokens: map[string]bool{}, values: map[string]string{
		"dynamic/instance-identity/document":                                    Document,
		"meta-data/mac":                                                         "02:AB:cd:00:00:01",
		"meta-data/local-hostname":                                              "ip-10-0-12-34.us-west-2.compute.internal",
		"meta-data/placement/availability-zone-id":                              "usw2-az1",
		"meta-data/network/interfaces/macs/02:ab:cd:00:00:01/ipv6s":             "2600:1f14::2\n2600:1f14::1\nfe80::1\n2600:1f14::2",
		"meta-data/iam/security-credentials/":                                   "node-role",
		"meta-data/iam/security-credentials/node-role":                          Credentials,
		"meta-data/network/interfaces/macs/02:ab:cd:00:00:01/subnet-cidr-block": "10.0.0.0/20",
	}}
}

// Set gives the key at path (below /latest/) a value; Remove takes it away.
func (s *IMDS) Set(path, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[path] = value
}

// Remove makes path answer 404.
func (s *IMDS) Remove(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, path)
}

// Revoke makes every token so far void.
func (s *IMDS) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = map[string]bool{}
}

// Requests returns method and path of every request, in order of arrival.
func (s *IMDS) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.requests...)
}

// Count returns how many requests had the given method and path.
func (s *IMDS) Count(request string) int {
	n := 0
	for _, r := range s.Requests() {
		if r == request {
			n++
		}
	}
	return n
}

// TokenRequest is the entry of a token request in Requests.
const TokenRequest = "PUT /latest/api/token"

// ServeHTTP implements http.Handler.
func (s *IMDS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.Path)
	n := len(s.requests)
	s.mu.Unlock()
	if s.Fail != nil && s.Fail(w, r, n) {
		return
	}
	if r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" {
		s.serveToken(w, r)
		return
	}
	s.mu.Lock()
	valid := s.tokens[r.Header.Get("X-aws-ec2-metadata-token")]
	v, ok := s.values[strings.TrimPrefix(r.URL.Path, "/latest/")]
	s.mu.Unlock()
	switch {
	case !valid:
		w.WriteHeader(http.StatusUnauthorized)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		_, _ = io.WriteString(w, v)
	}
}

func (s *IMDS) serveToken(w http.ResponseWriter, r *http.Request) {
	ttl := r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds")
	if _, err := strconv.Atoi(ttl); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.issued++
	token := fmt.Sprintf("token-%d", s.issued)
	s.tokens[token] = true
	s.mu.Unlock()
	w.Header().Set("X-aws-ec2-metadata-token-ttl-seconds", ttl)
	_, _ = io.WriteString(w, token)
}
