package swapfile

import "strings"

// swapFiles reads /proc/swaps and returns the paths of files in use as swap,
// proc_pid_mounts(5) having the manner in which white space and backslashes are
// written: \040. What is no line of that table is passed over.
func swapFiles(table string) []string {
	var out []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) >= 5 && fields[1] == "file" {
			out = append(out, unescape(fields[0]))
		}
	}
	return out
}

// unescape replaces a backslash and three octal digits by the byte they mean.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] <= '3' && octal(s[i+1:i+4]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(s string) bool { return strings.Trim(s, "01234567") == "" }
