package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/eksnode/eksnode/pkg/host"
	"github.com/eksnode/eksnode/pkg/node"
)

// whyFits returns an error where reasons are asked for in an output that has no
// place for them.
func whyFits(why bool, output string) error {
	if why && output == "diff" {
		return errors.New("cannot print reasons in a diff: use -o text or -o json")
	}
	return nil
}

// programLines is a program as lines of text, with an argument in each; nothing for
// one of which only the name is known.
func programLines(c host.Command) string {
	if len(c.Args) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# within %s, once in the machine's life: %v, a failure is a warning: %v\n", c.Timeout, c.Once, c.Tolerate)
	for _, arg := range c.Args {
		fmt.Fprintf(&b, "%q\n", arg)
	}
	return b.String()
}

// printReasons shows where the decided values come from.
func printReasons(w io.Writer, reasons []node.Reason) error {
	p := &printer{w: w}
	p.line("\nWhy")
	var rows [][]string
	for _, r := range reasons {
		rows = append(rows, []string{"  " + r.Component, r.Setting, oneLine(r.Value), oneLine(r.From)})
	}
	p.table(rows...)
	return p.err
}
