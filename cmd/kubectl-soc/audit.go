package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tocsin-dev/tocsin/internal/audit"
)

func newAudit(c *cli) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove what the audit log says",
		// A script with a typing error must not take help for proof.
		RunE: func(*cobra.Command, []string) error {
			return errors.New("nothing was verified: say kubectl soc audit verify DIR")
		},
	}
	cmd.AddCommand(newAuditVerify(c))
	return cmd
}

func newAuditVerify(c *cli) *cobra.Command {
	var key string
	var earlier []string
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Verify a copy of the audit log, without any connection",
		Long: "Verify a copy of the audit log, without any connection.\n\n" +
			"DIR is a copy of the folder audit in the operator's volume, or of the folder log in it. Every entry and every hash " +
			"is computed again and compared with the signed root. The first thing that does not fit is named.",
		Example: "  kubectl soc audit verify ./audit --key audit.pub --earlier last-month.checkpoint",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return c.verify(cmd.Context(), args[0], key, earlier) },
	}
	cmd.Flags().StringVar(&key, "key", "", "file with the public key, from where nobody who could change the log could change it")
	cmd.Flags().StringArrayVar(&earlier, "earlier", nil, "checkpoint file that was kept earlier, which the log must continue")
	return cmd
}

func (c *cli) verify(ctx context.Context, dir, key string, earlier []string) error {
	if key == "" {
		var err error
		if key, err = keyBeside(dir); err != nil {
			return err
		}
		fmt.Fprintf(c.ErrOut, "warning: without --key the key is %s; a key from the same place as the log proves less: whoever could change one could change both\n", key)
	}
	vkey, err := os.ReadFile(key)
	if err != nil {
		return fmt.Errorf("public key: %w", err)
	}
	checkpoints := make([][]byte, 0, len(earlier))
	for _, file := range earlier {
		raw, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--earlier: %w", err)
		}
		checkpoints = append(checkpoints, raw)
	}
	report, err := audit.Verify(ctx, dir, strings.TrimSpace(string(vkey)), checkpoints...)
	var tampered *audit.Tampered
	switch {
	case errors.As(err, &tampered):
		return misfit(tampered)
	case err != nil:
		return fmt.Errorf("the log could not be verified: %w", err)
	}
	c.verified(report, len(earlier))
	return nil
}

// keyBeside is the public key that lies beside the log.
func keyBeside(dir string) (string, error) {
	for _, candidate := range []string{filepath.Join(dir, "audit.pub"), filepath.Join(dir, "..", "audit.pub")} {
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("there is no audit.pub in %s or beside it: name the public key with --key", dir)
}

func misfit(t *audit.Tampered) error {
	if t.Index < 0 {
		return fmt.Errorf("%s does not fit: it %s", t.File, t.Reason)
	}
	return fmt.Errorf("entry %d does not fit, the first that does not (in %s): it %s", t.Index, t.File, t.Reason)
}

func (c *cli) verified(r audit.Report, earlier int) {
	fmt.Fprintf(c.Out, "verified: %d entries of %s, root %s\n", r.Size, r.Origin, r.RootHash)
	if !r.LastTime.IsZero() {
		fmt.Fprintf(c.Out, "the last entry is of %s\n", r.LastTime.UTC().Format(time.RFC3339))
	}
	if earlier > 0 {
		fmt.Fprintln(c.Out, "it continues what was signed earlier")
	}
	if r.Unsigned > 0 {
		fmt.Fprintf(c.Out, "%d more entries were not signed yet when the copy was taken\n", r.Unsigned)
	}
	if len(r.Unfinished) > 0 {
		fmt.Fprintf(c.Out, "left by writes that were not finished, and no part of the log: %s\n", strings.Join(r.Unfinished, ", "))
	}
}
