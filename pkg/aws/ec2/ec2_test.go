package ec2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/aws/awstest"
	"github.com/eksnode/eksnode/pkg/fault"
)

const instance = "i-0123456789abcdef0"

// api is an EC2 that gives its answers in order, the last one for ever.
type api struct {
	mu      sync.Mutex
	answers []http.HandlerFunc
	calls   []string // Action of every request
	dates   []string // X-Amz-Date of every request
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	_ = r.ParseForm()
	a.calls = append(a.calls, r.Form.Get("Action"))
	a.dates = append(a.dates, r.Header.Get("X-Amz-Date"))
	answer := a.answers[min(len(a.calls), len(a.answers))-1]
	a.mu.Unlock()
	answer(w, r)
}

// requests returns the Action of every request so far.
func (a *api) requests() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.calls...)
}

func instances(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><reservationSet><item><instancesSet><item><instanceId>%s</instanceId><privateDnsName>%s</privateDnsName></item></instancesSet></item></reservationSet></DescribeInstancesResponse>`, instance, name)
	}
}

func failure(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `<Response><Errors><Error><Code>%s</Code><Message>told so</Message></Error></Errors><RequestID>r</RequestID></Response>`, code)
	}
}

func text(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// bubble runs test with a client of a and fake time.
func bubble(t *testing.T, a *api, edit func(*aws.Config, *awstest.Net), o Options, test func(t *testing.T, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := awstest.Serve(t, a)
		cfg := aws.Config{
			Region: "us-west-2", BaseEndpoint: aws.String("http://ec2.test"),
			Credentials: credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
			HTTPClient:  &http.Client{Transport: &http.Transport{DialContext: n.Dial}},
		}
		if edit != nil {
			edit(&cfg, n)
		}
		o.Log = slog.New(slog.DiscardHandler)
		test(t, New(cfg, o))
	})
}

func TestThePrivateDNSNameIsWaitedForWhereWaitingHelps(t *testing.T) {
	for name, answers := range map[string][]http.HandlerFunc{
		"there at once":               {instances("n")},
		"empty for a while":           {instances(""), instances(""), instances("n")},
		"instance not known yet":      {failure(400, "InvalidInstanceID.NotFound"), instances("n")},
		"throttled":                   {failure(503, "RequestLimitExceeded"), failure(503, "RequestLimitExceeded"), instances("n")},
		"throttled, other code":       {failure(400, "Throttling"), instances("n")},
		"service unavailable":         {failure(503, "Unavailable"), text(502, "<html>"), instances("n")},
		"one attempt hangs":           {awstest.Hang, instances("n")},
		"role's keys not yet known":   {failure(401, "AuthFailure"), failure(401, "AuthFailure"), instances("n")},
		"connection cut":              {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, instances("n")},
		"another's page in its place": {text(200, "<html>portal</html>"), instances("n")},
		"answer about another instance": {func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, `<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>`)
		}, instances("n")},
		"clock is set while we look":     {failure(400, "RequestExpired"), instances("n")},
		"thirty times empty, then there": append(slowly(30, instances("")), instances("n")),
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{answers: answers}
			bubble(t, a, nil, Options{Within: 5 * time.Minute}, func(t *testing.T, c *Client) {
				got, err := c.PrivateDNSName(t.Context(), instance)
				if got != "n" || err != nil {
					t.Errorf("%q, %v", got, err)
				}
				if n := len(a.requests()); n != len(answers) {
					t.Errorf("%d requests, want %d", n, len(answers))
				}
			})
		})
	}
}

func slowly(n int, h http.HandlerFunc) []http.HandlerFunc {
	hs := make([]http.HandlerFunc, n)
	for i := range hs {
		hs[i] = h
	}
	return hs
}

func TestEveryFailureIsToldApart(t *testing.T) {
	const within = 20 * time.Second
	for name, r := range map[string]struct {
		answer http.HandlerFunc
		edit   func(*aws.Config, *awstest.Net)
		kind   awscall.Kind
		code   fault.Code
		remedy string
		tries  int // 0: as many as fit into the bound
	}{
		"not allowed":            {answer: failure(403, "UnauthorizedOperation"), kind: awscall.Denied, code: fault.EC2Denied, remedy: "Allow ec2:DescribeInstances", tries: 1},
		"denied by a policy":     {answer: failure(403, "AccessDenied"), kind: awscall.Denied, code: fault.EC2Denied, remedy: "endpoint policy", tries: 1},
		"403 without a code":     {answer: text(403, "no"), kind: awscall.Denied, code: fault.EC2Denied, remedy: "Allow", tries: 1},
		"malformed id":           {answer: failure(400, "InvalidInstanceID.Malformed"), kind: awscall.Rejected, code: fault.EC2Unreachable, remedy: "does not accept", tries: 1},
		"credentials void":       {answer: failure(401, "AuthFailure"), kind: awscall.BadCredentials, code: fault.CredentialsAbsent, remedy: "not accepted", tries: 3},
		"clock wrong":            {answer: failure(400, "RequestExpired"), kind: awscall.Clock, code: fault.ClockSkew, remedy: "169.254.169.123", tries: 3},
		"throttled for ever":     {answer: failure(503, "RequestLimitExceeded"), kind: awscall.Throttled, code: fault.EC2Throttled, remedy: "rate"},
		"never a name":           {answer: instances(""), kind: awscall.Pending, code: fault.EC2NotFound, remedy: "young"},
		"never known":            {answer: failure(400, "InvalidInstanceID.NotFound"), kind: awscall.Pending, code: fault.EC2NotFound, remedy: "young"},
		"hangs":                  {answer: awstest.Hang, kind: awscall.Timeout, code: fault.EC2Unreachable, remedy: "com.amazonaws.us-west-2.ec2"},
		"broken":                 {answer: failure(500, "InternalError"), kind: awscall.Server, code: fault.EC2Unreachable, remedy: "itself"},
		"page of a portal":       {answer: text(200, "<html>"), kind: awscall.Garbage, code: fault.EC2Unreachable, remedy: "login page", tries: 3},
		"nothing listens":        {edit: dialFails(awstest.Refused()), kind: awscall.Refused, code: fault.EC2Unreachable, remedy: "com.amazonaws.us-west-2.ec2"},
		"no route":               {edit: dialFails(awstest.NoRoute()), kind: awscall.Unreachable, code: fault.EC2Unreachable, remedy: "route tables"},
		"name does not resolve":  {edit: dialFails(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "ec2.test", IsNotFound: true}}), kind: awscall.Name, code: fault.EC2Unreachable, remedy: "DNS support"},
		"proxy is down":          {edit: dialFails(&net.OpError{Op: "proxyconnect", Err: awstest.Refused()}), kind: awscall.Proxy, code: fault.EC2Unreachable, remedy: "HTTPS_PROXY"},
		"no role on the machine": {edit: credentialsFail(&awscall.CredentialsError{Err: errors.New("no role"), Final: true}), kind: awscall.NoCredentials, code: fault.CredentialsAbsent, remedy: "instance profile", tries: -1},
		"role not there yet":     {edit: credentialsFail(&awscall.CredentialsError{Err: errors.New("late")}), kind: awscall.NoCredentials, code: fault.CredentialsAbsent, remedy: "instance profile"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &api{answers: []http.HandlerFunc{r.answer}}
			bubble(t, a, r.edit, Options{Within: within}, func(t *testing.T, c *Client) {
				start := time.Now()
				name, err := c.PrivateDNSName(t.Context(), instance)
				var e *awscall.Error
				if !errors.As(err, &e) || e.Kind != r.kind || name != "" {
					t.Fatalf("%q, %v; want kind %q", name, err, r.kind)
				}
				f, ok := fault.Find(err)
				if !ok || f.Code != r.code || !strings.Contains(f.Remedy, r.remedy) || !strings.Contains(f.Remedy, "instance id") {
					t.Errorf("fault %+v, want code %s and %q in the remedy", f, r.code, r.remedy)
				}
				if !strings.HasPrefix(err.Error(), "cannot ask EC2 for the private DNS name of "+instance+" (ec2:DescribeInstances): ") {
					t.Errorf("error %q", err)
				}
				if d := time.Since(start); d > within {
					t.Errorf("took %v, longer than its bound", d)
				}
				if n := len(a.requests()); r.tries > 0 && n != r.tries {
					t.Errorf("%d requests, want %d", n, r.tries)
				}
				if r.tries == 1 && time.Since(start) > 0 {
					t.Errorf("a final answer took %v", time.Since(start))
				}
			})
		})
	}
}

func dialFails(err error) func(*aws.Config, *awstest.Net) {
	return func(_ *aws.Config, n *awstest.Net) { n.FailDial(func(int) error { return err }) }
}

func credentialsFail(err error) func(*aws.Config, *awstest.Net) {
	return func(cfg *aws.Config, _ *awstest.Net) {
		cfg.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, err
		})
	}
}

func TestTheCallersDeadlineComesFirst(t *testing.T) {
	a := &api{answers: []http.HandlerFunc{awstest.Hang}}
	bubble(t, a, nil, Options{}, func(t *testing.T, c *Client) {
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.PrivateDNSName(ctx, instance)
		if err == nil || time.Since(start) > 7*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		// Attempts are cut at three seconds, so a second and a third are made.
		if n := len(a.requests()); n < 2 || n > 3 {
			t.Errorf("%d attempts", n)
		}
	})
}

// A machine whose clock is an hour behind: the SDK learns the offset from the
// refusal, and our next attempt is signed with the service's time.
func TestAWrongClockIsCorrectedFromTheFirstAnswer(t *testing.T) {
	a := &api{}
	a.answers = []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
		failure(400, "RequestExpired")(w, r)
	}, instances("n")}
	bubble(t, a, nil, Options{}, func(t *testing.T, c *Client) {
		if _, err := c.PrivateDNSName(t.Context(), instance); err != nil {
			t.Fatal(err)
		}
		const form = "20060102T150405Z"
		first, err1 := time.Parse(form, a.dates[0])
		second, err2 := time.Parse(form, a.dates[1])
		if err1 != nil || err2 != nil || second.Sub(first) < 59*time.Minute {
			t.Errorf("signed at %v, an hour later expected: %v %v", a.dates, err1, err2)
		}
	})
}

func typeInfo(body string) http.HandlerFunc {
	return text(200, `<DescribeInstanceTypesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><instanceTypeSet><item><instanceType>x9.large</instanceType>`+body+`</item></instanceTypeSet></DescribeInstanceTypesResponse>`)
}

func TestLimitsOfInstanceTypes(t *testing.T) {
	const perENI = `<ipv4AddressesPerInterface>10</ipv4AddressesPerInterface>`
	card := func(index, max string) string {
		return `<item><networkCardIndex>` + index + `</networkCardIndex><maximumNetworkInterfaces>` + max + `</maximumNetworkInterfaces></item>`
	}
	for name, r := range map[string]struct {
		body string
		want Limits
		kind awscall.Kind
	}{
		"no cards listed":        {body: `<networkInfo>` + perENI + `<maximumNetworkInterfaces>3</maximumNetworkInterfaces></networkInfo>`, want: Limits{3, 10}},
		"one card":               {body: `<networkInfo>` + perENI + `<maximumNetworkInterfaces>3</maximumNetworkInterfaces><defaultNetworkCardIndex>0</defaultNetworkCardIndex><networkCards>` + card("0", "3") + `</networkCards></networkInfo>`, want: Limits{3, 10}},
		"four cards":             {body: `<networkInfo>` + perENI + `<maximumNetworkInterfaces>60</maximumNetworkInterfaces><defaultNetworkCardIndex>0</defaultNetworkCardIndex><networkCards>` + card("0", "15") + card("1", "15") + card("2", "15") + `</networkCards></networkInfo>`, want: Limits{15, 10}},
		"default is not card 0":  {body: `<networkInfo>` + perENI + `<maximumNetworkInterfaces>9</maximumNetworkInterfaces><defaultNetworkCardIndex>1</defaultNetworkCardIndex><networkCards>` + card("0", "1") + card("1", "8") + `</networkCards></networkInfo>`, want: Limits{8, 10}},
		"no network information": {body: ``, kind: awscall.Garbage},
		"zero":                   {body: `<networkInfo><ipv4AddressesPerInterface>0</ipv4AddressesPerInterface><maximumNetworkInterfaces>3</maximumNetworkInterfaces></networkInfo>`, kind: awscall.Garbage},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, &api{answers: []http.HandlerFunc{typeInfo(r.body)}}, nil, Options{}, func(t *testing.T, c *Client) {
				got, err := c.InstanceTypeLimits(t.Context(), "x9.large")
				if got != r.want || (err == nil) != (r.kind == "") {
					t.Errorf("%+v, %v; want %+v", got, err, r.want)
				}
				var e *awscall.Error
				if err != nil && (!errors.As(err, &e) || e.Kind != r.kind) {
					t.Errorf("error %v, want kind %q", err, r.kind)
				}
			})
		})
	}
}

func TestLimitsThatCannotBeHadNameThePermission(t *testing.T) {
	a := &api{answers: []http.HandlerFunc{failure(403, "UnauthorizedOperation")}}
	bubble(t, a, nil, Options{}, func(t *testing.T, c *Client) {
		_, err := c.InstanceTypeLimits(t.Context(), "x9.large")
		f, ok := fault.Find(err)
		if !ok || f.Code != fault.EC2Denied || !strings.Contains(f.Remedy, "ec2:DescribeInstanceTypes") || !strings.Contains(f.Remedy, "110 pods") {
			t.Errorf("fault %+v", f)
		}
		if calls := a.requests(); len(calls) != 1 || calls[0] != "DescribeInstanceTypes" {
			t.Errorf("calls %v", calls)
		}
	})
	a = &api{answers: []http.HandlerFunc{failure(400, "InvalidInstanceType")}}
	bubble(t, a, nil, Options{}, func(t *testing.T, c *Client) {
		_, err := c.InstanceTypeLimits(t.Context(), "x9.large")
		var e *awscall.Error
		if !errors.As(err, &e) || e.Kind != awscall.Rejected || e.Code != "InvalidInstanceType" || len(a.requests()) != 1 {
			t.Errorf("error %v after %d calls", err, len(a.requests()))
		}
	})
}
