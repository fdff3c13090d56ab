// Package interop runs what eksnode makes against the real programs that read
// it, where these are libraries. It is a module of its own, so that none of them
// becomes a dependency of the product.
package interop
