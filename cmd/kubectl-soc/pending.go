package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/story"
)

func newPending(c *cli) *cobra.Command {
	var out output
	var all bool
	cmd := &cobra.Command{
		Use:   "pending",
		Short: "List the actions that wait for a human",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return c.pending(cmd, out, all) },
	}
	out.addFlag(cmd)
	addAllNamespaces(cmd, &all)
	return cmd
}

func addAllNamespaces(cmd *cobra.Command, all *bool) {
	cmd.Flags().BoolVarP(all, "all-namespaces", "A", false, "of all namespaces")
}

func (c *cli) pending(cmd *cobra.Command, out output, all bool) error {
	if err := out.check(); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	var actions v1alpha1.ResponseActionList
	if err := s.list(cmd.Context(), &actions, all); err != nil {
		return err
	}
	actions.Items = slices.DeleteFunc(actions.Items, func(a v1alpha1.ResponseAction) bool { return !story.Waits(&a) })
	if printed, err := out.print(c.Out, &actions); printed {
		return err
	}
	if len(actions.Items) == 0 {
		fmt.Fprintln(c.ErrOut, "No action waits for a human"+where(s, all)+elsewhere(all)+".")
		return nil
	}
	cases := map[string]*v1alpha1.Investigation{}
	for i := range actions.Items {
		key := story.CaseKey(&actions.Items[i])
		if _, known := cases[key]; known {
			continue
		}
		if cases[key], err = s.caseOf(cmd.Context(), &actions.Items[i]); err != nil {
			return err
		}
	}
	fmt.Fprint(c.Out, c.style().Pending(actions.Items, cases, all))
	namespace := s.namespace
	if all {
		namespace = "NAMESPACE"
	}
	fmt.Fprintf(c.ErrOut, "\nLook at one and decide: kubectl soc approve -n %s NAME (or deny)\n", namespace)
	return nil
}

func where(s *session, all bool) string {
	if all {
		return ""
	}
	return " in namespace " + s.namespace
}

// elsewhere says how to see what is not in the namespace that was asked about.
func elsewhere(all bool) string {
	if all {
		return ""
	}
	return "; -A looks in all namespaces"
}
