package aws

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// apiError is an error as an AWS API says it.
type apiError struct {
	code, message string
	status        int
	extra         map[string]string // further members of a JSON body
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// wording is how a service says that a request's signature is not accepted, or that it will not do something.
type wording struct {
	unsigned, incomplete, unknownKey, expiredToken, mismatch, age, denied apiError
}

// Sources: "Common errors" in the API references of STS, EC2, ECR and EKS.
var (
	stsWording = wording{
		unsigned:     apiError{code: "MissingAuthenticationToken", message: "Request is missing Authentication Token", status: 403},
		incomplete:   apiError{code: "IncompleteSignature", status: 400},
		unknownKey:   apiError{code: "InvalidClientTokenId", message: "The security token included in the request is invalid.", status: 403},
		expiredToken: apiError{code: "ExpiredToken", message: "The security token included in the request is expired", status: 403},
		mismatch:     apiError{code: "SignatureDoesNotMatch", message: mismatchMessage, status: 403},
		age:          apiError{code: "SignatureDoesNotMatch", status: 403},
		denied:       apiError{code: "AccessDenied", status: 403},
	}
	ec2Wording = wording{
		unsigned:     apiError{code: "MissingAuthenticationToken", message: "Request is missing Authentication Token", status: 403},
		incomplete:   apiError{code: "IncompleteSignature", status: 400},
		unknownKey:   apiError{code: "AuthFailure", message: "AWS was not able to validate the provided access credentials", status: 401},
		expiredToken: apiError{code: "RequestExpired", message: "Request has expired.", status: 400},
		mismatch:     apiError{code: "SignatureDoesNotMatch", message: mismatchMessage, status: 403},
		age:          apiError{code: "RequestExpired", message: "Request has expired.", status: 400},
		denied:       apiError{code: "UnauthorizedOperation", status: 403},
	}
	ecrWording = jsonWording(400)
	eksWording = jsonWording(403)
)

const mismatchMessage = "The request signature we calculated does not match the signature you provided. Check your AWS " +
	"Secret Access Key and signing method. Consult the service documentation for details."

// jsonWording is that of the JSON protocols, which differ in the status only.
func jsonWording(status int) wording {
	return wording{
		unsigned:     apiError{code: "MissingAuthenticationTokenException", message: "Missing Authentication Token", status: status},
		incomplete:   apiError{code: "IncompleteSignatureException", status: status},
		unknownKey:   apiError{code: "UnrecognizedClientException", message: "The security token included in the request is invalid.", status: status},
		expiredToken: apiError{code: "ExpiredTokenException", message: "The security token included in the request is expired", status: status},
		mismatch:     apiError{code: "InvalidSignatureException", message: mismatchMessage, status: status},
		age:          apiError{code: "InvalidSignatureException", status: status},
		denied:       apiError{code: "AccessDeniedException", status: status},
	}
}

// say turns the reason a signature was not accepted into the service's words. A message the service has no fixed text
// for is the reason's own.
func (w wording) say(err error) *apiError {
	for _, known := range []struct {
		reason error
		words  apiError
	}{
		{errUnsigned, w.unsigned}, {errIncomplete, w.incomplete}, {errUnknownKey, w.unknownKey},
		{errExpiredToken, w.expiredToken}, {errMismatch, w.mismatch}, {errSignatureAge, w.age}, {errSignatureEarly, w.age},
	} {
		if errors.Is(err, known.reason) {
			words := known.words
			if _, detail, ok := strings.Cut(err.Error(), ": "); ok && (words.message == "" || known.reason == errMismatch) {
				words.message = detail
			}
			return &words
		}
	}
	return &apiError{code: "InternalFailure", message: err.Error(), status: 500}
}

// deny is the service's way to say that the caller may not do an action such as "ec2:DescribeInstances".
func (w wording) deny(who Identity, action string) *apiError {
	words := w.denied
	words.message = fmt.Sprintf("User: %s is not authorized to perform: %s because no identity-based policy allows the %s action",
		who.ARN, action, action)
	if words.code == "UnauthorizedOperation" {
		words.message = "You are not authorized to perform this operation. " + words.message
	}
	return &words
}

// usualStatus is the HTTP status an error code comes with, for faults that name no status.
func usualStatus(code string) int {
	switch code {
	case "RequestLimitExceeded", "ServiceUnavailable", "Unavailable", "ServiceUnavailableException":
		return http.StatusServiceUnavailable
	case "InternalError", "InternalFailure", "ServerException":
		return http.StatusInternalServerError
	case "TooManyRequestsException", "TOOMANYREQUESTS":
		return http.StatusTooManyRequests
	case "UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch":
		return http.StatusForbidden
	case "AuthFailure":
		return http.StatusUnauthorized
	case "ResourceNotFoundException":
		return http.StatusNotFound
	default:
		return http.StatusBadRequest
	}
}

// faultError is the API error a fault stands for.
func faultError(f Fault) *apiError {
	e := &apiError{code: f.Code, message: f.Message, status: f.Status}
	if e.status == 0 {
		e.status = usualStatus(e.code)
	}
	if e.code == "" {
		e.code = strings.ReplaceAll(http.StatusText(e.status), " ", "")
	}
	switch {
	case e.message != "":
	case e.code == "RequestLimitExceeded":
		e.message = "Request limit exceeded."
	case e.code == "UnauthorizedOperation":
		e.message = "You are not authorized to perform this operation."
	default:
		e.message = "The request was refused (" + e.code + ")."
	}
	return e
}

// The four ways errors look on the wire.

// writeQueryError is the AWS query protocol's: XML, or JSON for who asks for it, as aws-iam-authenticator does.
func writeQueryError(w http.ResponseWriter, r *http.Request, id string, e *apiError) {
	kind := "Sender"
	if e.status >= 500 {
		kind = "Receiver"
	}
	if wantsJSON(r) {
		writeJSON(w, e.status, "application/json", map[string]any{
			"Error": map[string]string{"Code": e.code, "Message": e.message, "Type": kind}, "RequestId": id,
		})
		return
	}
	type body struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ ErrorResponse"`
		Type    string   `xml:"Error>Type"`
		Code    string   `xml:"Error>Code"`
		Message string   `xml:"Error>Message"`
		ID      string   `xml:"RequestId"`
	}
	writeXML(w, e.status, body{Type: kind, Code: e.code, Message: e.message, ID: id})
}

