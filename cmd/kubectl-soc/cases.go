package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/story"
)

func newCases(c *cli) *cobra.Command {
	var out output
	var closed, all bool
	cmd := &cobra.Command{
		Use:   "cases",
		Short: "List the open cases, the most urgent first",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.cases(cmd, out, closed, all) },
	}
	out.addFlag(cmd)
	addAllNamespaces(cmd, &all)
	cmd.Flags().BoolVar(&closed, "all", false, "closed ones as well")
	return cmd
}

func (c *cli) cases(cmd *cobra.Command, out output, closed, all bool) error {
	if err := out.check(); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	var cases v1alpha1.InvestigationList
	if err := s.list(cmd.Context(), &cases, all); err != nil {
		return err
	}
	total := len(cases.Items)
	if !closed {
		cases.Items = slices.DeleteFunc(cases.Items, func(i v1alpha1.Investigation) bool { return story.Closed(&i) })
	}
	story.ByUrgency(cases.Items)
	if printed, err := out.print(c.Out, &cases); printed {
		return err
	}
	hidden := total - len(cases.Items)
	switch {
	case len(cases.Items) == 0 && hidden == 0:
		fmt.Fprintln(c.ErrOut, "There is no case"+where(s, all)+elsewhere(all)+".")
	case len(cases.Items) == 0:
		fmt.Fprintf(c.ErrOut, "There is no open case%s; --all shows the %d closed%s.\n", where(s, all), hidden, elsewhere(all))
	default:
		fmt.Fprint(c.Out, c.style().Cases(cases.Items, all))
	}
	return nil
}
