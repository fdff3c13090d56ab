package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/fault"
	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// Store is the agent's memory on disk. What must survive a reboot is in
// StateDir, the rest in RunDir. Every file is written whole or not at all.
type Store struct {
	// StateDir holds owned.json: what the agent has made, and what was there
	// before. Mode 0600, because originals can hold secrets.
	StateDir string
	// RunDir holds status.json, for everyone to read, and input.json (0600),
	// from which the last decision can be replayed but for its secrets, which
	// are not written.
	RunDir string
}

// NewStore returns the store of a layout.
func NewStore(l node.Layout) *Store { return &Store{StateDir: l.StateDir, RunDir: l.RunDir} }

type ownedFile struct {
	// Version is that of this file's format.
	Version int          `json:"version"`
	Owned   []host.Owned `json:"owned"`
}

const ownedVersion = 1

// Owned returns what the agent has made; nothing when it never ran. A record
// that cannot be read is an error: taking it for empty would make everything
// that is there look like someone else's.
func (s *Store) Owned() ([]host.Owned, error) {
	var f ownedFile
	ok, err := s.read(s.ownedPath(), &f)
	if err == nil && ok && f.Version > ownedVersion {
		err = fmt.Errorf("it is of version %d, this agent knows %d", f.Version, ownedVersion)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fault.New(fault.NotRoot, "Run it with sudo.", fmt.Errorf("cannot read the record of owned resources: %w", err))
	}
	if err != nil {
		return nil, fault.New(fault.StateUnreadable,
			"Restore the file from a backup, or remove it: then what the agent made stays, and can only be replaced, not given back.",
			fmt.Errorf("cannot read the record of owned resources %s: %w", s.ownedPath(), err))
	}
	return f.Owned, nil
}

// SetOwned records what the agent owns.
func (s *Store) SetOwned(owned []host.Owned) error {
	return s.write(s.ownedPath(), 0o600, false, ownedFile{ownedVersion, owned})
}

// SetStatus publishes a report.
func (s *Store) SetStatus(r Report) error { return s.write(s.StatusPath(), 0o644, true, r) }

// Status returns the last report; ok is false when there is none since boot.
func (s *Store) Status() (r Report, ok bool, err error) {
	ok, err = s.read(s.StatusPath(), &r)
	if err != nil {
		err = fmt.Errorf("cannot read status %s: %w", s.StatusPath(), err)
	}
	return r, ok, err
}

// SetInput saves the input of the last decision.
func (s *Store) SetInput(in node.Input) error {
	return s.write(filepath.Join(s.RunDir, "input.json"), 0o600, true, in)
}

// StatusPath is where the report is published.
func (s *Store) StatusPath() string { return filepath.Join(s.RunDir, "status.json") }

func (s *Store) ownedPath() string { return filepath.Join(s.StateDir, "owned.json") }

func (s *Store) read(path string, v any) (ok bool, err error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(b, v)
}

// write writes a file whole. What is in RunDir does not outlive the power
// anyway, so it is lazy; what is owned must be on disk before the first write
// that it speaks of.
func (s *Store) write(path string, mode fs.FileMode, lazy bool, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot encode %s: %w", path, err)
	}
	return atomicfile.Write(path, append(b, '\n'), atomicfile.Attr{Mode: mode, UID: -1, GID: -1, Lazy: lazy})
}
