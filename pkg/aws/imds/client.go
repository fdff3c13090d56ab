// Package imds reads the EC2 instance metadata service: IMDSv2 only, never
// through a proxy, with one session token for everything a process asks, and
// patient with a service that is late but not with one that says no.
//
// The client of the AWS SDK does the protocol. Around its transport lies a gate
// (gate.go) which sees every request: the SDK's token cache hides the cause when
// a token cannot be had, and throws a new token away when several requests learn
// at once that the old one is void.
package imds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/eksnode/eksnode/internal/retry"
)

// The service's link-local addresses.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
const (
	DefaultEndpoint     = "http://169.254.169.254"
	DefaultEndpointIPv6 = "http://[fd00:ec2::254]"
)

// Defaults of Options.
const (
	// DefaultWithin bounds one call. IMDS can be minutes late where the network
	// interface is; a node without it cannot join, so giving up early gains
	// nothing.
	DefaultWithin = 5 * time.Minute
	// DefaultEach bounds one attempt. A healthy IMDS answers within milliseconds.
	DefaultEach = 2 * time.Second
	// DefaultNotFoundFor is how long a 404 on a key that every instance has is
	// taken for youth: nodeadm's figure of 60 attempts within a minute.
	DefaultNotFoundFor = time.Minute
)

const (
	// dialTimeout is shorter than an attempt, so that a connection that cannot
	// be made is told apart from an answer that does not come.
	dialTimeout = 1500 * time.Millisecond
	// Delays between attempts: short at first, because IMDS answers in a
	// millisecond when it is there, and a second apart at most, because its
	// arrival is what the boot waits for.
	retryBase = 50 * time.Millisecond
	retryMax  = time.Second
	// logEvery spaces the log lines of one long wait.
	logEvery = 10 * time.Second
)

