package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMirrorsOfTheProviderAreNamedInPairs(t *testing.T) {
	for _, pair := range []string{"docker.io", "=x", "docker.io=", ""} {
		agent("credential-provider", "--mirror", pair).run(t).expect(t, 1, "", "eksnode: cannot use --mirror")
	}
	const request = `{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"quay.io/x"}`
	agent("credential-provider", "--mirror", "docker.io=111122223333.dkr.ecr.us-west-2.amazonaws.com").stdin(request).run(t).
		expect(t, 1, "", "none is named for its registry")
}

// beTheAgent makes this test's program the agent, with a command line of blanks
// between arguments: net/http reads the variables of proxies once a process.
const beTheAgent = "EKSNODE_TEST_BE_THE_AGENT"

func TestTheProviderGoesByTheProxyOfKubeletsEnvironment(t *testing.T) {
	if line := os.Getenv(beTheAgent); line != "" {
		a := &app{args: strings.Fields(line), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now}
		os.Exit(a.run(t.Context()))
	}
	var mu sync.Mutex
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.Host)
		mu.Unlock()
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = fmt.Fprintf(w, `{"authorizationData":[{"authorizationToken":%q,"expiresAt":%d}]}`, base64.StdEncoding.EncodeToString([]byte("AWS:token")), time.Now().Add(time.Hour).Unix())
	}))
	defer proxy.Close()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^"+t.Name()+"$")
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(k, "AWS_") && !strings.HasSuffix(strings.ToLower(k), "_proxy") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, beTheAgent+"=credential-provider --mirror docker.io=111122223333.dkr.ecr.us-west-2.amazonaws.com",
		"http_proxy="+proxy.URL, "no_proxy=localhost,.svc", "HOME="+t.TempDir(), "AWS_ENDPOINT_URL_ECR=http://ecr.aws.example",
		"AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=SECRET")
	cmd.Stdin = strings.NewReader(`{"kind":"CredentialProviderRequest","apiVersion":"credentialprovider.kubelet.k8s.io/v1","image":"docker.io/library/nginx"}`)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	if !strings.Contains(out.String(), `"auth":{"docker.io":{"username":"AWS","password":"token"}}`) {
		t.Errorf("answered %s", out.String())
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 1 || asked[0] != "POST ecr.aws.example" {
		t.Errorf("through the proxy went %q", asked)
	}
}
