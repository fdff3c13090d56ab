package imds

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"

	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/fault"
)

func (w *world) roleProvider() *ec2rolecreds.Provider {
	return ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = w.client.RoleCredentials() })
}

func TestRoleCredentialsShareTheSessionToken(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		if _, err := w.client.Get(w.Context(), "mac"); err != nil {
			w.Fatal(err)
		}
		creds, err := w.roleProvider().Retrieve(w.Context())
		if err != nil || creds.AccessKeyID != "ASIAIOSFODNN7EXAMPLE" || creds.SessionToken != "role-session-token" {
			w.Fatalf("%+v, %v", creds, err)
		}
		if n := w.imds.Count(awstest.TokenRequest); n != 1 {
			w.Errorf("%d token requests, want 1", n)
		}
	})
}

func TestAnInstanceWithoutARoleIsToldSoWithinSeconds(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Remove("meta-data/iam/security-credentials/")
		_, err := w.roleProvider().Retrieve(w.Context())
		if err == nil || !strings.Contains(err.Error(), "HTTP 404") {
			w.Fatal(err)
		}
		if fault.CodeOf(err) != fault.IMDSNotFound {
			w.Errorf("code %s: %v", fault.CodeOf(err), err)
		}
		if w.elapsed() > 5*time.Second {
			w.Errorf("took %v", w.elapsed())
		}
	})
}

func TestRoleCredentialsWaitNoLongerThanTheirBound(t *testing.T) {
	inWorld(t, Options{}, func(w *world) {
		w.imds.Fail = func(_ http.ResponseWriter, r *http.Request, _ int) bool { return hang(r) }
		if _, err := w.roleProvider().Retrieve(w.Context()); err == nil {
			w.Fatal("no error")
		}
		if w.elapsed() > roleWithin {
			w.Errorf("took %v", w.elapsed())
		}
	})
}
