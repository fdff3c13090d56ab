// Package nvme asks NVMe controllers what they are. sysfs has their model and serial
// number; the name that EC2 was told for an EBS volume in the block device mapping
// only the controller itself has, and telling needs an ioctl and root.
//
// On systems other than Linux there is no such call, and [Identify] says so.
package nvme

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/eksnode/eksnode/pkg/hardware"
)

// Identify asks the controllers that a look at the machine has found, and returns
// what they said by their names: nvme0. The error joins those of the controllers that
// could not be asked; the others are there all the same. dev is the folder of device
// files, /dev.
//
// A controller answers within the kernel's timeout for admin commands at the latest,
// a minute unless nvme_core.admin_timeout says otherwise; ctx is looked at between
// two of them.
func Identify(ctx context.Context, dev string, controllers []hardware.NVMe) (map[string]hardware.NVMeIdentity, error) {
	return identify(ctx, dev, controllers, ask)
}

// identify is [Identify] by another way of asking.
func identify(ctx context.Context, dev string, controllers []hardware.NVMe, ask func(file string) ([]byte, error)) (map[string]hardware.NVMeIdentity, error) {
	out := map[string]hardware.NVMeIdentity{}
	var failed []error
	for _, c := range controllers {
		if err := ctx.Err(); err != nil {
			return out, errors.Join(append(failed, fmt.Errorf("cannot ask all NVMe controllers: %w", err))...)
		}
		if strings.ContainsAny(c.Name, "/\x00") || c.Name == "" {
			failed = append(failed, fmt.Errorf("cannot ask NVMe controller %q: no name of a device", c.Name))
			continue
		}
		page, err := ask(path.Join(dev, c.Name))
		if err == nil {
			out[c.Name], err = hardware.ParseNVMeIdentify(page)
		}
		if err != nil {
			delete(out, c.Name)
			failed = append(failed, fmt.Errorf("cannot ask NVMe controller %s: %w", c.Name, err))
		}
	}
	return out, errors.Join(failed...)
}
