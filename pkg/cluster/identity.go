package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/eksnode/eksnode/internal/lazyregexp"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/health"
)

const (
	// nodeUserPrefix and nodesGroup are what the API server's node authorizer
	// asks of a node's identity (Kubernetes documentation, "Using Node
	// Authorization").
	nodeUserPrefix = "system:node:"
	nodesGroup     = "system:nodes"
)

// token asks the Target for a token. An error without a fault becomes one.
func (p *prober) token(ctx context.Context) (string, error) {
	if p.Token == nil {
		return "", fault.New(fault.Internal, "Report it with `eksnode status -o json`.", errors.New("internal error: nobody makes tokens for this node"))
	}
	token, err := p.Token(ctx)
	if err == nil && token == "" {
		err = errors.New("it is empty")
	}
	if err == nil {
		return token, nil
	}
	if _, ok := fault.Find(err); ok {
		return "", err
	}
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		text = noAnswer(p.Timeout)
	}
	return "", fault.New(fault.TokenFailed, "Check the node's AWS credentials (instance profile) and the region.",
		&said{"cannot make a token for the API server: " + text, err})
}

func (p *prober) checkToken(ctx context.Context) health.Finding {
	if _, err := p.token(ctx); err != nil {
		return health.Bad(err)
	}
	return health.Good("a token for the API server was made")
}

// askAs sends a request with the node's token and returns answers below 300;
// anything else is a fault.
func (p *prober) askAs(ctx context.Context, doing, method, path string, body []byte) (answer, error) {
	if err := p.unusable(); err != nil {
		return answer{}, err
	}
	token, err := p.token(ctx)
	if err != nil {
		return answer{}, err
	}
	a, err := ask(ctx, p.http, method, p.endpoint.JoinPath(path).String(), token, body)
	switch {
	case err != nil:
		return a, p.transportFault(doing, err)
	case a.code == http.StatusUnauthorized:
		return a, p.unauthorized(ctx)
	case a.code >= 300:
		return a, fault.New(fault.EndpointHTTP, "The control plane may be starting, overloaded, or something else answers at its address; if this stays, look at the cluster's health.",
			fmt.Errorf("cannot %s: the API server answers %s", doing, a.status()))
	}
	return a, nil
}

// unauthorized says whom the API server does not know, and what would
// introduce them.
func (p *prober) unauthorized(ctx context.Context) error {
	who, arn := "the identity of this node's token", ""
	if caller, err := p.identity(ctx); err == nil {
		who, arn = caller, principalARN(caller)
	} else if p.Identity != nil {
		who += " (which one could not be told: " + oneLine(err.Error()) + ")"
	}
	return fault.New(fault.Unauthorized,
		"Create an access entry for the node's role: `"+p.createAccessEntry(arn)+"`"+pathCaveat(arn)+" (or map it in the aws-auth ConfigMap). "+
			"If there is one, check that spec.cluster.name is the name of the cluster behind the endpoint: tokens hold for one cluster alone.",
		errors.New("the API server does not know "+who+" (401 Unauthorized)"))
}

func (p *prober) identity(ctx context.Context) (string, error) {
	if p.Identity == nil {
		return "", errors.New("nothing to ask")
	}
	arn, err := p.Identity(ctx)
	if err == nil && arn == "" {
		err = errors.New("empty answer")
	}
	return oneLine(arn), err
}

// createAccessEntry is the command that lets this node in.
func (p *prober) createAccessEntry(arn string) string {
	return "aws eks create-access-entry --cluster-name " + or(p.ClusterName, "CLUSTER") +
		" --principal-arn " + or(arn, "NODE_ROLE_ARN") + " --type " + p.accessEntryType() + p.regionFlag()
}

func (p *prober) deleteAccessEntry(arn string) string {
	return "aws eks delete-access-entry --cluster-name " + or(p.ClusterName, "CLUSTER") +
		" --principal-arn " + or(arn, "NODE_ROLE_ARN") + p.regionFlag()
}

// accessEntryType: entries of type EC2_LINUX name nodes by their private DNS
// name, those of type EC2 by their instance id.
func (p *prober) accessEntryType() string {
	if p.AccessEntryType != "" {
		return p.AccessEntryType
	}
	if instanceID.MatchString(p.NodeName) {
		return "EC2"
	}
	return "EC2_LINUX"
}

var instanceID = lazyregexp.New(`^i-[0-9a-f]+$`)

