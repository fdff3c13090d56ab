package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"testing"
	"time"
)

// fakeSTS answers GetCallerIdentity as STS does for requests that were presigned
// with its one key, and checks the signature by the rules of Signature Version 4
// itself, with no code of the SDK.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type fakeSTS struct {
	keyID, secret, session string
	hosts                  []string
}

// install makes s answer all HTTP requests of this process until the test ends:
// the verifier has a client of its own with the default transport.
func (s *fakeSTS) install(t *testing.T) {
	t.Helper()
	old := http.DefaultTransport
	http.DefaultTransport = s
	t.Cleanup(func() { http.DefaultTransport = old })
}

// RoundTrip implements http.RoundTripper.
func (s *fakeSTS) RoundTrip(req *http.Request) (*http.Response, error) {
	s.hosts = append(s.hosts, req.URL.Host)
	status, body := http.StatusOK, `{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{`+
		`"Account":"111122223333","Arn":"arn:aws:sts::111122223333:assumed-role/node-role/i-0123456789abcdef0",`+
		`"UserId":"AROAIOSFODNN7EXAMPLE:i-0123456789abcdef0"},"ResponseMetadata":{"RequestId":"r"}}}`
	if err := s.verify(req, time.Now()); err != nil {
		status, body = http.StatusForbidden, err.Error()
	}
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req,
	}, nil
}

func (s *fakeSTS) verify(req *http.Request, now time.Time) error {
	q := req.URL.Query()
	if req.Method != http.MethodGet || req.URL.Scheme != "https" || req.URL.Path != "/" {
		return fmt.Errorf("unexpected request %s %s", req.Method, req.URL.Path)
	}
	if q.Get("Action") != "GetCallerIdentity" || q.Get("Version") != "2011-06-15" || q.Get("X-Amz-Security-Token") != s.session {
		return fmt.Errorf("unexpected parameters")
	}
	date, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	if err != nil || now.Sub(date) > 15*time.Minute || date.Sub(now) > 15*time.Minute {
		return fmt.Errorf("the request's date %q is not now", q.Get("X-Amz-Date"))
	}
	scope := strings.Split(q.Get("X-Amz-Credential"), "/")
	if len(scope) != 5 || scope[0] != s.keyID || scope[1] != date.Format("20060102") || scope[3] != "sts" || scope[4] != "aws4_request" {
		return fmt.Errorf("unexpected credential scope %q", scope)
	}
	if !strings.HasPrefix(req.URL.Host, "sts."+scope[2]+".") {
		return fmt.Errorf("signed for region %s, sent to %s", scope[2], req.URL.Host)
	}
	if got, want := q.Get("X-Amz-Signature"), s.signature(req, scope[1:]); got != want {
		return fmt.Errorf("the signature does not match")
	}
	return nil
}

func (s *fakeSTS) signature(req *http.Request, scope []string) string {
	q := req.URL.Query()
	var headers []string
	signed := strings.Split(q.Get("X-Amz-SignedHeaders"), ";")
	sort.Strings(signed)
	for _, h := range signed {
		v := req.Header.Get(h)
		if h == "host" {
			v = req.URL.Host
		}
		headers = append(headers, h+":"+v+"\n")
	}
	q.Del("X-Amz-Signature")
	empty := sha256.Sum256(nil)
	canonical := strings.Join([]string{
		req.Method, "/", canonicalQuery(q), strings.Join(headers, ""), strings.Join(signed, ";"), hex.EncodeToString(empty[:]),
	}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", q.Get("X-Amz-Date"), strings.Join(scope, "/"), hex.EncodeToString(hash[:])}, "\n")
	key := []byte("AWS4" + s.secret)
	for _, part := range append(append([]string(nil), scope...), toSign) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func canonicalQuery(q url.Values) string {
	return strings.ReplaceAll(q.Encode(), "+", "%20")
}
