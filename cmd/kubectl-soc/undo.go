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
	var wait bool
	cmd := &cobra.Command{
		Use:   "undo NAME",
		Short: "Ask to take an action back",
		Long: "Ask to take an action back.\n\n" +
			"An undo is an action like any other: it is planned, decided by the policies and, where they say so, approved by somebody else.",
		Args:              oneName("action"),
		ValidArgsFunction: c.completeActions(story.Undoable),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.undo(cmd.Context(), &consent, wait, args[0])
		},
	}
	consent.addFlags(cmd)
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
	return c.undoOutcome(ctx, s, undo.Name)
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
	for i := range actions.Items {
		if other := &actions.Items[i]; other.Spec.Undo == a.Name && !response.Settled(other) && !response.Stalled(other) {
			return fmt.Errorf("%s asked to undo %s already: %s. %s", other.Spec.RequestedBy, a.Name, other.Name, story.Standing(other))
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

// undoOutcome says what happens next.
func (c *cli) undoOutcome(ctx context.Context, s *session, name string) error {
	undo, err := until(ctx, s, &v1alpha1.ResponseActionList{}, name, func(a *v1alpha1.ResponseAction) bool {
		return story.Waits(a) || response.Settled(a) || response.Stalled(a)
	})
	switch {
	case err != nil && !errors.Is(err, errImpatient):
		return err
	case undo == nil || undo.Status.Plan == nil && !response.Stalled(undo):
		return fmt.Errorf("not planned within %s: %s It stays, and is planned once the operator runs: kubectl get -n %s responseaction %s",
			s.patience, whoRuns, s.namespace, name)
	case story.Waits(undo):
		fmt.Fprintf(c.Out, "it waits for somebody else with tier %s: kubectl soc approve -n %s %s\n", undo.Status.Decision.Tier, undo.Namespace, undo.Name)
	case response.Stalled(undo):
		return errors.New(story.Standing(undo))
	default:
		fmt.Fprintln(c.Out, story.Standing(undo))
	}
	return nil
}
