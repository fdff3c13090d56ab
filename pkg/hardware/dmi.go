package hardware

import (
	"errors"
	"io/fs"
	"path"
)

// dmiDir is where /sys/class/dmi/id points to.
const dmiDir = "sys/devices/virtual/dmi/id"

func lookAtDMI(root fs.FS, f *Facts) (problems []Problem) {
	f.DMI, problems = dmi(root)
	return problems
}

// dmi reads the firmware's strings. On EC2 they are Amazon EC2, the instance
// type and the instance id. The kernel makes no file for a string that the
// firmware left out, so a missing one is no problem; no folder at all, or a
// string that cannot be read, is.
func dmi(root fs.FS) (DMI, []Problem) {
	var out DMI
	if _, err := list(root, dmiDir); err != nil {
		return out, []Problem{failed(probeDMI, err)}
	}
	var problems []Problem
	for _, a := range []struct {
		name  string
		value *string
	}{{"sys_vendor", &out.SysVendor}, {"product_name", &out.ProductName}, {"board_asset_tag", &out.BoardAssetTag}} {
		text, err := readText(root, path.Join(dmiDir, a.name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, failed(probeDMI, err))
		}
		*a.value = text
	}
	return out, problems
}
