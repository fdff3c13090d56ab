// Package windows runs the Windows build under Wine, which is the nearest thing to
// Windows that a Linux machine has: what does not depend on the machine must say there
// what it says here, and what Wine tells of the machine must be what Linux tells.
package windows
