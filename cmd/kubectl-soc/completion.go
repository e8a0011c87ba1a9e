package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/story"
)

// oneName is what verbs about one object take, with what to call it in an error.
func oneName(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return fmt.Errorf("%s takes the name of one %s: %s", cmd.Name(), what, cmd.UseLine())
	}
}

// completeActions offers the names of actions for which a verb makes sense.
func (c *cli) completeActions(wanted func(*v1alpha1.ResponseAction) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		var actions v1alpha1.ResponseActionList
		s, err := c.connect()
		if len(args) > 0 || err != nil || s.list(cmd.Context(), &actions, false) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for i := range actions.Items {
			if a := &actions.Items[i]; strings.HasPrefix(a.Name, prefix) && wanted(a) {
				names = append(names, cobra.CompletionWithDesc(a.Name, story.Summary(a)))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeCases offers the names of cases, the most urgent first.
func (c *cli) completeCases(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	var cases v1alpha1.InvestigationList
	s, err := c.connect()
	if len(args) > 0 || err != nil || s.list(cmd.Context(), &cases, false) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	story.ByUrgency(cases.Items)
	var names []string
	for i := range cases.Items {
		if found := &cases.Items[i]; strings.HasPrefix(found.Name, prefix) {
			names = append(names, cobra.CompletionWithDesc(found.Name, story.Plain(found.Status.Title)))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
