package host

import (
	"crypto/sha256"
	"encoding/hex"
)

// Absent is a file of someone else's that is not to be there with the content that
// it had when this was decided. It is for state that a service wrote, and would not
// start with any more. Once the service has written another content the wish is
// fulfilled, so nothing is deleted on an old judgement; and a wish that is dropped
// leaves nothing to undo.
type Absent struct {
	// Path is absolute and clean.
	Path string `json:"path"`
	// Digest is the SHA-256 of the content, as hex. It is empty where only the path
	// is known; then nothing is asked for.
	Digest string `json:"digest"`
	// Because says in one phrase why it has to go. Not part of an observation.
	Because string `json:"because,omitempty"`
}

// ContentDigest returns the SHA-256 of a file's content as hex, for Absent.Digest.
func ContentDigest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// ID implements Resource.
func (a Absent) ID() ID { return ID{KindAbsent, a.Path} }
