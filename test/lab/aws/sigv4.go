package aws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Signature Version 4 (IAM user guide, "Create a signed AWS API request").
const (
	algorithm     = "AWS4-HMAC-SHA256"
	amzDateFormat = "20060102T150405Z"
	scopeEnd      = "aws4_request"
	// A request signed in a header must arrive within five minutes of its date; a presigned STS URL lives for 15.
	headerSkew       = 5 * time.Minute
	presignedLife    = 15 * time.Minute
	clusterIDHeader  = "x-k8s-aws-id"
	maxSignatureText = 16 << 10 // longer texts are refused before they are parsed
)

// signature is what a request says about how it was signed.
type signature struct {
	accessKeyID          string
	day, region, service string // credential scope
	signedHeaders        []string
	digest               string // 64 lower-case hexadecimal digits
	date                 time.Time
	expires              int // seconds, of a presigned request that says so; else -1
	presigned            bool
	sessionToken         string
}

// The ways a signature can be wrong. Every service has its own words for them (see apierror.go).
var (
	errUnsigned       = errors.New("the request is not signed")
	errIncomplete     = errors.New("the signature cannot be read")
	errUnknownKey     = errors.New("the access key or session token is unknown")
	errExpiredToken   = errors.New("the credentials have expired")
	errMismatch       = errors.New("the signature does not match")
	errSignatureAge   = errors.New("the signature is too old")
	errSignatureEarly = errors.New("the signature is from the future")
)

// readSignature finds and parses the signature of a request. It does not check it.
func readSignature(r *http.Request) (signature, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		s, err := parseAuthorization(header)
		if err != nil {
			return signature{}, err
		}
		if s.date, err = time.Parse(amzDateFormat, r.Header.Get("X-Amz-Date")); err != nil {
			return signature{}, fmt.Errorf("%w: X-Amz-Date: %w", errIncomplete, err)
		}
		s.sessionToken = r.Header.Get("X-Amz-Security-Token")
		return s, nil
	}
	if r.URL.Query().Has("X-Amz-Algorithm") {
		return parsePresigned(r.URL.RawQuery)
	}
	return signature{}, errUnsigned
}

// parseAuthorization parses an Authorization header:
//
//	AWS4-HMAC-SHA256 Credential=AKID/20260102/us-west-2/sts/aws4_request, SignedHeaders=host;x-amz-date, Signature=<hex>
func parseAuthorization(header string) (signature, error) {
	if len(header) > maxSignatureText {
		return signature{}, fmt.Errorf("%w: the header is too long", errIncomplete)
	}
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return signature{}, fmt.Errorf("%w: the Authorization header does not begin with %s", errIncomplete, algorithm)
	}
	parts := map[string]string{}
	for _, part := range strings.Split(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := parts[name]; !ok || twice {
			return signature{}, fmt.Errorf("%w: part %q of the Authorization header", errIncomplete, part)
		}
		parts[name] = value
	}
	if len(parts) != 3 {
		return signature{}, fmt.Errorf("%w: the Authorization header has %d parts, not 3", errIncomplete, len(parts))
	}
	return newSignature(parts["Credential"], parts["SignedHeaders"], parts["Signature"])
}

// parsePresigned parses the query of a presigned URL.
func parsePresigned(rawQuery string) (signature, error) {
	if len(rawQuery) > maxSignatureText {
		return signature{}, fmt.Errorf("%w: the query is too long", errIncomplete)
	}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return signature{}, fmt.Errorf("%w: %w", errIncomplete, err)
	}
	for name, values := range query {
		if strings.HasPrefix(name, "X-Amz-") && len(values) != 1 {
			return signature{}, fmt.Errorf("%w: parameter %s is given %d times", errIncomplete, name, len(values))
		}
	}
	if got := query.Get("X-Amz-Algorithm"); got != algorithm {
		return signature{}, fmt.Errorf("%w: algorithm %q", errIncomplete, got)
	}
	s, err := newSignature(query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"), query.Get("X-Amz-Signature"))
	if err != nil {
		return signature{}, err
	}
	if s.date, err = time.Parse(amzDateFormat, query.Get("X-Amz-Date")); err != nil {
		return signature{}, fmt.Errorf("%w: X-Amz-Date: %w", errIncomplete, err)
	}
	if query.Has("X-Amz-Expires") {
		s.expires, err = strconv.Atoi(query.Get("X-Amz-Expires"))
		// Seven days is the most there is (IAM user guide, "Authenticating requests: query parameters").
		if err != nil || s.expires < 0 || s.expires > 7*24*60*60 {
			return signature{}, fmt.Errorf("%w: X-Amz-Expires %q", errIncomplete, query.Get("X-Amz-Expires"))
		}
	}
	s.presigned = true
	s.sessionToken = query.Get("X-Amz-Security-Token")
	return s, nil
}

