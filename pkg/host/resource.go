// Package host is the vocabulary of what a machine should hold, and the
// algebra over it: a State of Resources that is wanted, the difference to
// what is there, and the Plan that closes it.
//
// It is pure: it never touches a machine. Drivers (pkg/system) do.
package host

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
)

// Kind is a kind of resource; one driver looks after each kind.
type Kind string

// The kinds that the agent manages.
const (
	KindFile    Kind = "file"
	KindDir     Kind = "dir"
	KindLink    Kind = "link"
	KindService Kind = "service"
	KindSysctl  Kind = "sysctl"
	KindImage   Kind = "image"

	KindModule    Kind = "module"
	KindHugePages Kind = "hugepages"
	KindSwapFile  Kind = "swapfile"
	KindCommand   Kind = "command"
	KindAbsent    Kind = "absent"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{
		KindFile, KindDir, KindLink, KindService, KindSysctl, KindImage,
		KindModule, KindHugePages, KindSwapFile, KindCommand, KindAbsent,
	}
}

// ID names one resource on one machine. It prints as "file:/etc/hosts".
type ID struct {
	Kind Kind
	Name string
}

// String returns kind and name joined by a colon.
func (id ID) String() string { return string(id.Kind) + ":" + id.Name }

// MarshalText makes an ID usable as a JSON string and map key.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) error {
	kind, name, ok := strings.Cut(string(b), ":")
	if !ok || kind == "" || name == "" {
		return fmt.Errorf("cannot parse resource id %q: want KIND:NAME", b)
	}
	id.Kind, id.Name = Kind(kind), name
	return nil
}

// Resource is plain data that describes one thing on a machine, wanted or
// seen. Two resources are equal when their JSON is equal.
type Resource interface {
	// ID names the thing; two resources of one ID describe the same thing.
	ID() ID
}

// File is a regular file with all of its content.
type File struct {
	// Path is absolute and clean.
	Path    string      `json:"path"`
	Content []byte      `json:"content"`
	Mode    fs.FileMode `json:"mode"`
	UID     int         `json:"uid"`
	GID     int         `json:"gid"`
	// Secret keeps the content out of plans, logs and bundles. It says
	// something about the wish; an observation repeats it.
	Secret bool `json:"secret,omitempty"`
	// RunPhase keeps it back until the daemons are started; the phase that only
	// configures leaves it alone. Not part of an observation.
	RunPhase bool `json:"runPhase,omitempty"`
}

// ID implements Resource.
func (f File) ID() ID { return ID{KindFile, f.Path} }

// Dir is a directory. Its entries are not part of it: removing one that still
// holds something leaves it, without an error.
type Dir struct {
	Path string      `json:"path"`
	Mode fs.FileMode `json:"mode"`
	UID  int         `json:"uid"`
	GID  int         `json:"gid"`
}

// ID implements Resource.
func (d Dir) ID() ID { return ID{KindDir, d.Path} }

// Link is a symbolic link.
type Link struct {
	Path   string `json:"path"`
	Target string `json:"target"`
}

// ID implements Resource.
func (l Link) ID() ID { return ID{KindLink, l.Path} }

// Sysctl is a kernel parameter of the running kernel. That it survives a
// reboot is the work of a File under /etc/sysctl.d.
type Sysctl struct {
	// Key is dotted, as sysctl(8) prints it: net.ipv4.ip_forward.
	Key string `json:"key"`
	// Value is compared with runs of white space folded to one blank.
	Value string `json:"value"`
	// AtLeast accepts any larger whole number: a limit which someone else
	// has already raised further is left alone.
	AtLeast bool `json:"atLeast,omitempty"`
}

// ID implements Resource.
func (s Sysctl) ID() ID { return ID{KindSysctl, s.Key} }

// Service is a unit of the service manager, and the debt it may have: a
// service whose inputs were written after it started owes a restart. That debt
// is part of what is observed, so a crash between write and restart loses nothing.
type Service struct {
	// Name is the unit's full name: kubelet.service.
	Name string `json:"name"`
	// Enabled asks that the unit starts at boot by itself. When false the
	// agent does not care, and an observation repeats false.
	Enabled bool `json:"enabled,omitempty"`
	// Running asks that the unit is active.
	Running bool `json:"running"`
	// Reads are the resources which the process reads only when it starts. A
	// directory stands for everything below it. Not part of an observation.
	Reads []ID `json:"reads,omitempty"`
	// Reloads says that the unit reads them again when it is told to reload, so that it
	// need not restart; one that has no way to reload is restarted. Not part of an
	// observation.
	Reloads bool `json:"reloads,omitempty"`
	// Current is false while the unit runs with inputs older than those on
	// disk; a unit that does not run is current. A wish for a running service
	// is always for a current one.
	Current bool `json:"current"`
}

