//go:build linux

package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// settingsFile holds the kernel's settings as they were before the first of the machine's living labs began.
var settingsFile = filepath.Join(stateDir, "sysctl.json")

// sharedSettings are the trees below /proc/sys that no namespace separates (sysctl(8); namespaces(7)): what systemd or the
// node agent writes there in a box, the whole machine gets.
func sharedSettings() []string { return []string{"fs", "kernel", "vm"} }

// volatile settings change by themselves or do something when written.
func volatile(name string) bool {
	switch name {
	case "kernel/ns_last_pid", "kernel/tainted", "kernel/hostname", "kernel/domainname", "kernel/cad_pid", "vm/compact_memory", "vm/drop_caches", "vm/stat_refresh":
		return true
	}
	return strings.HasPrefix(name, "kernel/random/") || strings.HasPrefix(name, "fs/binfmt_misc/") || strings.HasPrefix(name, "kernel/firmware_config/")
}

// readSettings reads all that can be both read and written.
func readSettings() (map[string]string, error) {
	const root = "/proc/sys"
	found := map[string]string{}
	for _, tree := range sharedSettings() {
		err := filepath.WalkDir(filepath.Join(root, tree), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil // a setting that cannot be looked at cannot be restored either
			}
			name := strings.TrimPrefix(path, root+"/")
			info, err := d.Info()
			if err != nil || info.Mode()&0o600 != 0o600 || volatile(name) {
				return nil
			}
			if value, err := os.ReadFile(path); err == nil {
				found[name] = strings.TrimSuffix(string(value), "\n")
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot read kernel settings: %w", err)
		}
	}
	return found, nil
}

// saveSettings writes settingsFile unless it is there. The caller holds the state's lock.
func saveSettings() error {
	if _, err := os.Stat(settingsFile); err == nil {
		return nil
	}
	values, err := readSettings()
	if err != nil {
		return err
	}
	data, err := json.Marshal(values)
	if err != nil {
		return err
	}
	tmp := settingsFile + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, settingsFile)
}

// inotifyInstances is enough for dozens of boxes: a booted node has about fifteen, all of one user, and the kernel's
// limit is 128 a user (inotify(7)).
const inotifyInstances = 4096

// makeRoom raises a limit that all boxes share, if it is lower. restoreIfLast puts it back.
func makeRoom() error {
	const file = "/proc/sys/fs/inotify/max_user_instances"
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot raise the limit of inotify instances: %w", err)
	}
	if now, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && now >= inotifyInstances {
		return nil
	}
	if err := os.WriteFile(file, []byte(strconv.Itoa(inotifyInstances)), 0); err != nil {
		return fmt.Errorf("cannot raise the limit of inotify instances: %w", err)
	}
	return nil
}

// restoreIfLast puts the saved settings back when no lab has an entry any more. The caller holds the state's lock.
func restoreIfLast() error {
	entries, err := filepath.Glob(filepath.Join(stateDir, "*.lab"))
	if err != nil || len(entries) > 0 {
		return err
	}
	data, err := os.ReadFile(settingsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot restore kernel settings: %w", err)
	}
	var saved map[string]string
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("cannot restore kernel settings from %s: %w", settingsFile, err)
	}
	now, err := readSettings()
	if err != nil {
		return err
	}
	var errs []error
	for name, value := range saved {
		if current, there := now[name]; there && current != value {
			if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0); err != nil {
				errs = append(errs, fmt.Errorf("cannot restore kernel setting %s to %q: %w", name, value, err))
			}
		}
	}
	return errors.Join(append(errs, os.Remove(settingsFile))...)
}
