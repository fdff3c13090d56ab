package caller

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

func config(t *testing.T, status int, body string) aws.Config {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		form, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(form), "Action=GetCallerIdentity") {
			t.Errorf("asked %q", form)
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return aws.Config{Region: "us-west-2", BaseEndpoint: aws.String(srv.URL), Credentials: credentials.NewStaticCredentialsProvider("AKID", "secret", ""), RetryMaxAttempts: 1}
}

func TestThePrincipalIsTold(t *testing.T) {
	arn, err := ARN(t.Context(), config(t, 200, `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::1:assumed-role/node/i-0</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`))
	if err != nil || arn != "arn:aws:sts::1:assumed-role/node/i-0" {
		t.Errorf("got %q, %v", arn, err)
	}
}

func TestARefusalIsAnError(t *testing.T) {
	if arn, err := ARN(t.Context(), config(t, 403, `<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>`)); err == nil {
		t.Errorf("got %q", arn)
	}
}
