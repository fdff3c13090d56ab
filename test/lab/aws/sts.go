package aws

import (
	"encoding/xml"
	"net/http"
	"strings"
)

// runSTS does GetCallerIdentity, by POST and as a presigned GET. That is what nodes and aws-iam-authenticator call.
func runSTS(c *Cloud, w http.ResponseWriter, q *query) *apiError {
	if q.action != "GetCallerIdentity" {
		return unknownAction(q, "InvalidAction")
	}
	if q.sig.presigned && !c.cfg.AnyPresigned && !q.sig.signs(clusterIDHeader) {
		return &apiError{
			code: "SignatureDoesNotMatch", status: http.StatusForbidden,
			message: "this lab refuses presigned requests that do not sign the " + clusterIDHeader + " header",
		}
	}
	type result struct {
		Arn     string `xml:"Arn" json:"Arn"`
		UserID  string `xml:"UserId" json:"UserId"`
		Account string `xml:"Account" json:"Account"`
	}
	who := result{q.caller.ARN, q.caller.UserID, q.caller.Account}
	if wantsJSON(q.Request) {
		writeJSON(w, http.StatusOK, "application/json", map[string]any{
			"GetCallerIdentityResponse": map[string]any{
				"GetCallerIdentityResult": who,
				"ResponseMetadata":        map[string]string{"RequestId": q.id},
			},
		})
		return nil
	}
	type body struct {
		XMLName xml.Name `xml:"https://sts.amazonaws.com/doc/2011-06-15/ GetCallerIdentityResponse"`
		Result  result   `xml:"GetCallerIdentityResult"`
		ID      string   `xml:"ResponseMetadata>RequestId"`
	}
	writeXML(w, http.StatusOK, body{Result: who, ID: q.id})
	return nil
}

// wantsJSON tells whether the client asked for JSON instead of XML.
func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}
