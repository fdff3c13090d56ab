// Package api is NodeConfig: what a person may write about a node, and nothing
// about how the node is made.
//
// It turns bytes from user data, drop-in files and standard input into one
// configuration in four steps, each usable on its own:
//
//	Decode    bytes     -> documents, every leaf with source, line and column
//	Merge     documents -> one NodeConfig, every leaf with what it shadowed
//	Validate  merged    -> all problems at once, each with a remedy
//	Encode    config    -> canonical YAML, or the one-line JSON of nodeadm's "config dump"
//
// [Load] runs the first three for callers that want nothing in between.
//
// Documents are of nodeadm's group or of the superset, which adds the fields of
// [Superset]; documents of both merge. Some values may refer to facts of the
// machine, see [FactNames]; they are replaced where the node is decided.
//
// The package is pure: it reads no file, no clock and no environment. No input,
// however broken, makes it panic, and the limits in limits.go bound the time and
// memory that any input can cost.
package api
