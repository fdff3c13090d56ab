package aws

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// Secret is a string that does not print itself. Convert it to use it.
type Secret string

// String hides the secret.
func (Secret) String() string { return "[redacted]" }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return "[redacted]" }

// LogValue hides the secret from slog.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Role is an IAM role. It may do everything but what Deny lists.
type Role struct {
	Name string
	// Deny lists actions the role may not do, such as "ec2:DescribeInstances", "ecr:*" or "*". sts:GetCallerIdentity can
	// not be denied, as in AWS.
	Deny []string
	// AssumedBy lists the roles whose sessions may assume this one: its trust policy.
	AssumedBy []string
}

// denies tells whether the role may not do an action such as "ec2:DescribeInstances".
func (r Role) denies(action string) bool {
	for _, d := range r.Deny {
		if prefix, wild := strings.CutSuffix(d, "*"); d == action || wild && strings.HasPrefix(action, prefix) {
			return true
		}
	}
	return false
}

// Identity is who made a request: what GetCallerIdentity says.
type Identity struct {
	// ARN is the caller's, such as arn:aws:sts::123456789012:assumed-role/node/i-0123456789abcdef0.
	ARN string
	// Account is the 12-digit account number.
	Account string
	// UserID is the unique id of the role and the session name, joined by a colon, or a user's unique id.
	UserID string
	// Role and Session are the parts of an assumed role; both are empty for a user. Session is the instance id for
	// credentials that IMDS gave out.
	Role, Session string
}

// Credentials are what a client signs requests with.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey Secret
	// SessionToken is empty for a user's long-lived keys.
	SessionToken Secret
	// Issued is when they were made. Expires is zero for keys that do not expire.
	Issued, Expires time.Time
}

// AssumeRole gives out credentials of a session of a role, as sts:AssumeRole would, for the given time. The role need not exist.
func (c *Cloud) AssumeRole(role, session string, lifetime time.Duration) Credentials {
	return c.keys.issue(c.sessionIdentity(c.cfg.AccountID, role, session), lifetime)
}

// AddUser gives out the long-lived access key of an IAM user.
func (c *Cloud) AddUser(name string) Credentials {
	return c.keys.issue(Identity{
		ARN:     fmt.Sprintf("arn:%s:iam::%s:user/%s", c.cfg.Partition, c.cfg.AccountID, name),
		Account: c.cfg.AccountID,
		UserID:  uniqueID("AIDA", c.cfg.AccountID, name),
	}, 0)
}

// Revoke makes an access key unknown from now on.
func (c *Cloud) Revoke(accessKeyID string) { c.keys.revoke(accessKeyID) }

func (c *Cloud) sessionIdentity(account, role, session string) Identity {
	return Identity{
		ARN:     fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", c.cfg.Partition, account, role, session),
		Account: account,
		UserID:  uniqueID("AROA", account, role) + ":" + session,
		Role:    role, Session: session,
	}
}

// uniqueID makes an IAM unique identifier: a 4-letter type prefix and 17 letters and digits that are always the same
// for the same name (IAM user guide, "Unique identifiers").
func uniqueID(prefix string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "/")))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// keyring knows every credential that was given out.
type keyring struct {
	now func() time.Time
	mu  sync.RWMutex
	all map[string]keyOwner
}

type keyOwner struct {
	Credentials
	Identity Identity
}

func newKeyring(now func() time.Time) *keyring {
	return &keyring{now: now, all: map[string]keyOwner{}}
}

// issue makes credentials that live for the given time, or without end and without session token when it is zero.
func (k *keyring) issue(who Identity, lifetime time.Duration) Credentials {
	issued := k.now().UTC().Truncate(time.Second)
	creds := Credentials{
		AccessKeyID:     "AKIA" + randomBase32(16),
		SecretAccessKey: Secret(randomBase64(30)),
		Issued:          issued,
	}
	if lifetime > 0 {
		creds.AccessKeyID = "ASIA" + creds.AccessKeyID[4:]
		// Real session tokens are several hundred characters; a token for a cluster must fit them (4 KiB is the limit of
		// aws-iam-authenticator).
		creds.SessionToken = Secret("IQoJb3JpZ2luX2Vj" + randomBase64(540))
		creds.Expires = issued.Add(lifetime)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all[creds.AccessKeyID] = keyOwner{creds, who}
	return creds
}

func (k *keyring) find(accessKeyID string) (keyOwner, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	owner, ok := k.all[accessKeyID]
	return owner, ok
}

func (k *keyring) revoke(accessKeyID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.all, accessKeyID)
}

// randomBase32 returns n random letters and digits. crypto/rand.Read does not fail (Go 1.24).
func randomBase32(n int) string {
	raw := make([]byte, n)
	rand.Read(raw)
	return base32.StdEncoding.EncodeToString(raw)[:n]
}

// randomBase64 returns n random bytes in base64, unpadded where n is a multiple of three.
func randomBase64(n int) string {
	raw := make([]byte, n)
	rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

// randomHex returns n random hexadecimal digits; n is even.
func randomHex(n int) string {
	raw := make([]byte, n/2)
	rand.Read(raw)
	return hex.EncodeToString(raw)
}
