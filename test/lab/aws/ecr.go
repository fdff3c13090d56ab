package aws

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// ecrTokenLife is how long an authorization token of ECR lives ("valid for 12 hours", ECR API reference).
const ecrTokenLife = 12 * time.Hour

// registryLogin is what a registry password allows.
type registryLogin struct {
	who     Identity
	expires time.Time
	public  bool // a token of ECR Public, as opposed to private registries
}

// login makes a password for registries and returns it in the form of an authorization token: base64 of AWS:password.
func (c *Cloud) login(who Identity, public bool) (token string, expires time.Time) {
	// The password is an opaque blob of about 1.8 kB.
	password := Secret("eyJwYXlsb2FkIjoi" + randomBase64(1200))
	login := registryLogin{who: who, expires: c.now().Add(ecrTokenLife), public: public}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passwords[password] = login
	return base64.StdEncoding.EncodeToString([]byte("AWS:" + string(password))), login.expires
}

// ExpireLogins makes all registry passwords given out so far unknown.
func (c *Cloud) ExpireLogins() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.passwords)
}

// authorization is an entry of GetAuthorizationToken's answer; expiresAt is seconds since 1970, as AWS JSON has it.
type authorization struct {
	AuthorizationToken string  `json:"authorizationToken"`
	ExpiresAt          float64 `json:"expiresAt"`
	ProxyEndpoint      string  `json:"proxyEndpoint,omitempty"`
}

func (c *Cloud) authorize(q *query, public bool) authorization {
	token, expires := c.login(q.caller, public)
	return authorization{AuthorizationToken: token, ExpiresAt: float64(expires.UnixMilli()) / 1000}
}

// runECR does GetAuthorizationToken.
func runECR(c *Cloud, w http.ResponseWriter, q *query) *apiError {
	if q.action != "GetAuthorizationToken" {
		return unknownAction(q, "UnknownOperationException")
	}
	var in struct {
		RegistryIDs []string `json:"registryIds"`
	}
	if len(q.body) > 0 {
		if err := json.Unmarshal(q.body, &in); err != nil {
			return &apiError{code: "SerializationException", message: err.Error(), status: http.StatusBadRequest}
		}
	}
	if len(in.RegistryIDs) == 0 {
		in.RegistryIDs = []string{q.caller.Account}
	}
	slices.Sort(in.RegistryIDs)
	var data []authorization
	for _, account := range in.RegistryIDs {
		a := c.authorize(q, false)
		a.ProxyEndpoint = fmt.Sprintf("https://%s.dkr.ecr.%s.%s", account, q.region, c.cfg.Domain)
		data = append(data, a)
	}
	writeJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"authorizationData": data})
	return nil
}

// runECRPublic does GetAuthorizationToken, whose answer is one entry and not a list.
func runECRPublic(c *Cloud, w http.ResponseWriter, q *query) *apiError {
	if q.action != "GetAuthorizationToken" {
		return unknownAction(q, "UnknownOperationException")
	}
	writeJSON(w, http.StatusOK, "application/x-amz-json-1.1", map[string]any{"authorizationData": c.authorize(q, true)})
	return nil
}
