// Package awsconfig makes the configuration that the AWS clients of this project
// share: credentials from the SDK's usual chain, with the instance role asked for
// through our own metadata client; no waiting without a bound; proxies for the
// services and never for the metadata service.
package awsconfig

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	sdkimds "github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"

	"github.com/eksnode/eksnode/pkg/aws/awscall"
	"github.com/eksnode/eksnode/pkg/aws/imds"
	"github.com/eksnode/eksnode/pkg/aws/partition"
)

// Bounds of a request. They hold where a client sets none of its own.
const (
	dialTimeout     = 3 * time.Second
	tlsTimeout      = 3 * time.Second
	answerTimeout   = 10 * time.Second
	requestTimeout  = 20 * time.Second
	defaultAttempts = 3
)

// Options configure Load.
type Options struct {
	// Region of the services; must be given. It is never asked for.
	Region string
	// IMDS is where the instance role's credentials come from, last in the chain.
	// With nil the instance role is not considered, as on machines outside EC2,
	// where asking for it would only cost time.
	IMDS *imds.Client
	// Proxy chooses the proxy of a request; nil takes HTTPS_PROXY, HTTP_PROXY and
	// NO_PROXY from the environment, as it was when this process first asked. It is
	// not asked about services on the link, which only this machine can reach.
	Proxy func(*http.Request) (*url.URL, error)
	// Log gets the SDK's own messages at debug level; nil drops them.
	Log *slog.Logger
}

// Load reads the environment and the SDK's configuration files, and sends
// nothing. AWS_ENDPOINT_URL and its like, AWS_CA_BUNDLE, AWS_MAX_ATTEMPTS,
// AWS_USE_FIPS_ENDPOINT and AWS_USE_DUALSTACK_ENDPOINT keep their meaning, as
// does AWS_EC2_METADATA_DISABLED for the credentials. An error of the credentials
// provider is an *awscall.CredentialsError.
func Load(ctx context.Context, o Options) (aws.Config, error) {
	if !partition.ValidRegion(o.Region) {
		return aws.Config{}, fmt.Errorf("cannot configure AWS clients: %.64q is not a region", o.Region)
	}
	opts := []func(*config.LoadOptions) error{
		config.WithRegion(o.Region),
		config.WithHTTPClient(httpClient(o.Proxy)),
		config.WithLogger(logger(o.Log)),
	}
	if o.IMDS == nil || strings.EqualFold(os.Getenv("AWS_EC2_METADATA_DISABLED"), "true") {
		opts = append(opts, config.WithEC2IMDSClientEnableState(sdkimds.ClientDisabled))
	} else {
		opts = append(opts, config.WithEC2RoleCredentialOptions(func(r *ec2rolecreds.Options) {
			r.Client = o.IMDS.RoleCredentials()
		}))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, fmt.Errorf("cannot configure AWS clients: %w", err)
	}
	if cfg.RetryMaxAttempts == 0 {
		cfg.RetryMaxAttempts = defaultAttempts
	}
	cfg.Credentials = provider{cfg.Credentials}
	return cfg, nil
}

// httpClient is the SDK's kind of client, which AWS_CA_BUNDLE can be applied to.
func httpClient(proxy func(*http.Request) (*url.URL, error)) *awshttp.BuildableClient {
	if proxy == nil {
		proxy = http.ProxyFromEnvironment
	}
	return awshttp.NewBuildableClient().
		WithTimeout(requestTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.Proxy = beyondTheLink(proxy)
			t.TLSHandshakeTimeout = tlsTimeout
			t.ResponseHeaderTimeout = answerTimeout
			t.OnProxyConnectResponse = checkConnect
		})
}

// beyondTheLink keeps requests to services on the link away from a proxy, which
// would answer with its own machine's identity: instance metadata, and the agents
// that give credentials to pods and tasks.
func beyondTheLink(proxy func(*http.Request) (*url.URL, error)) func(*http.Request) (*url.URL, error) {
	return func(r *http.Request) (*url.URL, error) {
		if a, err := netip.ParseAddr(r.URL.Hostname()); err == nil && onTheLink(a.Unmap()) {
			return nil, nil
		}
		return proxy(r)
	}
}

// onTheLink reports whether an address is link-local, or of the block that EC2 uses
// as such for IPv6:
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
func onTheLink(a netip.Addr) bool {
	return a.IsLinkLocalUnicast() || netip.PrefixFrom(netip.AddrFrom16([16]byte{0xfd, 0x00, 0x0e, 0xc2}), 32).Contains(a.WithZone(""))
}

// checkConnect makes a proxy's refusal an error that can be told apart.
func checkConnect(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode/100 != 2 {
		return &awscall.ProxyError{Status: resp.Status}
	}
	return nil
}

func logger(log *slog.Logger) logging.Logger {
	if log == nil {
		return logging.Nop{}
	}
	return logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		log.Debug("AWS SDK: " + fmt.Sprintf(format, v...))
	})
}

// provider gives the errors of another provider their type.
type provider struct{ inner aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	creds, err := p.inner.Retrieve(ctx)
	if err != nil {
		return creds, &awscall.CredentialsError{Err: err, Final: final(err)}
	}
	return creds, nil
}

// final says that the metadata service, reached, has no role to give or is
// switched off, or that there is no metadata service to ask.
func final(err error) bool {
	var e *imds.Error
	if errors.As(err, &e) {
		return e.Kind == imds.NotFound || e.Kind == imds.Forbidden
	}
	return strings.Contains(err.Error(), "access disabled to EC2 IMDS")
}
