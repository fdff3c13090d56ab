package node

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is the version of an installed program. The zero value means that it
// could not be told.
type Version struct {
	Major, Minor, Patch int
	// Raw is the text it was read from: v1.33.5-eks-113cf36.
	Raw string
	// Source is where it was read: a file, or a binary and how.
	Source string
}

// ParseVersion reads the first MAJOR.MINOR.PATCH in s; a leading v and
// anything after it do not matter.
func ParseVersion(s string) (Version, error) {
	s = strings.TrimSpace(s)
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' || (i > 0 && (s[i-1] == '.' || s[i-1] >= '0' && s[i-1] <= '9')) {
			continue
		}
		if v, ok := versionAt(s[i:]); ok {
			v.Raw = s
			return v, nil
		}
	}
	return Version{}, fmt.Errorf("cannot find MAJOR.MINOR.PATCH in %q", s)
}

// versionAt reads three dotted numbers at the start of s.
func versionAt(s string) (Version, bool) {
	var n [3]int
	for i := range n {
		end := 0
		for end < len(s) && s[end] >= '0' && s[end] <= '9' {
			end++
		}
		v, err := strconv.Atoi(s[:end])
		if err != nil || end > 6 {
			return Version{}, false
		}
		n[i], s = v, s[end:]
		if i < 2 {
			if !strings.HasPrefix(s, ".") {
				return Version{}, false
			}
			s = s[1:]
		}
	}
	return Version{Major: n[0], Minor: n[1], Patch: n[2]}, true
}

// Known reports whether the version could be told.
func (v Version) Known() bool { return v.Raw != "" }

// AtLeast reports whether v is major.minor or newer. An unknown version is
// older than everything; require the fact before asking.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// String returns MAJOR.MINOR.PATCH, or "unknown".
func (v Version) String() string {
	if !v.Known() {
		return "unknown"
	}
	return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch)
}
