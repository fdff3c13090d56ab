package role

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eksnode/eksnode/pkg/fault"
)

const arn = "arn:aws:iam::111122223333:role/readiness"

// service is an STS that answers as it is told, and keeps what it was asked.
type service struct {
	asked  []url.Values
	status int
	body   string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(b))
	s.asked = append(s.asked, form)
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}

func assumed(expires time.Time) string {
	return fmt.Sprintf(`<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, expires.UTC().Format(time.RFC3339))
}

func refused(code, message string) string {
	return "<ErrorResponse><Error><Code>" + code + "</Code><Message>" + message + "</Message></Error></ErrorResponse>"
}

func config(t *testing.T, s *service) aws.Config {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", "")}
}

func TestTheRolesCredentialsAreFetchedOnceAndKept(t *testing.T) {
	s := &service{status: 200, body: assumed(time.Now().Add(15 * time.Minute))}
	before := config(t, s)
	after := Assume(before, arn, "i-0123456789abcdef0", nil)
	if len(s.asked) != 0 {
		t.Error("it asks before it must")
	}
	for range 2 {
		c, err := after.Credentials.Retrieve(t.Context())
		if err != nil || c.AccessKeyID != "ASIA1" || c.SessionToken != "t" || !c.CanExpire {
			t.Fatalf("%+v, %v", c, err)
		}
	}
	if len(s.asked) != 1 {
		t.Fatalf("asked %d times", len(s.asked))
	}
	for key, want := range map[string]string{"Action": "AssumeRole", "RoleArn": arn, "RoleSessionName": "i-0123456789abcdef0", "DurationSeconds": "900"} {
		if got := s.asked[0].Get(key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	if c, err := before.Credentials.Retrieve(t.Context()); err != nil || c.AccessKeyID != "AKID" {
		t.Errorf("the credentials of the machine are changed: %+v, %v", c, err)
	}
}

func TestASessionNameThatSTSWouldNotTakeIsReplaced(t *testing.T) {
	for _, name := range []string{"", "x", "a b", strings.Repeat("x", 65)} {
		s := &service{status: 200, body: assumed(time.Now().Add(time.Hour))}
		if _, err := Assume(config(t, s), arn, name, nil).Credentials.Retrieve(t.Context()); err != nil || s.asked[0].Get("RoleSessionName") != "eksnode" {
			t.Errorf("%q: %v, %v", name, s.asked, err)
		}
	}
}

func TestARoleThatCannotBeAssumedSaysWhatIsMissing(t *testing.T) {
	for name, row := range map[string]struct {
		s      service
		remedy []string
	}{
		"denied":          {service{status: 403, body: refused("AccessDenied", "User: x is not authorized to perform: sts:AssumeRole on resource: y")}, []string{"Allow sts:AssumeRole in the node role", "trust policy of " + arn}},
		"not valid":       {service{status: 400, body: refused("ValidationError", "no")}, []string{"does not accept the request"}},
		"without content": {service{status: 200, body: "<AssumeRoleResponse><AssumeRoleResult></AssumeRoleResult></AssumeRoleResponse>"}, []string{"nothing between this machine and the service"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := Assume(config(t, &row.s), arn, "i-1", nil).Credentials.Retrieve(ctx)
			f, ok := fault.Find(err)
			if !ok || f.Code != fault.RoleDenied || !strings.Contains(err.Error(), "cannot assume the role "+arn) {
				t.Fatalf("%v", err)
			}
			for _, want := range row.remedy {
				if !strings.Contains(f.Remedy, want) {
					t.Errorf("remedy %q lacks %q", f.Remedy, want)
				}
			}
		})
	}
}
