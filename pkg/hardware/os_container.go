package hardware

import (
	"errors"
	"io/fs"
	"strings"
)

const probeContainer = "container"

// lookAtContainer tells whether the root filesystem is a container's, by the files
// that managers of containers leave in it (systemd's CONTAINER_INTERFACE, podman,
// docker), and by the name that kubelet gives its cgroup. Their absence is no proof.
func lookAtContainer(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	for _, name := range []string{"run/host/container-manager", "run/systemd/container"} {
		text, err := firmwareText(root, name)
		if err != nil {
			problems = append(problems, failed(probeContainer, err))
		}
		if text != "" {
			f.Container = text
			return problems
		}
	}
	for _, mark := range []struct{ name, manager string }{{"run/.containerenv", "podman"}, {".dockerenv", "docker"}} {
		_, err := fs.Stat(root, mark.name)
		if err == nil {
			f.Container = mark.manager
			return problems
		}
		if !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, failed(probeContainer, cause(err)))
		}
	}
	text, err := read(root, selfCgroup)
	if err != nil {
		return problems // the allowance says so
	}
	if strings.Contains(text, "/kubepods") {
		f.Container = "kubernetes"
	}
	return problems
}
