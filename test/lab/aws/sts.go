package aws

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// runSTS does GetCallerIdentity, by POST and as a presigned GET, which is what nodes and aws-iam-authenticator call, and
// AssumeRole.
func runSTS(c *Cloud, w http.ResponseWriter, q *query) *apiError {
	if q.action == "AssumeRole" {
		return runAssumeRole(c, w, q)
	}
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

// runAssumeRole gives out a session of another role (STS API reference, AssumeRole).
func runAssumeRole(c *Cloud, w http.ResponseWriter, q *query) *apiError {
	arn, session := q.form.Get("RoleArn"), q.form.Get("RoleSessionName")
	name := arn[strings.LastIndex(arn, "/")+1:]
	seconds, err := strconv.Atoi(cmp.Or(q.form.Get("DurationSeconds"), "3600"))
	if err != nil || seconds < 900 || session == "" || name == "" {
		return &apiError{code: "ValidationError", message: "RoleArn, RoleSessionName or DurationSeconds is not valid.", status: http.StatusBadRequest}
	}
	if q.caller.Role == "" || c.role(q.caller.Role).denies("sts:AssumeRole") || !slices.Contains(c.role(name).AssumedBy, q.caller.Role) {
		return &apiError{code: "AccessDenied", status: http.StatusForbidden,
			message: "User: " + q.caller.ARN + " is not authorized to perform: sts:AssumeRole on resource: " + arn}
	}
	creds := c.AssumeRole(name, session, time.Duration(seconds)*time.Second)
	who := c.sessionIdentity(c.cfg.AccountID, name, session)
	type credentials struct {
		AccessKeyID     string `xml:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}
	type user struct {
		ID  string `xml:"AssumedRoleId"`
		Arn string
	}
	type body struct {
		XMLName     xml.Name    `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleResponse"`
		Credentials credentials `xml:"AssumeRoleResult>Credentials"`
		User        user        `xml:"AssumeRoleResult>AssumedRoleUser"`
		ID          string      `xml:"ResponseMetadata>RequestId"`
	}
	writeXML(w, http.StatusOK, body{
		Credentials: credentials{creds.AccessKeyID, string(creds.SecretAccessKey), string(creds.SessionToken), creds.Expires.Format(time.RFC3339)},
		User:        user{who.UserID, who.ARN}, ID: q.id,
	})
	return nil
}

// wantsJSON tells whether the client asked for JSON instead of XML.
func wantsJSON(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}
