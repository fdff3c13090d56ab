package host

import (
	"bytes"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Satisfies reports whether what is there needs no change to be what is
// wanted. It is Equal, except where a wish is a bound rather than a value.
func Satisfies(have, want Resource) bool {
	if w, ok := want.(Sysctl); ok {
		h, ok := have.(Sysctl)
		return ok && sysctlSatisfies(h.Value, w)
	}
	return Equal(have, want)
}

func sysctlSatisfies(have string, want Sysctl) bool {
	h, w := strings.Join(strings.Fields(have), " "), strings.Join(strings.Fields(want.Value), " ")
	if h == w {
		return true
	}
	if !want.AtLeast {
		return false
	}
	hn, errH := strconv.ParseInt(h, 10, 64)
	wn, errW := strconv.ParseInt(w, 10, 64)
	return errH == nil && errW == nil && hn >= wn
}

// why says in one phrase how what is there differs from what is wanted,
// without revealing content.
func why(have, want Resource) string {
	if w, ok := want.(Absent); ok {
		return w.Because
	}
	if have == nil {
		return "absent"
	}
	switch w := want.(type) {
	case File:
		h, ok := have.(File)
		if !ok {
			return "is something else"
		}
		return differences(
			difference("content", !bytes.Equal(h.Content, w.Content), "", ""),
			difference("mode", h.Mode != w.Mode, h.Mode, w.Mode),
			difference("owner", h.UID != w.UID || h.GID != w.GID, owner(h.UID, h.GID), owner(w.UID, w.GID)),
		)
	case Dir:
		h, ok := have.(Dir)
		if !ok {
			return "is something else"
		}
		return differences(
			difference("mode", h.Mode != w.Mode, h.Mode, w.Mode),
			difference("owner", h.UID != w.UID || h.GID != w.GID, owner(h.UID, h.GID), owner(w.UID, w.GID)),
		)
	case Link:
		if h, ok := have.(Link); ok {
			return differences(difference("target", h.Target != w.Target, h.Target, w.Target))
		}
	case Sysctl:
		if h, ok := have.(Sysctl); ok {
			return differences(difference("value", h.Value != w.Value, h.Value, w.Value))
		}
	case Image:
		if h, ok := have.(Image); ok {
			return differences(difference("pin", h.Pinned != w.Pinned, h.Pinned, w.Pinned))
		}
	case HugePages:
		if h, ok := have.(HugePages); ok {
			return differences(difference("count", h.Count != w.Count, h.Count, w.Count))
		}
	case SwapFile:
		if h, ok := have.(SwapFile); ok {
			return differences(
				difference("size", h.Bytes != w.Bytes, h.Bytes, w.Bytes),
				difference("use", h.Active != w.Active, usage(h.Active), usage(w.Active)),
			)
		}
	}
	return "differs"
}

func usage(active bool) string {
	if active {
		return "on"
	}
	return "off"
}

func owner(uid, gid int) string { return fmt.Sprintf("%d:%d", uid, gid) }

func difference(what string, differs bool, have, want any) string {
	if !differs {
		return ""
	}
	if have == "" && want == "" {
		return what + " differs"
	}
	if h, ok := have.(fs.FileMode); ok {
		have = fmt.Sprintf("%04o", h.Perm())
	}
	if w, ok := want.(fs.FileMode); ok {
		want = fmt.Sprintf("%04o", w.Perm())
	}
	return fmt.Sprintf("%s is %v, not %v", what, have, want)
}

func differences(all ...string) string {
	var out []string
	for _, d := range all {
		if d != "" {
			out = append(out, d)
		}
	}
	return strings.Join(out, "; ")
}
