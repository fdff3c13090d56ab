//go:build !linux

package drivertest_test

import "io/fs"

func identity(fs.FileInfo) string { return "" }
