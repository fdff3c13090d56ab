package aws

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The example of the IAM user guide, "Create a signed AWS API request": a request to list users, with the keys and the
// signature printed there.
const exampleHeader = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, " +
	"SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"

func exampleRequest(t testing.TB) (*http.Request, signature) {
	t.Helper()
	r, err := http.NewRequest("GET", "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", exampleHeader)
	s, err := readSignature(r)
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

func TestSignatureOfAWSsOwnExample(t *testing.T) {
	r, s := exampleRequest(t)
	if got := s.compute(r, nil, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"); got != s.digest {
		t.Errorf("got %s", got)
	}
}

func TestSignatureCoversEverything(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"method": func(r *http.Request) { r.Method = "POST" },
		"path":   func(r *http.Request) { r.URL.Path = "/x" },
		"query":  func(r *http.Request) { r.URL.RawQuery += "&a=b" },
		"host":   func(r *http.Request) { r.Host = "example.com" },
		"header": func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
	} {
		r, s := exampleRequest(t)
		change(r)
		if s.compute(r, nil, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY") == s.digest {
			t.Errorf("the %s is not covered", name)
		}
	}
	r, s := exampleRequest(t)
	if s.compute(r, []byte("body"), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY") == s.digest {
		t.Error("the body is not covered")
	}
}

