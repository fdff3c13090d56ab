// Package console says one line to whoever looks at the machine's console:
// on EC2, at the instance's system log.
package console

import (
	"os"
	"strings"
	"time"
	"unicode"
)

// Device is the console of a machine.
const Device = "/dev/console"

// bound is how long a line may take. A serial line at 9600 baud needs a fifth
// of a second for it; one that nobody reads, with flow control, takes for ever.
const bound = 2 * time.Second

// width bounds a line, in runes.
const width = 300

// Say writes text to the device as one line and returns when that is done or
// its bound has passed. It never fails: a machine without a console, or with a
// stuck one, is as good as any other.
func Say(device, text string) {
	f, err := os.OpenFile(device, os.O_WRONLY|flags, 0)
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The device may not take deadlines; then it takes or refuses the
		// line at once, being opened so as not to wait.
		_ = f.SetWriteDeadline(time.Now().Add(bound))
		_, _ = f.WriteString(line(text))
		_ = f.Close()
	}()
	select {
	case <-done:
	case <-time.After(bound):
	}
}

// line makes one printable line of any text. It starts a new one, since
// something else may have left the cursor anywhere.
func line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	var b strings.Builder
	n := 0
	for _, r := range text {
		if !unicode.IsPrint(r) {
			r = '?' // an escape sequence must not steer the terminal
		}
		if n++; n > width {
			b.WriteString("…")
			break
		}
		b.WriteRune(r)
	}
	return "\r\n" + b.String() + "\r\n"
}