// principalARN returns the ARN that an access entry must name for a caller
// that STS reports: the role of an assumed role, anything else as it is. A
// path that the role may have is not in the caller's ARN and cannot be told.
func principalARN(caller string) string {
	parts := strings.SplitN(caller, ":", 6) // arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION
	if len(parts) != 6 || parts[2] != "sts" {
		return caller
	}
	rest, ok := strings.CutPrefix(parts[5], "assumed-role/")
	if !ok {
		return caller
	}
	role, _, _ := strings.Cut(rest, "/")
	return "arn:" + parts[1] + ":iam::" + parts[4] + ":role/" + role
}

// pathCaveat reminds of what principalARN cannot know.
func pathCaveat(arn string) string {
	if !strings.Contains(arn, ":role/") {
		return ""
	}
	return ", with the path if the role has one"
}

// checkIdentity asks the API server who it takes this node for.
func (p *prober) checkIdentity(ctx context.Context) health.Finding {
	if err := p.nameless(); err != nil {
		return health.Bad(err)
	}
	body, err := json.Marshal(object{APIVersion: "authentication.k8s.io/v1", Kind: "SelfSubjectReview"})
	if err != nil {
		return health.Bad(err)
	}
	a, err := p.askAs(ctx, "ask the API server who this node is", http.MethodPost, "apis/authentication.k8s.io/v1/selfsubjectreviews", body)
	switch a.code {
	case http.StatusForbidden:
		return p.forbiddenReview(ctx, a)
	case http.StatusNotFound:
		// The API is served since Kubernetes 1.28; what it would say stays
		// open, and the next checks show whether it matters.
		return warn(fault.EndpointHTTP, "the API server knows the identity, but cannot say as whom: it has no SelfSubjectReview", "")
	}
	if err != nil {
		return health.Bad(err)
	}
	var review selfSubjectReview
	if err := json.Unmarshal(a.body, &review); err != nil {
		return bad(fault.EndpointHTTP, "cannot understand whom the API server takes this node for: "+oneLine(err.Error()),
			"Something else than a Kubernetes API server may answer at the endpoint.")
	}
	return p.judgeIdentity(ctx, oneLine(review.Status.UserInfo.Username), review.Status.UserInfo.Groups)
}

func (p *prober) judgeIdentity(ctx context.Context, user string, groups []string) health.Finding {
	want := nodeUserPrefix + p.NodeName
	if user == want && slices.Contains(groups, nodesGroup) {
		return health.Good("the API server knows this machine as " + user + " in " + nodesGroup)
	}
	caller, err := p.identity(ctx)
	if err != nil {
		caller = "this node's identity"
	}
	known := or(user, "nobody")
	if user == caller {
		known = "that and nothing else"
	}
	seen := fmt.Sprintf("the API server knows %s as %s, not as %s", caller, known, want)
	if user == want {
		seen = fmt.Sprintf("the API server knows %s as %s, but not in group %s: its groups are %s",
			caller, user, nodesGroup, or(oneLine(strings.Join(groups, ", ")), "none"))
	}
	return bad(fault.WrongIdentity, seen, p.identityRemedy(caller, user))
}

// identityRemedy: the type of an access entry decides under which name a node
// is known, and cannot be changed, so a wrong entry has to go.
func (p *prober) identityRemedy(caller, user string) string {
	arn := ""
	if strings.HasPrefix(caller, "arn:") {
		arn = principalARN(caller)
	}
	remedy := "The access entry of the node's role should have type " + p.accessEntryType() + ", which is fixed once it is made, so make it anew: `" +
		p.deleteAccessEntry(arn) + " && " + p.createAccessEntry(arn) + "`" + pathCaveat(arn) +
		". With the aws-auth ConfigMap, correct username and groups."
	if other, ok := strings.CutPrefix(user, nodeUserPrefix); ok && other != p.NodeName {
		remedy += " If the entry is right, the node's name is not: then it must be " + other + "."
	}
	return remedy
}

// forbiddenUser is how the API server names the user whom it refuses.
var forbiddenUser = lazyregexp.New(`User "([^"]*)" cannot`)

// forbiddenReview is for a cluster that took the right to ask away: the
// refusal itself says whom it refuses.
func (p *prober) forbiddenReview(ctx context.Context, a answer) health.Finding {
	m := forbiddenUser.FindStringSubmatch(a.message())
	if m == nil {
		return warn(fault.EndpointHTTP, "the API server knows the identity, but does not say as whom: "+a.status(),
			"Give the group system:authenticated the ClusterRole system:basic-user back, which lets everybody ask who they are.")
	}
	if m[1] == nodeUserPrefix+p.NodeName {
		return health.Good("the API server knows this machine as " + m[1] + " (and forbids it to ask)")
	}
	return p.judgeIdentity(ctx, m[1], nil)
}
