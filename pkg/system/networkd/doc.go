// Package networkd speaks with systemd-networkd over D-Bus.
//
// https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.network1.html
package networkd
