package image

import (
	"context"
	"io"
	"log/slog"

	"github.com/containerd/log"
	"github.com/sirupsen/logrus"
)

// listen passes on what containerd's library has to say to a logger of ours:
// warnings as such, the rest for debugging. Left alone it writes to stderr.
func listen(ctx context.Context, to *slog.Logger) context.Context {
	l := logrus.New()
	l.SetOutput(io.Discard)
	l.AddHook(passOn{to})
	return log.WithLogger(ctx, logrus.NewEntry(l))
}

// passOn is a logrus hook.
type passOn struct{ to *slog.Logger }

// Levels implements logrus.Hook.
func (passOn) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (p passOn) Fire(e *logrus.Entry) error {
	level := slog.LevelDebug
	if e.Level <= logrus.WarnLevel { // logrus counts down
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("from", "containerd client")}
	if err, ok := e.Data[logrus.ErrorKey]; ok {
		attrs = append(attrs, slog.Any("error", err))
	}
	p.to.LogAttrs(context.Background(), level, e.Message, attrs...)
	return nil
}
