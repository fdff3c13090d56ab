package aws

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Publish puts an image or an index into a registry of this cloud, without credentials and without a trace in the log.
// ref is the full name, such as 123456789012.dkr.ecr.us-west-2.amazonaws.com/eks/pause:3.10 or
// public.ecr.aws/eks-distro/kubernetes/pause:3.10.
func (c *Cloud) Publish(ctx context.Context, ref string, image remote.Taggable) error {
	full, err := name.ParseReference(ref, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("cannot publish image: %w", err)
	}
	where, ok := c.endpointOf(full.Context().RegistryStr())
	if !ok || where.service != Registry {
		return fmt.Errorf("cannot publish image %s: the host is none of this cloud's registries", ref)
	}
	store := c.store(where)
	direct := roundTripper(func(r *http.Request) (*http.Response, error) {
		answer := &buffer{header: http.Header{}, status: http.StatusOK}
		if r.Body == nil {
			r.Body = http.NoBody
		}
		defer r.Body.Close()
		store.ServeHTTP(answer, r)
		return answer.response(r), nil
	})
	if err := remote.Push(full, image, remote.WithTransport(direct), remote.WithContext(ctx)); err != nil {
		return fmt.Errorf("cannot publish image %s: %w", ref, err)
	}
	return nil
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// response turns what a handler wrote into what a client reads.
func (b *buffer) response(r *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(b.status), StatusCode: b.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: b.header, Body: io.NopCloser(&b.body), ContentLength: int64(b.body.Len()), Request: r,
	}
}

// store returns the images of a registry; every account has one in every region, and ECR Public is one more.
func (c *Cloud) store(where endpoint) http.Handler {
	key := where.account + "." + where.region
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.registries[key] == nil {
		c.registries[key] = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	}
	return c.registries[key]
}

// serveRegistry answers as a registry does, to those who logged in.
func (c *Cloud) serveRegistry(w http.ResponseWriter, r *http.Request, where endpoint, call *exchange) {
	call.Action = registryAction(r)
	login, authErr := c.loginOf(r, where)
	call.Caller = login.who
	fail := func(w http.ResponseWriter, e *apiError) {
		call.Code = e.code
		writeRegistryError(w, e)
	}
	call.publish()
	faults := c.faults.take(func(t Target) bool { return t.matches(call.Call) })
	play(c.faults, faults, w, r, script{
		note: call.note,
		answer: func(w http.ResponseWriter, f Fault) {
			if f.Code == "" && f.Body != nil {
				writeBody(w, max(f.Status, http.StatusOK), "text/html", f.Body)
				return
			}
			fail(w, faultError(f))
		},
		next: func(w http.ResponseWriter) {
			w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
			switch {
			case where.account == "" && call.Action == "GetToken":
				c.giveBearer(w, r, fail)
			case errors.Is(authErr, errUnsigned), errors.Is(authErr, errUnknownKey):
				call.Code = "UNAUTHORIZED"
				challenge(w, r, where)
			case errors.Is(authErr, errExpiredToken):
				fail(w, &apiError{
					code: "DENIED", message: "Your authorization token has expired. Reauthenticate and try again.", status: http.StatusForbidden,
				})
			default:
				if e := c.mayUse(login.who, where, call.Action, r); e != nil {
					fail(w, e)
					return
				}
				c.serveImages(w, r, where, call.Action)
			}
		},
	})
}

// serveImages answers from the store, or sends the client to S3 for a layer.
func (c *Cloud) serveImages(w http.ResponseWriter, r *http.Request, where endpoint, action string) {
	store := c.store(where)
	if action == "GetBlob" && c.cfg.RedirectLayers && where.account != "" {
		probe := &buffer{header: http.Header{}, status: http.StatusOK}
		head := r.Clone(r.Context())
		head.Method = http.MethodHead
		store.ServeHTTP(probe, head)
		if probe.status == http.StatusOK {
			http.Redirect(w, r, c.layerURL(where, r.URL.Path), http.StatusTemporaryRedirect)
			return
		}
	}
	serveRange(w, r, store)
}

