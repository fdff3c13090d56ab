// Package networkmanager speaks with NetworkManager over D-Bus, on Linux alone.
//
// https://networkmanager.dev/docs/api/latest/gdbus-org.freedesktop.NetworkManager.html
package networkmanager
