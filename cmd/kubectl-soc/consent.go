package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// maxReason is what the API server accepts, in characters.
const maxReason = 1024

// errNo: the answer was no.
var errNo = errors.New("nothing was done")

// consent is asked before anything is created.
type consent struct {
	yes    bool
	reason string
}

func (f *consent) addFlags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask; needs --reason")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the audit log")
}

// check refuses early what could not be asked later.
func (f *consent) check(c *cli) error {
	switch {
	case !f.yes && !c.terminal:
		return errors.New(`there is no terminal to ask on, so nothing was done; a script says --yes --reason "why"`)
	case f.yes && strings.TrimSpace(f.reason) == "":
		return errors.New(`--yes needs --reason "why": the reason goes into the audit log`)
	case f.reason != "" && strings.TrimSpace(f.reason) == "":
		return errors.New("--reason: must not be blank: it goes into the audit log")
	case len([]rune(f.reason)) > maxReason:
		return fmt.Errorf("--reason: has %d characters, at most %d are kept", len([]rune(f.reason)), maxReason)
	}
	return nil
}

// ask returns the reason once somebody has said yes.
func (f *consent) ask(c *cli, question string) (string, error) {
	if f.yes {
		return f.reason, nil
	}
	in := bufio.NewReader(c.In)
	fmt.Fprintf(c.Out, "\n%s [y/N] ", question)
	answer, err := line(in)
	if err != nil {
		return "", err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return "", errNo
	}
	if f.reason != "" {
		return f.reason, nil
	}
	fmt.Fprint(c.Out, "Why? (for the audit log) ")
	reason, err := line(in)
	if err != nil {
		return "", err
	}
	if reason == "" {
		return "", fmt.Errorf("%w: a reason is needed", errNo)
	}
	return reason, nil
}

func line(in *bufio.Reader) (string, error) {
	text, err := in.ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimSpace(text), err
}