// serveRange answers from a store, and asks it for the whole of what a client wants a part of: clients that resume a
// layer send ranges without an end, which the store does not understand.
func serveRange(w http.ResponseWriter, r *http.Request, store http.Handler) {
	if r.Header.Get("Range") == "" || r.Method != http.MethodGet {
		store.ServeHTTP(w, r)
		return
	}
	whole := &buffer{header: http.Header{}, status: http.StatusOK}
	all := r.Clone(r.Context())
	all.Header.Del("Range")
	store.ServeHTTP(whole, all)
	maps.Copy(w.Header(), whole.header)
	if whole.status != http.StatusOK {
		w.WriteHeader(whole.status)
		_, _ = w.Write(whole.body.Bytes()) // the client may be gone
		return
	}
	w.Header().Del("Content-Length")
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/octet-stream")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(whole.body.Bytes()))
}

// registryAction names a request of the distribution API: Ping, GetToken, GetManifest, PutBlob and so on.
func registryAction(r *http.Request) string {
	verb := r.Method[:1] + strings.ToLower(r.Method[1:])
	switch path := strings.TrimSuffix(r.URL.Path, "/"); {
	case path == "/v2":
		return "Ping"
	case path == "/token":
		return "GetToken"
	case strings.Contains(path, "/manifests/"):
		return verb + "Manifest"
	case strings.Contains(path, "/blobs/"):
		return verb + "Blob"
	case strings.HasSuffix(path, "/tags/list"):
		return "ListTags"
	default:
		return verb
	}
}

// loginOf tells who a request to a registry is from: errUnsigned when it does not say, errUnknownKey when the password
// is not one we gave out for this kind of registry, errExpiredToken when it is over.
func (c *Cloud) loginOf(r *http.Request, where endpoint) (registryLogin, error) {
	var password Secret
	if user, pass, ok := r.BasicAuth(); ok {
		if user != "AWS" {
			return registryLogin{}, errUnknownKey
		}
		password = Secret(pass)
	} else if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && where.account == "" {
		password = Secret(bearer)
	} else {
		return registryLogin{}, errUnsigned
	}
	c.mu.RLock()
	login, known := c.passwords[password]
	c.mu.RUnlock()
	switch {
	case !known || login.public != (where.account == ""):
		return registryLogin{}, errUnknownKey
	case !c.now().Before(login.expires):
		return login, errExpiredToken
	default:
		return login, nil
	}
}

// mayUse checks the caller's rights: the actions are those ECR checks for the distribution API.
func (c *Cloud) mayUse(who Identity, where endpoint, action string, r *http.Request) *apiError {
	right := ""
	switch action {
	case "GetManifest", "HeadManifest":
		right = "BatchGetImage"
	case "GetBlob", "HeadBlob":
		right = "GetDownloadUrlForLayer"
	case "PutManifest":
		right = "PutImage"
	case "PostBlob", "PatchBlob", "PutBlob":
		right = "UploadLayerPart"
	}
	if where.account == "" {
		if r.Method == http.MethodGet || r.Method == http.MethodHead || who.ARN != "" {
			return nil
		}
		return &apiError{code: "DENIED", message: "Not Authorized", status: http.StatusForbidden}
	}
	if right == "" || who.Role == "" || !c.role(who.Role).denies("ecr:"+right) {
		return nil
	}
	return &apiError{
		code: "DENIED", status: http.StatusForbidden,
		message: "User: " + who.ARN + " is not authorized to perform: ecr:" + right + " because no identity-based policy allows the ecr:" +
			right + " action",
	}
}

// challenge tells the client to log in: Basic for private registries, a token service for ECR Public.
func challenge(w http.ResponseWriter, r *http.Request, where endpoint) {
	how := `Basic realm="https://` + r.Host + `/",service="ecr.amazonaws.com"`
	if where.account == "" {
		how = `Bearer realm="https://` + publicRegistry + `/token/",service="` + publicRegistry + `",scope="aws"`
	}
	w.Header().Set("Www-Authenticate", how)
	writeBody(w, http.StatusUnauthorized, "text/plain; charset=utf-8", []byte("Not Authorized\n"))
}

