// Package winhardware tells what a Windows machine is made of, as the same facts that
// package hardware reads from the files of a Linux. What Windows hands out as bytes is
// parsed in portable code; only the calls are Windows' own.
package winhardware
