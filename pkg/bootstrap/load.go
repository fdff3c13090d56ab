package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/platform"
)

// Loaded is the configuration of a node and all that was remarked about it.
type Loaded struct {
	Merged api.Merged
	// Texts are the names of all texts that were read.
	Texts []string
	// Problems are all remarks, also those that do not stop the run, in order
	// of place.
	Problems []api.Problem
}

// LoadOptions say how to read the configuration.
type LoadOptions struct {
	// URIs of the sources, lowest precedence first; the platform's own when
	// empty.
	URIs []string
	// Fallback are the URIs to read when those hold no NodeConfig at all.
	Fallback []string
	// Option is the document that an option of the command stands for: read last, and
	// in place of what other texts say at Replaces. Nil when there is none.
	Option *Option
	// Stdin serves the URI "-".
	Stdin io.Reader
	// Lenient takes unknown fields for warnings, as nodeadm ignores them.
	Lenient bool
	// Now is the time by which certificates are judged.
	Now time.Time
}

// Option is a document that an option of the command stands for.
type Option struct {
	Text platform.Text
	// Replaces are the paths of fields that it takes the place of: spec.cni.
	Replaces []string
}

// Load reads, merges and validates the configuration. The error is a fault:
// ConfigMissing when no source holds a NodeConfig, ConfigInvalid when it has
// errors (all of them are in Loaded.Problems), ConfigUnreadable or what the
// platform says when a source cannot be read.
func Load(ctx context.Context, p platform.Platform, o LoadOptions) (Loaded, error) {
	l, err := loadFrom(ctx, p, o)
	if fault.CodeOf(err) == fault.ConfigMissing && len(o.Fallback) > 0 {
		o.URIs = o.Fallback
		if kept, errKept := loadFrom(ctx, p, o); fault.CodeOf(errKept) != fault.ConfigMissing {
			return kept, errKept
		}
	}
	return l, err
}

func loadFrom(ctx context.Context, p platform.Platform, o LoadOptions) (Loaded, error) {
	texts, names, err := read(ctx, p, o)
	if err != nil {
		return Loaded{}, err
	}
	var l Loaded
	var inputs []api.Input
	for _, t := range texts {
		inputs = append(inputs, api.Input{Name: t.Name, Raw: t.Body})
		l.Texts = append(l.Texts, t.Name)
	}
	if o.Option != nil {
		inputs = append(inputs, api.Input{Name: o.Option.Text.Name, Raw: o.Option.Text.Body, Replaces: o.Option.Replaces})
	}
	l.Merged, l.Problems = api.Load(inputs, api.Options{UnknownFieldsAreWarnings: o.Lenient}, o.Now)
	if missing(l) {
		return l, fault.New(fault.ConfigMissing,
			"Give the instance user data with a NodeConfig (apiVersion node.eks.aws/v1alpha1), or put one into /etc/eksnode/config.d.",
			fmt.Errorf("cannot find a NodeConfig in %s", strings.Join(names, ", ")))
	}
	if err := api.AsError(l.Problems); err != nil {
		return l, fault.New(fault.ConfigInvalid, "Correct the lines named; `eksnode config check` shows them before a node is launched.",
			fmt.Errorf("cannot use the configuration: %w", err))
	}
	return l, nil
}

// missing reports whether nothing was found that was meant as a NodeConfig.
func missing(l Loaded) bool {
	if l.Merged.Config.Kind != "" {
		return false
	}
	return !slices.ContainsFunc(l.Problems, func(p api.Problem) bool {
		return p.Severity == api.Error && p.Code != api.CodeNoNodeConfig && p.Code != api.CodeMissingField
	})
}

// read opens and reads all sources. A source that holds nothing is passed
// over; one that is there and cannot be read ends the run.
func read(ctx context.Context, p platform.Platform, o LoadOptions) (texts []platform.Text, names []string, err error) {
	uris := o.URIs
	if len(uris) == 0 {
		uris = p.DefaultSources
	}
	if len(uris) == 0 {
		return nil, nil, fault.New(fault.ConfigMissing, "Name a source with --config-source.", errors.New("cannot load configuration: no source is given"))
	}
	for _, uri := range uris {
		s, err := platform.Open(p, uri, o.Stdin)
		if err != nil {
			return nil, nil, err
		}
		found, err := s.Read(ctx)
		if err != nil {
			return nil, nil, err
		}
		names = append(names, s.Name)
		texts = append(texts, found...)
	}
	return texts, names, nil
}
