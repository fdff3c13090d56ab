package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/eksnode/eksnode/internal/atomicfile"
	"github.com/eksnode/eksnode/pkg/convert"
	"github.com/eksnode/eksnode/pkg/fault"
)

// maxConvertInput bounds what is read, well above what package convert takes.
const maxConvertInput = 16 << 20

type convertFlags struct {
	to, from, output, report string
	allowLoss                bool
}

func (a *app) configConvertCommand() *cobra.Command {
	var f convertFlags
	cmd := &cobra.Command{
		Use:   "convert [FILE|-]",
		Short: "Translate a configuration from and to other programs' formats (exit 0: converted, 1: not, or something would be lost)",
		Long: `Translate a node's configuration. What is read: NodeConfig of nodeadm, of EKS Hybrid
Nodes and of eksnode; a call of AL2's bootstrap.sh or the user data that has it;
the same for Windows' Start-EKSBootstrap.ps1; Bottlerocket's TOML; kubeadm's
JoinConfiguration. Without FILE, or with "-", it is standard input.

The result goes to standard output, with its secrets. The report goes to standard
error: every field of the input is translated, not needed there, of another meaning
there, or cannot be expressed; and what the target needs and the input lacks is
listed. If something cannot be expressed, nothing is written unless --allow-loss is
given. Scripts are read and never run.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error { return a.convertConfig(f, append(files, "-")[0]) },
	}
	cmd.Flags().StringVar(&f.to, "to", string(convert.EKSNode), "format to write: "+formats(convert.Targets()))
	cmd.Flags().StringVar(&f.from, "from", "", "format to read: "+formats(convert.Formats())+"; told by the content when not given")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "file to write, readable by its owner alone, in place of standard output")
	cmd.Flags().StringVar(&f.report, "report", "text", "form of the report: text or json")
	cmd.Flags().BoolVar(&f.allowLoss, "allow-loss", false, "write the result although something cannot be expressed")
	return cmd
}

func formats(all []convert.Format) string {
	var names []string
	for _, f := range all {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func (a *app) convertConfig(f convertFlags, file string) error {
	options := convert.Options{Now: a.now()}
	var err error
	if options.To, err = convert.ParseFormat(f.to); err != nil {
		return err
	}
	if f.from != "" {
		if options.From, err = convert.ParseFormat(f.from); err != nil {
			return err
		}
	}
	if f.report != "text" && f.report != "json" {
		return fmt.Errorf("cannot print a report as %q: known are text and json", f.report)
	}
	raw, err := a.readInput(file)
	if err != nil {
		return fault.New(fault.ConfigUnreadable, "Check that the path is right and that you may read it.", fmt.Errorf("cannot read configuration: %w", err))
	}
	result, err := convert.Convert(raw, options)
	if err != nil {
		return fault.New(fault.ConfigInvalid, "Correct what the message names; --from names the format where the content does not tell it.", err)
	}
	if err := a.printConversion(result.Report, f.report); err != nil {
		return err
	}
	if result.Report.Lossy() && !f.allowLoss {
		return fault.New(fault.ConfigInvalid, "Take care of what the report lists, then convert again with --allow-loss.",
			errors.New("cannot convert without loss: nothing was written"))
	}
	if f.output != "" && f.output != "-" {
		return atomicfile.Write(f.output, result.Output, ownFile(0o600))
	}
	_, err = a.stdout.Write(result.Output)
	return err
}

// readInput reads a file or, for "-", standard input.
func (a *app) readInput(file string) ([]byte, error) {
	in := a.stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer opened.Close()
		in = opened
	}
	return io.ReadAll(io.LimitReader(in, maxConvertInput))
}

// printConversion writes the report where it does not mix with the result.
func (a *app) printConversion(r convert.Report, form string) error {
	if form == "json" {
		return writeJSON(a.stderr, r)
	}
	_, err := io.WriteString(a.stderr, r.Text())
	return err
}
