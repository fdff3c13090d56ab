//go:build unix

package command

import (
	"log/slog"
	"os"
	"strings"
	"testing"
)

func TestOutputGoesToTheLogWithoutSecrets(t *testing.T) {
	b := newBox(t)
	c := b.program(t, "talk", `echo "proxy $HTTPS_PROXY"; echo "${HTTPS_PROXY#*//}"; echo "token=$TOKEN" >&2; echo "$KEY"; echo "mode $MODE"; printf 'no end'`)
	c.Env = map[string]string{"TOKEN": "s3cr3t-token", "KEY": "first line of a key\nsecond line of a key", "MODE": "on"}
	b.apply(t, c)
	log := b.log.String()
	for _, secret := range []string{"hunter2", "s3cr3t", "line of a key"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
	for _, want := range []string{`program=hook/talk line="proxy [redacted]"`, `line="token=[redacted]"`, `line="mode on"`, `line="no end"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s:\n%s", want, log)
		}
	}
	for _, file := range []string{b.where(c.Name).boot} {
		if content, err := os.ReadFile(file); err != nil || strings.Contains(string(content), "s3cr3t") {
			t.Errorf("the note is %s, %v", content, err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the note has %v, %v", info.Mode(), err)
		}
	}
}

func TestAFloodOfOutputIsBounded(t *testing.T) {
	b := newBox(t)
	c := b.program(t, "flood", `echo the first; i=0; while [ $i -lt 12000 ]; do echo "line $i of a flood that nobody will ever read"; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\0' x; echo; echo the last`)
	b.apply(t, c)
	log := b.log.String()
	for _, want := range []string{`line="the first"`, `line="line 0 of`, `line="line 11999 of`, `line="the last"`, "prints too much", "xxx […]"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
	if n := strings.Count(log, "\n"); n > 9000 {
		t.Errorf("%d lines were logged", n)
	}
}

func TestASecretIsNotShownByTheCutOfALongLine(t *testing.T) {
	log := &lockedBuffer{}
	o := newOutput(slog.New(slog.NewTextHandler(log, nil)), []string{"abcdefghij"})
	for n := lineLimit - 12; n < lineLimit+2; n++ {
		_, _ = o.Write([]byte(strings.Repeat(".", n) + "abcdefghij\n"))
	}
	o.Close()
	if strings.Contains(log.String(), ".a") {
		t.Error("the beginning of the secret is in the log")
	}
}
