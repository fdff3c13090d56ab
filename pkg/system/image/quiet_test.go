package image

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/containerd/log"
)

func TestTheLibrarysWarningsReachOurLog(t *testing.T) {
	var b bytes.Buffer
	ctx := listen(t.Context(), slog.New(slog.NewTextHandler(&b, nil)))
	log.G(ctx).Info("trying next host")
	log.G(ctx).WithError(errors.New("toml: line 3")).Error("failed to decode hosts.toml")
	if got := b.String(); !strings.Contains(got, `level=WARN msg="failed to decode hosts.toml" from="containerd client" error="toml: line 3"`) || strings.Contains(got, "next host") {
		t.Errorf("got %s", got)
	}
}
