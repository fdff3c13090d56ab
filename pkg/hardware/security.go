package hardware

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

const (
	probeSecurity = "security"

	selinuxDir     = "sys/fs/selinux"
	apparmorState  = "sys/module/apparmor/parameters/enabled"
	securityFS     = "sys/kernel/security"
	fipsEnabled    = "proc/sys/crypto/fips_enabled"
	efiDir         = "sys/firmware/efi"
	efiVars        = efiDir + "/efivars"
	secureBootFile = efiVars + "/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c" // EFI_GLOBAL_VARIABLE
)

// What Security says of a state. An empty string is none of them: it was not seen,
// and Problems says why.
const (
	Enforcing  = "enforcing"
	Permissive = "permissive"
	Enabled    = "enabled"
	Disabled   = "disabled"
)

// Security is what the kernel and the firmware enforce.
type Security struct {
	// SELinux is enforcing, permissive or disabled.
	SELinux string `json:"selinux,omitempty"`
	// AppArmor is enabled or disabled.
	AppArmor string `json:"apparmor,omitempty"`
	// Modules are the active security modules, in the kernel's order; none where
	// securityfs is not mounted.
	Modules []string `json:"modules,omitempty"`
	// Lockdown is none, integrity or confidentiality; empty on a kernel without it.
	Lockdown string `json:"lockdown,omitempty"`
	// FIPS is enabled or disabled.
	FIPS string `json:"fips,omitempty"`
	// Boot is uefi or bios.
	Boot string `json:"boot,omitempty"`
	// SecureBoot is enabled or disabled.
	SecureBoot string `json:"secureBoot,omitempty"`
}

// lookAtSecurity reads each state on its own: one that fails leaves the others.
func lookAtSecurity(root fs.FS, f *Facts) []Problem {
	var problems []Problem
	for _, a := range []struct {
		state *string
		see   func(fs.FS) (string, error)
	}{
		{&f.Security.SELinux, selinux},
		{&f.Security.AppArmor, apparmor},
		{&f.Security.Lockdown, lockdown},
		{&f.Security.FIPS, fips},
		{&f.Security.Boot, boot},
		{&f.Security.SecureBoot, func(root fs.FS) (string, error) { return secureBoot(root, f.Security.Boot) }},
	} {
		state, err := a.see(root)
		if err != nil {
			problems = append(problems, failed(probeSecurity, err))
		}
		*a.state = state
	}
	text, err := readOf(root, "sys/kernel", securityFS+"/lsm")
	if err != nil {
		problems = append(problems, failed(probeSecurity, err))
	}
	if text = printable(text); text != "" {
		f.Security.Modules = strings.Split(text, ",")
	}
	return problems
}

// selinux reads selinuxfs. The kernel makes the folder it is mounted at only when
// SELinux is on: the folder without a file means that it is not mounted here.
func selinux(root fs.FS) (string, error) {
	dir, err := there(root, "sys/fs", selinuxDir)
	if err != nil {
		return "", err
	}
	if !dir {
		return Disabled, nil
	}
	text, err := read(root, selinuxDir+"/enforce")
	if err != nil {
		return "", err
	}
	return oneOf(text, selinuxDir+"/enforce", map[string]string{"0": Permissive, "1": Enforcing})
}

func apparmor(root fs.FS) (string, error) {
	text, err := readOf(root, moduleDir, apparmorState)
	if err != nil {
		return "", err
	}
	return oneOf(text, apparmorState, map[string]string{"Y": Enabled, "N": Disabled, "": Disabled})
}

// lockdown reads the state of kernel_lockdown(7). Nothing where the kernel does
// not have it or securityfs is not mounted.
func lockdown(root fs.FS) (string, error) {
	text, err := readOf(root, "sys/kernel", securityFS+"/lockdown")
	if err != nil || text == "" {
		return "", err
	}
	state, err := chosen(text)
	if err != nil {
		return "", fmt.Errorf("cannot parse /%s/lockdown: %w", securityFS, err)
	}
	return state, nil
}

// fips reads what the kernel's cryptography runs as. A kernel that cannot do it
// has no such file.
func fips(root fs.FS) (string, error) {
	text, err := readOf(root, "proc/sys", fipsEnabled)
	if err != nil {
		return "", err
	}
	return oneOf(text, fipsEnabled, map[string]string{"1": Enabled, "0": Disabled, "": Disabled})
}

// boot tells the kind of firmware by the folder that the kernel makes for UEFI's
// runtime services. Arm servers of EC2 have UEFI too.
func boot(root fs.FS) (string, error) {
	uefi, err := there(root, "sys/firmware", efiDir)
	switch {
	case err != nil:
		return "", err
	case uefi:
		return "uefi", nil
	}
	return "bios", nil
}

// secureBoot reads a variable of UEFI: four bytes of attributes, then the value
// (Documentation/filesystems/efivarfs.rst). A firmware that cannot do it has no such
// variable, and neither has a machine without UEFI; of one whose firmware was not
// seen, nothing is known.
func secureBoot(root fs.FS, boot string) (string, error) {
	switch boot {
	case "":
		return "", nil // the problem has been told
	case "bios":
		return Disabled, nil
	}
	file, err := root.Open(secureBootFile)
	if errors.Is(err, fs.ErrNotExist) {
		vars, err := list(root, efiVars)
		if err == nil && len(vars) == 0 {
			err = fmt.Errorf("nothing is mounted at /%s", efiVars)
		}
		if err != nil {
			return "", fmt.Errorf("cannot tell secure boot: %w", err)
		}
		return Disabled, nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", secureBootFile, cause(err))
	}
	defer func() { _ = file.Close() }() // nothing was written
	b, err := io.ReadAll(io.LimitReader(file, 6))
	if err != nil {
		return "", fmt.Errorf("cannot read /%s: %w", secureBootFile, cause(err))
	}
	if len(b) != 5 || b[4] > 1 {
		return "", fmt.Errorf("cannot parse /%s: %s is no attributes and value", secureBootFile, quote(string(b)))
	}
	if b[4] == 1 {
		return Enabled, nil
	}
	return Disabled, nil
}

// oneOf translates what a file says.
func oneOf(text, name string, states map[string]string) (string, error) {
	state, ok := states[text]
	if !ok {
		return "", fmt.Errorf("cannot parse /%s: %s is no state", name, quote(text))
	}
	return state, nil
}
