// Package wire is what a virtual machine's agent and the lab say to each other, one JSON value a line: the lab sends
// [Request], the agent [Reply]. The first reply after each boot is a hello, with no ID.
package wire

// Port is the name of the virtio port they talk over.
const Port = "eksnode.lab"

// Request asks for a command to be run, as root with a plain environment, or for one that runs to be killed.
type Request struct {
	ID    uint64   `json:"id"`
	Args  []string `json:"args,omitempty"`
	Stdin []byte   `json:"stdin,omitempty"`
	Kill  bool     `json:"kill,omitempty"`
}

// Reply says how a command ended. Code is -1 when it did not start or was killed, which Error then explains.
type Reply struct {
	ID     uint64 `json:"id"`
	Code   int    `json:"code"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	Error  string `json:"error,omitempty"`
}