func TestUnsignedAmazonHeadersAreRefused(t *testing.T) {
	for _, name := range []string{"X-Amz-Security-Token", "X-Amz-Target", "X-K8s-Aws-Id"} {
		r, s := exampleRequest(t)
		r.Header.Set(name, "x")
		if err := s.covers(r); !errors.Is(err, errMismatch) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, s := exampleRequest(t)
	s.signedHeaders = []string{"x-amz-date"}
	if err := s.covers(r); !errors.Is(err, errMismatch) {
		t.Errorf("host: %v", err)
	}
}

func TestAuthorizationHeaderThatCannotBeRead(t *testing.T) {
	const digest = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	for name, header := range map[string]string{
		"empty":               "",
		"basic":               "Basic QVdTOng=",
		"another algorithm":   strings.Replace(exampleHeader, "SHA256", "SHA512", 1),
		"no parts":            algorithm + " ",
		"no signature":        strings.Split(exampleHeader, ", Signature")[0],
		"twice a credential":  strings.Replace(exampleHeader, "SignedHeaders", "Credential", 1),
		"an unknown part":     exampleHeader + ", X=y",
		"a short scope":       strings.Replace(exampleHeader, "/iam/", "/", 1),
		"an empty region":     strings.Replace(exampleHeader, "us-east-1", "", 1),
		"a day that is none":  strings.Replace(exampleHeader, "20150830", "20151330", 1),
		"another scope end":   strings.Replace(exampleHeader, "aws4_request", "aws4", 1),
		"unsorted headers":    strings.Replace(exampleHeader, "content-type;host", "host;content-type", 1),
		"capital headers":     strings.Replace(exampleHeader, "host", "Host", 1),
		"no headers":          strings.Replace(exampleHeader, "content-type;host;x-amz-date", "", 1),
		"a short signature":   strings.Replace(exampleHeader, digest, digest[:62], 1),
		"a capital signature": strings.Replace(exampleHeader, digest, strings.ToUpper(digest), 1),
		"no signature at all": strings.Replace(exampleHeader, digest, "", 1),
		"megabytes":           exampleHeader + strings.Repeat(" ", maxSignatureText),
	} {
		if s, err := parseAuthorization(header); !errors.Is(err, errIncomplete) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestPresignedQueryThatCannotBeRead(t *testing.T) {
	const good = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2Fsts%2Faws4_request&X-Amz-Date=20150830T123600Z" +
		"&X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id&X-Amz-Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
	s, err := parsePresigned(good)
	if err != nil || s.expires != 60 || !s.presigned || !s.signs(clusterIDHeader) || s.accessKeyID != "AKID" || !s.date.Equal(time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)) {
		t.Fatalf("%+v, %v", s, err)
	}
	for name, query := range map[string]string{
		"another algorithm":  strings.Replace(good, "SHA256", "SHA1", 1),
		"a bad escape":       good + "&x=%zz",
		"a parameter twice":  good + "&X-Amz-Date=20150830T123600Z",
		"no date":            strings.Replace(good, "X-Amz-Date", "X-Date", 1),
		"a date of its own":  strings.Replace(good, "20150830T123600Z", "2015-08-30", 1),
		"negative expiry":    strings.Replace(good, "Expires=60", "Expires=-1", 1),
		"more than a week":   strings.Replace(good, "Expires=60", "Expires=604801", 1),
		"expiry of a minute": strings.Replace(good, "Expires=60", "Expires=1m", 1),
		"megabytes":          good + "&x=" + strings.Repeat("x", maxSignatureText),
	} {
		if s, err := parsePresigned(query); !errors.Is(err, errIncomplete) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
}

func TestEscapingIsThatOfSignatureVersion4(t *testing.T) {
	for in, want := range map[string]string{
		"azAZ09-._~": "azAZ09-._~", " ": "%20", "+": "%2B", "/": "%2F", "*": "%2A", "ü": "%C3%BC", "%20": "%2520", "\x00": "%00",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q becomes %q, not %q", in, got, want)
		}
	}
	if got := canonicalQuery(map[string][]string{"b": {"2", "1"}, "a": {" "}, "B": {""}, "X-Amz-Signature": {"x"}}); got != "B=&a=%20&b=1&b=2" {
		t.Errorf("query %q", got)
	}
}

func FuzzAuthorizationHeader(f *testing.F) {
	f.Add(exampleHeader)
	f.Add("")
	f.Add(algorithm + " Credential=,SignedHeaders=,Signature=")
	f.Add(algorithm + " Credential=a/20150830/b/c/aws4_request,SignedHeaders=;;,Signature=00")
	f.Add("AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d")
	f.Fuzz(func(t *testing.T, header string) {
		s, err := parseAuthorization(header)
		checkParsed(t, s, err)
		if err != nil {
			return
		}
		again, err := parseAuthorization(algorithm + " Credential=" + strings.Join([]string{s.accessKeyID, s.day, s.region, s.service, scopeEnd}, "/") +
			", SignedHeaders=" + strings.Join(s.signedHeaders, ";") + ", Signature=" + s.digest)
		if err != nil || again.digest != s.digest || again.accessKeyID != s.accessKeyID {
			t.Errorf("written again it reads %+v, %v", again, err)
		}
	})
}

func FuzzPresignedQuery(f *testing.F) {
	f.Add("Action=GetCallerIdentity&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20150830%2Fus-east-1%2Fsts%2Faws4_request" +
		"&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=" + strings.Repeat("0", 64))
	f.Add("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Algorithm=x")
	f.Add("%zz;;&&==")
	f.Fuzz(func(t *testing.T, query string) {
		s, err := parsePresigned(query)
		checkParsed(t, s, err)
		if err == nil && (!s.presigned || s.expires < -1 || s.date.IsZero()) {
			t.Errorf("parsed as %+v", s)
		}
		// A server must survive the check of whatever it could read.
		r := &http.Request{Method: "GET", Header: http.Header{}, Host: "h", URL: &url.URL{Path: "/", RawQuery: query}}
		s.compute(r, nil, "secret")
	})
}

// checkParsed holds for every text: an error of the right kind, or a signature without empty parts.
func checkParsed(t *testing.T, s signature, err error) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, errIncomplete) {
			t.Errorf("the error is %v", err)
		}
		return
	}
	for _, part := range append([]string{s.accessKeyID, s.day, s.region, s.service}, s.signedHeaders...) {
		if part == "" {
			t.Errorf("parsed as %+v", s)
		}
	}
	if len(s.digest) != 64 || len(s.signedHeaders) == 0 {
		t.Errorf("parsed as %+v", s)
	}
}
