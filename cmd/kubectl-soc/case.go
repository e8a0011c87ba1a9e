package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newCase(c *cli) *cobra.Command {
	var out output
	var picture graph
	cmd := &cobra.Command{
		Use:               "case NAME",
		Short:             "Tell a case: what happened, why this verdict, what is done about it",
		Args:              oneName("case"),
		ValidArgsFunction: c.completeCases,
		RunE:              func(cmd *cobra.Command, args []string) error { return c.tell(cmd, out, picture, args[0]) },
	}
	out.addFlag(cmd)
	cmd.Flags().StringVar((*string)(&picture), "graph", "", "draw the attack path into a file instead: .svg, .mmd or .md; - prints Mermaid")
	return cmd
}

func (c *cli) tell(cmd *cobra.Command, out output, picture graph, name string) error {
	drawing, err := picture.drawing()
	if err := errors.Join(out.check(), err); err != nil {
		return err
	}
	if out != "" && drawing != nil {
		return errors.New("--graph: draws the case and --output prints its object; give one of them")
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	found, err := s.investigation(cmd.Context(), name)
	if err != nil {
		return err
	}
	if drawing != nil {
		return c.draw(picture, drawing(c.style(), found))
	}
	if printed, err := out.print(c.Out, found); printed {
		return err
	}
	actions, err := s.actionsOf(cmd.Context(), found)
	if err != nil {
		return err
	}
	fmt.Fprint(c.Out, c.style().Case(found, actions))
	return nil
}