// writeEC2Error is the EC2 query protocol's.
func writeEC2Error(w http.ResponseWriter, _ *http.Request, id string, e *apiError) {
	type body struct {
		XMLName xml.Name `xml:"Response"`
		Code    string   `xml:"Errors>Error>Code"`
		Message string   `xml:"Errors>Error>Message"`
		ID      string   `xml:"RequestID"`
	}
	writeXML(w, e.status, body{Code: e.code, Message: e.message, ID: id})
}

// writeJSONError is AWS JSON 1.1's.
func writeJSONError(w http.ResponseWriter, _ *http.Request, _ string, e *apiError) {
	writeJSON(w, e.status, "application/x-amz-json-1.1", e.members(map[string]string{"__type": e.code}))
}

// writeRESTError is REST-JSON's, which has the code in a header.
func writeRESTError(w http.ResponseWriter, _ *http.Request, _ string, e *apiError) {
	w.Header().Set("X-Amzn-Errortype", e.code)
	writeJSON(w, e.status, "application/json", e.members(map[string]string{}))
}

func (e *apiError) members(body map[string]string) map[string]string {
	body["message"] = e.message
	for k, v := range e.extra {
		body[k] = v
	}
	return body
}

// writeJSON answers with a JSON body. The types here can be marshalled; what cannot be sent the client has left.
func writeJSON(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeBody(w, status, contentType, body)
}

// writeXML answers with an XML document.
func writeXML(w http.ResponseWriter, status int, v any) {
	body, err := xml.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	writeBody(w, status, "text/xml;charset=UTF-8", append([]byte(xml.Header), body...))
}

func writeBody(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}
