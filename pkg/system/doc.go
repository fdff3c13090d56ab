// Package system is where the agent touches the operating system. Its
// packages hold the drivers of host resources, one for each kind of thing; the
// package itself tells what a machine image already brings.
package system
