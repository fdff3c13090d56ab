package aws

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody is the largest request an API takes. The APIs here have requests of a few hundred bytes.
const maxBody = 1 << 20

// api is one of the AWS APIs: how its requests name an action, how it fails, and what it does.
type api struct {
	signingName string
	action      func(r *http.Request, form url.Values) string
	words       wording
	writeError  func(w http.ResponseWriter, r *http.Request, id string, e *apiError)
	// run does an action for a caller and answers, or returns why not.
	run func(c *Cloud, w http.ResponseWriter, q *query) *apiError
}

// query is a request to an API that was accepted: signed by a caller who may do it.
type query struct {
	*http.Request
	endpoint
	form   url.Values
	body   []byte
	action string
	caller Identity
	id     string
	sig    signature
}

var apis = map[string]api{
	STS:       {signingName: "sts", action: formAction, words: stsWording, writeError: writeQueryError, run: runSTS},
	EC2:       {signingName: "ec2", action: formAction, words: ec2Wording, writeError: writeEC2Error, run: runEC2},
	ECR:       {signingName: "ecr", action: targetAction, words: ecrWording, writeError: writeJSONError, run: runECR},
	ECRPublic: {signingName: "ecr-public", action: targetAction, words: ecrWording, writeError: writeJSONError, run: runECRPublic},
	EKS:       {signingName: "eks", action: eksAction, words: eksWording, writeError: writeRESTError, run: runEKS},
}

// Handler serves all APIs and registries, told apart by the Host header. A host that is none of ours is answered 404 and
// logged with an empty service. Serve it over HTTP/1.1 alone, as the regional endpoints of AWS are: over HTTP/2 a [Reset]
// ends the stream and not the connection.
func (c *Cloud) Handler() http.Handler { return http.HandlerFunc(c.serve) }

func (c *Cloud) serve(w http.ResponseWriter, r *http.Request) {
	call := &exchange{Call: Call{
		Time: c.now(), Host: r.Host, Method: r.Method, Path: r.URL.Path, Fault: Pass, Source: r.RemoteAddr, UserAgent: r.UserAgent(),
	}}
	call.replace = c.calls.begin(call.Call)
	tracked := &tracker{ResponseWriter: w}
	publish := func() {
		call.Status, call.Duration = tracked.status, c.now().Sub(call.Time)
		call.publish()
	}
	tracked.answered = publish
	defer func() { // also when the handler is aborted
		call.Done = true
		publish()
		c.log.Debug("call", "service", call.Service, "action", call.Action, "host", call.Host, "caller", call.Caller.ARN,
			"status", call.Status, "code", call.Code, "fault", call.Fault)
	}()
	where, ok := c.endpointOf(r.Host)
	if !ok {
		c.log.Warn("request for an unknown host", "host", r.Host, "path", r.URL.Path)
		http.Error(tracked, "no such host in this cloud: "+r.Host, http.StatusNotFound)
		return
	}
	call.Service, call.Region = where.service, where.region
	switch service, known := apis[where.service]; {
	case known:
		c.serveAPI(tracked, r, where, service, call)
	case where.service == Registry:
		c.serveRegistry(tracked, r, where, call)
	default:
		c.serveLayers(tracked, r, where, call)
	}
}

// exchange is a call in progress and its entry in the log.
type exchange struct {
	Call
	replace func(Call)
}

func (e *exchange) publish() { e.replace(e.Call) }

// note is told of a fault.
func (e *exchange) note(effect Effect) {
	e.Fault = effect
	e.publish()
}

// serveAPI reads a request to an API, plays the faults it meets, checks it and runs it.
func (c *Cloud) serveAPI(w http.ResponseWriter, r *http.Request, where endpoint, service api, call *exchange) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	q := &query{Request: r, endpoint: where, body: body, form: formOf(r, body), id: requestID()}
	q.action = service.action(r, q.form)
	sig, sigErr := readSignature(r)
	q.sig = sig
	call.Action = q.action
	if sigErr == nil {
		owner, _ := c.keys.find(sig.accessKeyID)
		call.Caller, call.Presigned = owner.Identity, sig.presigned
		if sig.signs(clusterIDHeader) {
			call.ClusterID = r.Header.Get(clusterIDHeader)
		}
	}
	fail := func(w http.ResponseWriter, e *apiError) {
		call.Code = e.code
		service.writeError(w, r, q.id, e)
	}
	call.publish()
	if !sleep(r.Context(), c.cfg.Latency) {
		return // the client left
	}
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
			w.Header().Set("X-Amzn-Requestid", q.id)
			if e := c.admit(q, service, sigErr); e != nil {
				fail(w, e)
				return
			}
			if e := service.run(c, w, q); e != nil {
				fail(w, e)
			}
		},
	})
}

// admit checks who sent a request and whether they may.
func (c *Cloud) admit(q *query, service api, sigErr error) *apiError {
	if sigErr != nil {
		return service.words.say(sigErr)
	}
	caller, err := c.keys.verify(q.Request, q.body, q.sig, service.signingName, q.region)
	if err == nil {
		err = q.sig.checkAge(c.now(), c.presignedLife(q.sig))
	}
	if err != nil {
		return service.words.say(err)
	}
	q.caller = caller
	action := service.signingName + ":" + q.action
	if caller.Role != "" && q.service != STS && c.role(caller.Role).denies(action) {
		return service.words.deny(caller, action)
	}
	return nil
}

// presignedLife is how long a presigned URL lives.
func (c *Cloud) presignedLife(s signature) time.Duration {
	if c.cfg.StrictExpires && s.expires >= 0 {
		return min(presignedLife, time.Duration(s.expires)*time.Second)
	}
	return presignedLife
}

// formOf returns the parameters of the query and of a form body.
func formOf(r *http.Request, body []byte) url.Values {
	form := r.URL.Query()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		// What cannot be parsed is left out, and the action then misses its parameters.
		posted, _ := url.ParseQuery(string(body))
		for name, values := range posted {
			form[name] = append(form[name], values...)
		}
	}
	return form
}

// formAction names the action of the query protocols.
func formAction(_ *http.Request, form url.Values) string { return form.Get("Action") }

// targetAction names the action of AWS JSON: what follows the last dot of X-Amz-Target.
func targetAction(r *http.Request, _ url.Values) string {
	target := r.Header.Get("X-Amz-Target")
	return target[strings.LastIndex(target, ".")+1:]
}

// requestID makes an id in the form of a UUID.
func requestID() string {
	raw := randomHex(32)
	return strings.Join([]string{raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]}, "-")
}

// unknownAction is the error for an action that is not emulated.
func unknownAction(q *query, code string) *apiError {
	return &apiError{code: code, message: "The action " + q.action + " is not valid for this endpoint.", status: http.StatusBadRequest}
}