// giveBearer is the token service of ECR Public: for anybody, and with Basic credentials for somebody.
func (c *Cloud) giveBearer(w http.ResponseWriter, r *http.Request, fail func(http.ResponseWriter, *apiError)) {
	var who Identity
	if _, _, hasLogin := r.BasicAuth(); hasLogin {
		login, err := c.loginOf(r, endpoint{service: Registry, region: publicRegion})
		if err != nil {
			fail(w, &apiError{code: "UNAUTHORIZED", message: "Not Authorized", status: http.StatusUnauthorized})
			return
		}
		who = login.who
	}
	encoded, _ := c.login(who, true)
	// The bearer token is the password alone; encoded is base64 that was made just now.
	raw, _ := base64.StdEncoding.DecodeString(encoded)
	writeJSON(w, http.StatusOK, "application/json", map[string]string{"token": strings.TrimPrefix(string(raw), "AWS:")})
}

// writeRegistryError is the distribution API's form of an error.
func writeRegistryError(w http.ResponseWriter, e *apiError) {
	writeJSON(w, e.status, "application/json; charset=utf-8", map[string]any{
		"errors": []map[string]string{{"code": e.code, "message": e.message}},
	})
}

// layerLife is how long a presigned layer URL lives.
const layerLife = time.Hour

// layerURL is a presigned URL of a layer in S3. path is the registry's, /v2/<repository>/blobs/<digest>.
func (c *Cloud) layerURL(where endpoint, path string) string {
	key := "/" + where.account + strings.TrimPrefix(path, "/v2")
	date := c.now().UTC().Format(amzDateFormat)
	return "https://" + layerBucket(where.region) + ".s3." + where.region + "." + c.cfg.Domain + key + "?" + url.Values{
		"X-Amz-Algorithm": {algorithm}, "X-Amz-Date": {date}, "X-Amz-Expires": {"3600"}, "X-Amz-SignedHeaders": {"host"},
		"X-Amz-Signature": {c.layerSignature(key, date)},
	}.Encode()
}

// layerSignature signs a layer URL. The key is the cloud's own: nobody but it makes such URLs.
func (c *Cloud) layerSignature(key, date string) string {
	return hex.EncodeToString(hmacSHA256(c.layerKey, key+"\n"+date))
}

// serveLayers is the S3 bucket behind ECR: it gives a layer to who has a presigned URL and shows nothing else.
func (c *Cloud) serveLayers(w http.ResponseWriter, r *http.Request, where endpoint, call *exchange) {
	call.Action = "GetObject"
	call.publish()
	faults := c.faults.take(func(t Target) bool { return t.matches(call.Call) })
	fail := func(w http.ResponseWriter, e *apiError) {
		call.Code = e.code
		type body struct {
			XMLName xml.Name `xml:"Error"`
			Code    string   `xml:"Code"`
			Message string   `xml:"Message"`
		}
		writeXML(w, e.status, body{Code: e.code, Message: e.message})
	}
	play(c.faults, faults, w, r, script{
		note:   call.note,
		answer: func(w http.ResponseWriter, f Fault) { fail(w, faultError(f)) },
		next: func(w http.ResponseWriter) {
			if e := c.admitLayer(r); e != nil {
				fail(w, e)
				return
			}
			account, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
			inner := r.Clone(r.Context())
			inner.URL = &url.URL{Path: "/v2/" + path}
			serveRange(w, inner, c.store(endpoint{account: account, region: where.region}))
		},
	})
}

// admitLayer checks a presigned layer URL. A client that carries the registry's credentials over is refused, as by S3.
func (c *Cloud) admitLayer(r *http.Request) *apiError {
	query := r.URL.Query()
	if r.Header.Get("Authorization") != "" {
		return &apiError{
			code: "InvalidArgument", status: http.StatusBadRequest,
			message: "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
		}
	}
	made, err := time.Parse(amzDateFormat, query.Get("X-Amz-Date"))
	want := c.layerSignature(r.URL.Path, query.Get("X-Amz-Date"))
	if err != nil || !slices.Contains([]string{http.MethodGet, http.MethodHead}, r.Method) ||
		!hmac.Equal([]byte(want), []byte(query.Get("X-Amz-Signature"))) {
		return &apiError{code: "AccessDenied", message: "Access Denied", status: http.StatusForbidden}
	}
	if c.now().Sub(made) > layerLife {
		return &apiError{code: "AccessDenied", message: "Request has expired", status: http.StatusForbidden}
	}
	return nil
}
