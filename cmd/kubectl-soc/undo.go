package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/story"
)

func newUndo(c *cli) *cobra.Command {
	var consent consent
	var wait, whole bool
	cmd := &cobra.Command{
		Use:   "undo NAME",
		Short: "Ask to take an action back, or all of a case",
		Long: "Ask to take an action back, or with --case all actions of a case, the latest first.\n\n" +
			"An undo is an action like any other: it is planned, decided by the policies and, where they say so, approved by somebody else.",
		Args: oneName("action"),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
			if whole {
				return c.completeCases(cmd, args, prefix)
			}
			return c.completeActions(story.Undoable)(cmd, args, prefix)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if whole {
				return c.undoCase(cmd.Context(), &consent, wait, args[0])
			}
			return c.undo(cmd.Context(), &consent, wait, args[0])
		},
	}
	consent.addFlags(cmd)
	cmd.Flags().BoolVar(&whole, "case", false, "NAME is a case: take back all that was done for it, the latest first")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait a few seconds to see whether it needs approval")
	return cmd
}

func (c *cli) undo(ctx context.Context, consent *consent, wait bool, name string) error {
	if err := consent.check(c); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	action, err := s.action(ctx, name)
	if err != nil {
		return err
	}
	if err := s.undoable(ctx, action); err != nil {
		return err
	}
	me, err := s.whoAmI(ctx)
	if err != nil {
		return err
	}
	found, err := s.caseOf(ctx, action)
	if err != nil {
		return err
	}
	fmt.Fprint(c.Out, c.style().Done(action, found))
	reason, err := consent.ask(c, fmt.Sprintf("Take this back, as %s?", story.Plain(me)))
	if err != nil {
		return err
	}
	undo := undoOf(action, me, reason)
	if err := s.Create(ctx, undo); err != nil {
		return fmt.Errorf("the API server refused the ResponseAction: %w", plainly(err))
	}
	fmt.Fprintf(c.Out, "\nresponseaction/%s created: %s asks to undo %s\n", undo.Name, story.Plain(me), action.Name)
	if !wait {
		return nil
	}
	_, err = c.undoOutcome(ctx, s, undo.Name)
	return err
}

// undoable says why an action cannot be taken back, or who asked for that already.
func (s *session) undoable(ctx context.Context, a *v1alpha1.ResponseAction) error {
	switch {
	case a.Status.UndoneBy != "":
		return fmt.Errorf("%s was already undone by %s", a.Name, a.Status.UndoneBy)
	case !story.Undoable(a) && a.Status.Plan != nil && a.Status.Plan.Undo == v1alpha1.UndoIrreversible:
		return fmt.Errorf("%s cannot be undone: its operation is irreversible", a.Name)
	case !story.Undoable(a):
		return fmt.Errorf("there is nothing of %s to take back. %s", a.Name, story.Standing(a))
	}
	var actions v1alpha1.ResponseActionList
	if err := s.list(ctx, &actions, false); err != nil {
		return err
	}
	if other := undoing(a, actions.Items); other != nil {
		return fmt.Errorf("%s asked to undo %s already: %s. %s", other.Spec.RequestedBy, a.Name, other.Name, story.Standing(other))
	}
	return nil
}

// undoing is the undo of an action that is on its way, or nil.
func undoing(a *v1alpha1.ResponseAction, actions []v1alpha1.ResponseAction) *v1alpha1.ResponseAction {
	for i := range actions {
		if other := &actions[i]; other.Spec.Undo == a.Name && !response.Settled(other) && !response.Stalled(other) {
			return other
		}
	}
	return nil
}

func undoOf(a *v1alpha1.ResponseAction, me, reason string) *v1alpha1.ResponseAction {
	undo := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: a.Namespace, GenerateName: "undo-" + a.Name + "-"},
		Spec: v1alpha1.ResponseActionSpec{
			Undo: a.Name, Investigation: a.Spec.Investigation, Reason: reason, RequestedBy: me,
		},
	}
	if label, labelled := a.Labels[v1alpha1.LabelInvestigation]; labelled {
		undo.Labels = map[string]string{v1alpha1.LabelInvestigation: label}
	}
	return undo
}

// undoOutcome says what happens next, and whether it is taken back by now.
func (c *cli) undoOutcome(ctx context.Context, s *session, name string) (done bool, err error) {
	undo, err := until(ctx, s, &v1alpha1.ResponseActionList{}, name, func(a *v1alpha1.ResponseAction) bool {
		return story.Waits(a) || response.Settled(a) || response.Stalled(a)
	})
	switch {
	case err != nil && !errors.Is(err, errImpatient):
		return false, err
	case undo == nil || undo.Status.Plan == nil && !response.Stalled(undo):
		return false, fmt.Errorf("not planned within %s: %s It stays, and is planned once the operator runs: kubectl get -n %s responseaction %s",
			s.patience, whoRuns, s.namespace, name)
	case story.Waits(undo):
		fmt.Fprintf(c.Out, "it waits for somebody else with tier %s: kubectl soc approve -n %s %s\n", undo.Status.Decision.Tier, undo.Namespace, undo.Name)
	case response.Stalled(undo):
		return false, errors.New(story.Standing(undo))
	default:
		fmt.Fprintln(c.Out, story.Standing(undo))
	}
	return response.Settled(undo), nil
}
