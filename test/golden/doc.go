// Package golden holds what eksnode makes of a machine: for many instance types,
// Kubernetes versions and situations, the whole wanted state as text. The tests
// compare it with the components' answers.
//
// To accept a change, run `UPDATE_GOLDEN=1 go test ./test/golden` and read the
// difference.
package golden
