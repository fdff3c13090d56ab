package tuning

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/eksnode/eksnode/pkg/api"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// disksTimeout bounds the program that prepares the disks. It makes an array
// without waiting for it to be in step and a file system on it, which is seconds,
// and copies what kubelet and containerd have, which an image with many container
// images in it makes minutes.
const disksTimeout = 10 * time.Minute

// decideDisks decides how the disks of the instance are prepared; nil where they
// are left alone.
//
// It is done by the program of EKS images, with the arguments that nodeadm gives it
// (awslabs/amazon-eks-ami, setup-local-disks). It moves the directories of
// kubelet, containerd and pod logs to the disks, stopping and starting their
// services where they run. So it comes before anything of theirs is made, and once
// a boot: an instance that was stopped comes back with empty disks.
func decideDisks(in node.Input) (*host.Command, error) {
	storage := in.Config.Spec.Instance.LocalStorage
	if storage.Strategy == "" {
		return nil, nil
	}
	if err := in.Require("present"); err != nil {
		return nil, err
	}
	if !in.Present.SetupLocalDisks {
		return nil, fault.New(fault.BinaryMissing,
			"Use an EKS image, which brings it, or leave spec.instance.localStorage out and prepare the disks in a hook of the stage pre-config.",
			fmt.Errorf("cannot prepare local disks as %s: there is no program %s", storage.Strategy, in.Layout.SetupLocalDisks))
	}
	args := []string{in.Layout.SetupLocalDisks, strings.ToLower(string(storage.Strategy))}
	if storage.MountPath != "" {
		if !path.IsAbs(storage.MountPath) {
			return nil, fault.New(fault.ConfigInvalid, "Correct spec.instance.localStorage.mountPath.",
				fmt.Errorf("cannot mount local disks below %q: the path is not absolute", storage.MountPath))
		}
		args = append(args, "--dir", storage.MountPath)
	}
	for _, mount := range []struct {
		name api.DisabledMount
		flag string
	}{
		{api.DisabledMountContainerd, "--no-bind-containerd"},
		{api.DisabledMountPodLogs, "--no-bind-pods-logs"},
		{api.DisabledMountSOCI, "--no-bind-soci"},
	} {
		if slices.Contains(storage.DisabledMounts, mount.name) {
			args = append(args, mount.flag)
		}
	}
	return &host.Command{Name: "local-disks", Digest: host.Digest(args...), Args: args, Timeout: disksTimeout}, nil
}