// newSignature parses the three parts that headers and presigned URLs share.
func newSignature(credential, signedHeaders, digest string) (signature, error) {
	scope := strings.Split(credential, "/")
	if len(scope) != 5 || slices.Contains(scope, "") || scope[4] != scopeEnd {
		return signature{}, fmt.Errorf("%w: credential %q is not key/day/region/service/%s", errIncomplete, credential, scopeEnd)
	}
	if _, err := time.Parse("20060102", scope[1]); err != nil {
		return signature{}, fmt.Errorf("%w: credential: %w", errIncomplete, err)
	}
	headers := strings.Split(signedHeaders, ";")
	if !slices.IsSorted(headers) ||
		slices.Contains(headers, "") || strings.ToLower(signedHeaders) != signedHeaders {
		return signature{}, fmt.Errorf("%w: signed headers %q", errIncomplete, signedHeaders)
	}
	if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size || strings.ToLower(digest) != digest {
		return signature{}, fmt.Errorf("%w: signature %q", errIncomplete, digest)
	}
	return signature{
		accessKeyID: scope[0], day: scope[1], region: scope[2], service: scope[3],
		signedHeaders: headers, digest: digest, expires: -1,
	}, nil
}

// signs tells whether a header is covered by the signature; name is in lower case.
func (s signature) signs(name string) bool { return slices.Contains(s.signedHeaders, name) }

// verify checks a signature against the credentials it names, for a service in a region, and returns who made it.
func (k *keyring) verify(r *http.Request, body []byte, s signature, service, region string) (Identity, error) {
	owner, known := k.find(s.accessKeyID)
	if !known || string(owner.SessionToken) != s.sessionToken {
		return Identity{}, errUnknownKey
	}
	if !owner.Expires.IsZero() && !k.now().Before(owner.Expires) {
		return Identity{}, errExpiredToken
	}
	if s.service != service || s.region != region {
		return Identity{}, fmt.Errorf("%w: the credential is scoped to %s in %s, not to %s in %s", errMismatch, s.service, s.region, service, region)
	}
	if s.day != s.date.Format("20060102") {
		return Identity{}, fmt.Errorf("%w: the day of the credential scope is not that of X-Amz-Date", errMismatch)
	}
	if err := s.covers(r); err != nil {
		return Identity{}, err
	}
	want := s.compute(r, body, owner.SecretAccessKey)
	if !hmac.Equal([]byte(want), []byte(s.digest)) {
		return Identity{}, errMismatch
	}
	return owner.Identity, nil
}

// covers checks that all headers are signed that must be: the host, and every x-amz-* header that is there. The header
// that binds a token to its cluster must be signed as well where it is sent.
func (s signature) covers(r *http.Request) error {
	if !s.signs("host") {
		return fmt.Errorf("%w: 'Host' must be a 'SignedHeader'", errMismatch)
	}
	for name := range r.Header {
		lower := strings.ToLower(name)
		if (strings.HasPrefix(lower, "x-amz-") || lower == clusterIDHeader) && !s.signs(lower) {
			return fmt.Errorf("%w: '%s' must be a 'SignedHeader'", errMismatch, name)
		}
	}
	return nil
}

// checkAge tells whether the signature is too old or from the future. life is how long a presigned URL lives.
func (s signature) checkAge(now time.Time, life time.Duration) error {
	if !s.presigned {
		life = headerSkew
	}
	stamp := func(t time.Time) string { return t.UTC().Format(amzDateFormat) }
	switch minutes := int(life / time.Minute); {
	case now.Sub(s.date) > life:
		return fmt.Errorf("%w: Signature expired: %s is now earlier than %s (%s - %d min.)", errSignatureAge,
			stamp(s.date), stamp(now.Add(-life)), stamp(now), minutes)
	case s.date.Sub(now) > headerSkew:
		return fmt.Errorf("%w: Signature not yet current: %s is still later than %s (%s + 5 min.)", errSignatureEarly,
			stamp(s.date), stamp(now.Add(headerSkew)), stamp(now))
	}
	return nil
}

// compute derives the signature a request must have.
func (s signature) compute(r *http.Request, body []byte, secret Secret) string {
	scope := strings.Join([]string{s.day, s.region, s.service, scopeEnd}, "/")
	toSign := strings.Join([]string{
		algorithm, s.date.UTC().Format(amzDateFormat), scope, hexSHA256([]byte(s.canonical(r, body))),
	}, "\n")
	key := []byte("AWS4" + string(secret))
	for _, part := range []string{s.day, s.region, s.service, scopeEnd, toSign} {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(key)
}

// canonical is the canonical form of a request.
func (s signature) canonical(r *http.Request, body []byte) string {
	var headers strings.Builder
	for _, name := range s.signedHeaders {
		headers.WriteString(name + ":" + canonicalHeader(r, name) + "\n")
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	return strings.Join([]string{
		r.Method, escapePath(path), canonicalQuery(r.URL.Query()), headers.String(),
		strings.Join(s.signedHeaders, ";"), hexSHA256(body),
	}, "\n")
}

// canonicalHeader is the value of a header as it is signed. net/http keeps some headers elsewhere than in Header.
func canonicalHeader(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// canonicalQuery is the query without the signature, every name and value escaped, sorted.
func canonicalQuery(query url.Values) string {
	var pairs []string
	for name, values := range query {
		if name == "X-Amz-Signature" {
			continue
		}
		for _, v := range values {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	sort.Strings(pairs)
	return strings.Join(pairs, "&")
}

// escapePath escapes each part of a path that is escaped already: all services but S3 sign the path escaped twice.
func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = escape(p)
	}
	return strings.Join(parts, "/")
}

// escape is URI encoding as Signature Version 4 wants it: all but letters, digits and -._~ as %XX in upper case.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

func hexSHA256(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func hmacSHA256(key []byte, data string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(data))
	return mac.Sum(nil)
}
