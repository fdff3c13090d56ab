package aws

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Machine is a launched instance: its description, its session tokens and credentials, the faults of its metadata
// service and the log of what it was asked. It is safe for concurrent use.
type Machine struct {
	cloud    *Cloud
	requests *journal[Request]
	faults   *faultSet[string]

	mu      sync.Mutex
	inst    Instance
	tokens  map[string]time.Time // session token to end of life
	creds   Credentials
	credsOf string // the role creds belong to
	// DescribeInstances leaves privateDnsName empty while hideName is not zero (negative: until it is changed) or now is
	// before hideUntil.
	hideName  int
	hideUntil time.Time
}

// Request is an entry of an instance's metadata log. It is there from the moment the request is read; Status is set
// before the client can see the answer.
type Request struct {
	Time time.Time
	// Duration and Bytes are final when Done is set: the request is over.
	Duration time.Duration
	Done     bool
	Method   string
	Path     string
	// Status is the answer's, zero when the client got none or not yet.
	Status int
	Bytes  int64
	// Token tells whether the request carried a valid session token.
	Token bool
	// Fault is the effect of an injected fault, Pass when there was none (or only a delay).
	Fault     Effect
	Source    string
	UserAgent string
}

func newMachine(c *Cloud, inst Instance) *Machine {
	return &Machine{
		cloud: c, inst: inst,
		requests: newJournal[Request](),
		faults:   newFaultSet[string](c.now),
		tokens:   map[string]time.Time{},
	}
}

// ID returns the instance id.
func (m *Machine) ID() string { return m.Instance().ID }

// Instance returns the description as it is now. The copy is the caller's.
func (m *Machine) Instance() Instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inst.clone()
}

// Update changes the description; IMDS and EC2 tell the new one from the next request on. New interfaces are filled in
// as at launch. The id cannot be changed. On an error nothing has changed.
func (m *Machine) Update(change func(*Instance)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	inst := m.inst.clone()
	change(&inst)
	inst.ID = m.inst.ID
	inst.fill(m.cloud)
	if err := inst.check(); err != nil {
		return fmt.Errorf("cannot update instance %s: %w", inst.ID, err)
	}
	m.inst = inst
	return nil
}

// Requests returns the metadata log, oldest first.
func (m *Machine) Requests() []Request { return m.requests.all() }

// CountRequests returns how many requests in the log match accepts.
func (m *Machine) CountRequests(match func(Request) bool) int {
	n := 0
	for _, r := range m.requests.all() {
		if match(r) {
			n++
		}
	}
	return n
}

// IsToken tells whether a request asked for a session token; for [Machine.CountRequests].
func IsToken(r Request) bool { return r.Method == "PUT" && itemOf(r.Path) == tokenItem }

// WaitRequest returns the first request that match accepts, now or when it comes; the error is ctx's.
func (m *Machine) WaitRequest(ctx context.Context, match func(Request) bool) (Request, error) {
	r, err := m.requests.wait(ctx, match)
	if err != nil {
		return r, fmt.Errorf("cannot see the request awaited at the metadata service of %s: %w", m.ID(), err)
	}
	return r, nil
}

// ResetRequests empties the metadata log.
func (m *Machine) ResetRequests() { m.requests.reset() }

// Inject makes requests for an item of the metadata service fail, and returns the function that ends it. The item is a
// path below the version, such as "meta-data/placement/region", "user-data" or "api/token" (the session token); one
// that ends in "*" covers all that begin so, and "*" is everything. Refuse covers everything whatever the item.
func (m *Machine) Inject(item string, f Fault) (remove func()) {
	m.cloud.log.Info("fault injected", "instance", m.ID(), "item", item, "effect", f.effect(), "status", f.Status, "times", f.Times)
	return m.faults.inject(strings.TrimPrefix(item, "/"), f)
}

// ClearFaults ends all faults of the metadata service.
func (m *Machine) ClearFaults() { m.faults.clear() }