// ID implements Resource.
func (s Service) ID() ID { return ID{KindService, s.Name} }

// Image is a container image in the runtime's store, present under Ref.
type Image struct {
	// Ref is the full reference by which the runtime will ask for it.
	Ref string `json:"ref"`
	// Pinned keeps kubelet's image garbage collection away from it.
	Pinned bool `json:"pinned,omitempty"`
	// Archive is the path of a local OCI or docker archive to import it from
	// when it is absent; tried first. Not part of an observation.
	Archive string `json:"archive,omitempty"`
	// Source is the registry reference to pull and tag as Ref when there is
	// no archive. Not part of an observation.
	Source string `json:"source,omitempty"`
	// Snapshotter is what the runtime makes containers of this image with, where
	// that is not the usual one. Not part of an observation.
	Snapshotter string `json:"snapshotter,omitempty"`
}

// ID implements Resource.
func (i Image) ID() ID { return ID{KindImage, i.Ref} }

// Equal reports whether two resources describe the same thing in the same
// state, in the terms of a wish: what an observation cannot show (Reads,
// Archive, Source, Snapshotter) does not count, and a nil is equal only to a nil.
func Equal(a, b Resource) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if a.ID() != b.ID() {
		return false
	}
	x, errX := json.Marshal(observable(a))
	y, errY := json.Marshal(observable(b))
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// observable drops the fields that only a wish has.
func observable(r Resource) Resource {
	switch r := r.(type) {
	case File:
		r.RunPhase = false
		return r
	case Service:
		r.Reads, r.Reloads = nil, false
		return r
	case Image:
		r.Archive, r.Source, r.Snapshotter = "", "", ""
		return r
	case Command:
		return ran{r.Name, r.Digest}
	case Absent:
		r.Because = ""
		return r
	}
	return r
}

// Blank returns a resource that has only its name, for looking at something of
// which nothing else is known any more. It fails for an unknown kind, such as
// one recorded by a newer agent.
func Blank(id ID) (Resource, error) {
	switch id.Kind {
	case KindFile:
		return File{Path: id.Name}, nil
	case KindDir:
		return Dir{Path: id.Name}, nil
	case KindLink:
		return Link{Path: id.Name}, nil
	case KindService:
		return Service{Name: id.Name}, nil
	case KindSysctl:
		return Sysctl{Key: id.Name}, nil
	case KindImage:
		return Image{Ref: id.Name}, nil
	case KindModule:
		return Module{Name: id.Name}, nil
	case KindHugePages:
		return blankHugePages(id.Name)
	case KindSwapFile:
		return SwapFile{Path: id.Name}, nil
	case KindCommand:
		return Command{Name: id.Name}, nil
	case KindAbsent:
		return Absent{Path: id.Name}, nil
	}
	return nil, fmt.Errorf("cannot look at %s: this version knows no resources of kind %q", id, id.Kind)
}

// Stored wraps a resource so that JSON keeps its kind. A nil Resource is null.
type Stored struct{ Resource }

type storedJSON struct {
	Kind Kind            `json:"kind"`
	Spec json.RawMessage `json:"spec"`
}

// MarshalJSON writes {"kind": …, "spec": …}.
func (s Stored) MarshalJSON() ([]byte, error) {
	if s.Resource == nil {
		return []byte("null"), nil
	}
	spec, err := json.Marshal(s.Resource)
	if err != nil {
		return nil, err
	}
	return json.Marshal(storedJSON{s.ID().Kind, spec})
}

// UnmarshalJSON reads what MarshalJSON wrote; an unknown kind is an error.
func (s *Stored) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		s.Resource = nil
		return nil
	}
	var j storedJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	var err error
	switch j.Kind {
	case KindFile:
		s.Resource, err = decode[File](j.Spec)
	case KindDir:
		s.Resource, err = decode[Dir](j.Spec)
	case KindLink:
		s.Resource, err = decode[Link](j.Spec)
	case KindService:
		s.Resource, err = decode[Service](j.Spec)
	case KindSysctl:
		s.Resource, err = decode[Sysctl](j.Spec)
	case KindImage:
		s.Resource, err = decode[Image](j.Spec)
	case KindModule:
		s.Resource, err = decode[Module](j.Spec)
	case KindHugePages:
		s.Resource, err = decode[HugePages](j.Spec)
	case KindSwapFile:
		s.Resource, err = decode[SwapFile](j.Spec)
	case KindCommand:
		s.Resource, err = decode[Command](j.Spec)
	case KindAbsent:
		s.Resource, err = decode[Absent](j.Spec)
	default:
		err = fmt.Errorf("cannot decode resource: this version knows no kind %q", j.Kind)
	}
	return err
}

func decode[R Resource](b []byte) (Resource, error) {
	var r R
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, err
	}
	return r, nil
}