// Options configure a Client. The zero value is right on EC2.
type Options struct {
	// Endpoint is the service's URL without a path; empty means the IPv4
	// default, or the IPv6 one with IPv6.
	Endpoint string
	// IPv6 chooses DefaultEndpointIPv6 where Endpoint is empty. The instance
	// must have it enabled (HttpProtocolIpv6).
	IPv6 bool
	// Log is told once a while why a call still waits; nil tells nobody.
	Log *slog.Logger
	// Within, Each and NotFoundFor replace the defaults above when positive. The
	// caller's context may end a call earlier than Within.
	Within, Each, NotFoundFor time.Duration
	// Dial replaces the plain dialer, for binding to an interface and for tests.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// OptionsFromEnv takes the endpoint from the variables that the AWS SDKs know,
// AWS_EC2_METADATA_SERVICE_ENDPOINT and …_ENDPOINT_MODE. AWS_EC2_METADATA_DISABLED
// is about credentials (see package awsconfig); facts are asked for all the same.
func OptionsFromEnv(getenv func(string) string) Options {
	return Options{
		Endpoint: getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
		IPv6:     strings.EqualFold(getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6"),
	}
}

// Client asks one metadata service. It is safe for concurrent use; make one per
// process, because the session token lives in it.
type Client struct {
	sdk      *sdk.Client
	endpoint string
	o        Options
}

// New returns a client. It sends nothing. The error is about Options.Endpoint.
func New(o Options) (*Client, error) {
	if o.Endpoint == "" {
		o.Endpoint = DefaultEndpoint
		if o.IPv6 {
			o.Endpoint = DefaultEndpointIPv6
		}
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("cannot use %q as endpoint of the instance metadata service: want http://address", o.Endpoint)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Within, DefaultWithin)
	setDefault(&o.Each, DefaultEach)
	setDefault(&o.NotFoundFor, DefaultNotFoundFor)
	if o.Dial == nil {
		o.Dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &Client{endpoint: strings.TrimSuffix(o.Endpoint, "/"), o: o, sdk: newSDK(o)}, nil
}

func setDefault(d *time.Duration, v time.Duration) {
	if *d <= 0 {
		*d = v
	}
}

func newSDK(o Options) *sdk.Client {
	transport := &http.Transport{
		Proxy:       nil, // link-local: a proxy would answer with its own machine's metadata
		DialContext: o.Dial,
		// User data may itself be gzip; the transport must not unpack it.
		DisableCompression:  true,
		MaxIdleConnsPerHost: maxConcurrent,
		IdleConnTimeout:     30 * time.Second,
	}
	return sdk.New(sdk.Options{
		Endpoint:              o.Endpoint,
		ClientEnableState:     sdk.ClientEnabled,
		EnableFallback:        aws.FalseTernary, // never IMDSv1
		Retryer:               aws.NopRetryer{},
		DisableDefaultTimeout: true,
		HTTPClient: &http.Client{
			Transport:     &gate{next: transport},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	})
}

// Endpoint returns the URL that the client asks.
func (c *Client) Endpoint() string { return c.endpoint }

// Get returns the value of a metadata key which every instance has, such as
// "mac" or "placement/region", without surrounding white space.
//
// Whatever may pass is waited for until ctx or Options.Within ends: no route,
// connection refused, timeouts, throttling, server errors. A 404 is youth for
// Options.NotFoundFor; a 401 buys a new token; refusals (403) and answers that
// make no sense are asked for again a few times. The error is a fault whose
// chain holds an *Error.
func (c *Client) Get(ctx context.Context, path string) (string, error) {
	var v string
	err := c.must(ctx, "meta-data/"+strings.TrimPrefix(path, "/"), func(body []byte) error {
		var err error
		v, err = text(body)
		return err
	})
	return v, err
}

// Optional is Get for a key that an instance may lack: 404 is an answer and
// gives ok false without an error.
func (c *Client) Optional(ctx context.Context, path string) (value string, ok bool, err error) {
	ok, err = c.maybe(ctx, "meta-data/"+strings.TrimPrefix(path, "/"), func(body []byte) error {
		var err error
		value, err = text(body)
		return err
	})
	return value, ok, err
}

// UserData returns the instance's user data as it was given to EC2, byte for
// byte. ok is false when the instance has none.
func (c *Client) UserData(ctx context.Context) (data []byte, ok bool, err error) {
	ok, err = c.maybe(ctx, "user-data", func(body []byte) error {
		data = body
		return nil
	})
	return data, ok, err
}

func (c *Client) must(ctx context.Context, path string, accept func([]byte) error) error {
	return c.ask(ctx, path, accept, patience{notFoundFor: c.o.NotFoundFor}, c.o.Within)
}

func (c *Client) maybe(ctx context.Context, path string, accept func([]byte) error) (bool, error) {
	err := c.ask(ctx, path, accept, patience{notFoundFor: c.o.NotFoundFor, absentIsAnswer: true}, c.o.Within)
	if e := (*Error)(nil); errors.As(err, &e) && e.absent() {
		return false, nil
	}
	return err == nil, err
}

// ask requests path until accept takes the answer or patience ends.
func (c *Client) ask(ctx context.Context, path string, accept func([]byte) error, p patience, within time.Duration) error {
	err := retry.Do(ctx, retry.Policy{
		Within: within, Each: c.o.Each, Base: retryBase, Max: retryMax,
		LogEvery: logEvery, Log: c.logWait(path),
	}, func(ctx context.Context) error {
		body, e := c.once(ctx, path)
		if e == nil {
			if err := accept(body); err != nil {
				e = &Error{Kind: Garbage, URL: c.url(path), Err: err}
			}
		}
		if e == nil {
			return nil
		}
		return p.judge(e, time.Now())
	})
	return c.fault(path, err)
}

func (c *Client) logWait(path string) func(retry.Note) {
	return func(n retry.Note) {
		c.o.Log.Warn("the instance metadata service does not give an answer yet",
			"path", path, "reason", n.Err, "attempt", n.Attempt, "elapsed", n.Elapsed.Round(time.Millisecond))
	}
}

// once makes one attempt, token included.
func (c *Client) once(ctx context.Context, path string) ([]byte, *Error) {
	ctx, seen := withOutcome(ctx)
	content, err := c.request(ctx, path)
	if err == nil {
		defer func() { _ = content.Close() }()
		// The gate has read the whole body already; this cannot block or fail.
		body, err := io.ReadAll(content)
		if err == nil {
			return body, nil
		}
	}
	return nil, c.explain(path, *seen, err)
}

func (c *Client) request(ctx context.Context, path string) (io.ReadCloser, error) {
	kind, rest, _ := strings.Cut(path, "/")
	switch kind {
	case "meta-data":
		out, err := c.sdk.GetMetadata(ctx, &sdk.GetMetadataInput{Path: rest})
		if err != nil {
			return nil, err
		}
		return out.Content, nil
	case "dynamic":
		out, err := c.sdk.GetDynamicData(ctx, &sdk.GetDynamicDataInput{Path: rest})
		if err != nil {
			return nil, err
		}
		return out.Content, nil
	case "user-data":
		out, err := c.sdk.GetUserData(ctx, nil)
		if err != nil {
			return nil, err
		}
		return out.Content, nil
	}
	return nil, fmt.Errorf("internal error: no metadata category %q", kind)
}

func (c *Client) url(path string) string { return c.endpoint + "/latest/" + path }

// Bounds of a request for the instance role's credentials. A process that wants
// them (kubelet's credential plugins) is itself called again, so it waits less
// than a boot does; a role that was attached a moment ago takes some seconds.
const (
	roleWithin      = 15 * time.Second
	roleNotFoundFor = 3 * time.Second
)

// RoleCredentials is the form in which the SDK's instance role provider
// (credentials/ec2rolecreds) asks for metadata. It shares the client's session
// token, and bounds every request by 15 seconds.
type RoleCredentials struct{ c *Client }

// RoleCredentials returns c for the SDK's instance role provider.
func (c *Client) RoleCredentials() RoleCredentials { return RoleCredentials{c} }

// GetMetadata implements ec2rolecreds.GetMetadataAPIClient.
func (r RoleCredentials) GetMetadata(ctx context.Context, in *sdk.GetMetadataInput, _ ...func(*sdk.Options)) (*sdk.GetMetadataOutput, error) {
	path := ""
	if in != nil {
		path = strings.TrimPrefix(in.Path, "/")
	}
	var body []byte
	err := r.c.ask(ctx, "meta-data/"+path, func(b []byte) error { body = b; return nil },
		patience{notFoundFor: min(roleNotFoundFor, r.c.o.NotFoundFor)}, min(roleWithin, r.c.o.Within))
	if err != nil {
		return nil, err
	}
	return &sdk.GetMetadataOutput{Content: io.NopCloser(strings.NewReader(string(body)))}, nil
}