// Credentials returns the role's credentials as IMDS gives them out now; the zero value when the instance has no role.
// A new set is made when the old one nears its end, and the old one stays valid until then.
func (m *Machine) Credentials() Credentials {
	m.mu.Lock()
	defer m.mu.Unlock()
	role := m.inst.Role
	if role == "" {
		return Credentials{}
	}
	// "We make new credentials available at least five minutes before the expiration of the old credentials" (EC2 user
	// guide, "Retrieve security credentials from instance metadata").
	lifetime := m.cloud.cfg.CredentialLifetime
	margin := min(5*time.Minute, lifetime/2)
	if m.credsOf != role || !m.cloud.now().Before(m.creds.Expires.Add(-margin)) {
		m.creds = m.cloud.keys.issue(m.cloud.sessionIdentity(m.inst.Account, role, m.inst.ID), lifetime)
		m.credsOf = role
	}
	return m.creds
}

// RotateCredentials makes IMDS give out new credentials from the next request on.
func (m *Machine) RotateCredentials() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.credsOf = ""
}

// ExpireTokens ends all session tokens, as a restart of the metadata service does.
func (m *Machine) ExpireTokens() {
	m.mu.Lock()
	defer m.mu.Unlock()
	clear(m.tokens)
}

// HidePrivateDNSName makes DescribeInstances leave privateDnsName empty, as it may be shortly after launch: for the next
// times descriptions (none when zero, without end when negative) and until a time (zero means no such time).
func (m *Machine) HidePrivateDNSName(times int, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hideName, m.hideUntil = times, until
}

// describedName returns what DescribeInstances says as privateDnsName, and counts it.
func (m *Machine) describedName() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cloud.now().Before(m.hideUntil) {
		return ""
	}
	if m.hideName > 0 {
		m.hideName--
		return ""
	}
	if m.hideName < 0 {
		return ""
	}
	return m.inst.PrivateDNSName
}

// newToken opens an IMDSv2 session.
func (m *Machine) newToken(lifetime time.Duration) string {
	raw := make([]byte, 40) // the real ones have 56 characters
	rand.Read(raw)
	token := base64.URLEncoding.EncodeToString(raw)
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.cloud.now()
	for old, end := range m.tokens {
		if !now.Before(end) {
			delete(m.tokens, old)
		}
	}
	m.tokens[token] = now.Add(lifetime)
	return token
}

// tokenLeft returns how long a session token still lives; false when it is unknown or over.
func (m *Machine) tokenLeft(token string) (time.Duration, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	end, known := m.tokens[token]
	left := end.Sub(m.cloud.now())
	return left, known && left > 0
}

// tree is all that the metadata service says at this moment.
func (m *Machine) tree() tree {
	inst := m.Instance()
	t := inst.metadata(m.cloud)
	if inst.Role != "" {
		m.iamItems(t, inst)
	}
	for path, body := range inst.Extra {
		t[strings.Trim(path, "/")] = body
	}
	return t
}

// iamItems adds iam/ (EC2 user guide, "Retrieve security credentials from instance metadata").
func (m *Machine) iamItems(t tree, inst Instance) {
	creds := m.Credentials()
	updated := creds.Issued.Format(time.RFC3339)
	t["meta-data/iam/info"] = document("  ",
		field{"Code", "Success"}, field{"LastUpdated", updated},
		field{"InstanceProfileArn", m.cloud.profileARN(inst)},
		field{"InstanceProfileId", uniqueID("AIPA", inst.Account, inst.Role)})
	t["meta-data/iam/security-credentials/"+inst.Role] = document("  ",
		field{"Code", "Success"}, field{"LastUpdated", updated}, field{"Type", "AWS-HMAC"},
		field{"AccessKeyId", creds.AccessKeyID}, field{"SecretAccessKey", string(creds.SecretAccessKey)},
		field{"Token", string(creds.SessionToken)}, field{"Expiration", creds.Expires.Format(time.RFC3339)})
}

// profileARN is the instance profile's, which has the role's name.
func (c *Cloud) profileARN(inst Instance) string {
	return fmt.Sprintf("arn:%s:iam::%s:instance-profile/%s", c.cfg.Partition, inst.Account, inst.Role)
}
