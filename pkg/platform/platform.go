// Package platform is the shape of a platform: a value that says where a node
// of this kind gets its configuration and its facts, which components decide
// about it, and which drivers and checks it has. The platforms themselves are
// in the packages below it.
package platform

import (
	"context"
	"log/slog"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/health"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Platform is one kind of place where a node can live. It is a value in an
// explicit list, not a class tree: what a kind of place lacks is nil.
type Platform struct {
	// Name is told by the machine image or by a flag, never guessed: ec2.
	Name   string
	Layout node.Layout
	// DefaultSources are the URIs of the configuration when none are given,
	// lowest precedence first.
	DefaultSources []string
	// Source opens one configuration URI that is particular to the platform;
	// ok is false for a URI that it does not know. Files and standard input
	// are known everywhere and never come here.
	Source func(uri string) (s Source, ok bool)
	// Gather collects the facts that decisions need. What could not be had is
	// a Problem in the Input; an error is for what makes going on senseless.
	Gather func(ctx context.Context, q Question) (node.Input, error)
	// Components decide, in the order in which their resources are applied.
	Components []node.Component
	// Host opens the drivers. close releases what they hold.
	Host func(ctx context.Context) (h host.Host, close func() error, err error)
	// MadeSince returns what the agent has made here beside its runs and a reset takes
	// away, too, such as for a device that came; what a run has recorded may be among
	// it. Nil where there is no such thing.
	MadeSince func() ([]host.Owned, error)
	// Checks say what must hold for the node to be done, given its input.
	Checks func(in node.Input) []health.Check
	// Readiness says what keeps pods off a node that is Ready, and what must hold for
	// that to end; nil where the input asks for nothing. It may be nil itself.
	Readiness func(in node.Input) (*Readiness, error)
	// Publish tells the cluster about a node that is Ready what kubelet does not say
	// or says only when it registers: annotations, and labels that have changed since.
	// Doing it again does nothing. An error does not make the node a failed one.
	Publish func(ctx context.Context, in node.Input) error
}

// Question is what Gather needs to know.
type Question struct {
	Config api.NodeConfig
	// Owned is what the agent has made already, so that it does not take its
	// own work for something that the image brought.
	Owned []host.Owned
	Log   *slog.Logger
}

// Source is one place where configuration comes from.
type Source struct {
	// Name is what people see in messages: imds://user-data.
	Name string
	// Read returns the texts there, lowest precedence first; none when there
	// is nothing, which is no error. It blocks until the source answers or
	// ctx is done.
	Read func(ctx context.Context) ([]Text, error)
}

// Text is one undecoded configuration text.
type Text struct {
	// Name tells it apart from others of the same source: the file's URI.
	Name string
	Body []byte
}
