package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/story"
)

// maxOrder is the highest spec.order that the API server accepts.
const maxOrder = 100

// undoCase asks for one undo of each action of a case, in the reverse order of execution.
func (c *cli) undoCase(ctx context.Context, consent *consent, wait bool, name string) error {
	if err := consent.check(c); err != nil {
		return err
	}
	s, err := c.connect()
	if err != nil {
		return err
	}
	found, err := s.investigation(ctx, name)
	if err != nil {
		return err
	}
	actions, err := s.actionsOf(ctx, found)
	if err != nil {
		return err
	}
	back, first := latestFirst(actions)
	switch {
	case len(back) == 0:
		return fmt.Errorf("there is nothing of case %s to take back that is not being taken back already: kubectl soc case -n %s %s", name, s.namespace, name)
	case first+int32(len(back)) > maxOrder+1:
		return fmt.Errorf("case %s has %d actions to take back, and %d undos have an order at most: take some back by their names first", name, len(back), maxOrder+1-first)
	}
	me, err := s.whoAmI(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.Out, "What was done for case %s, and will be taken back in this order\n", story.Plain(name))
	for i := range back {
		fmt.Fprintf(c.Out, "  %s  %s (%s)\n", started(&back[i]).In(c.zone).Format("2006-01-02 15:04:05"), story.Summary(&back[i]), story.Plain(back[i].Name))
	}
	reason, err := consent.ask(c, fmt.Sprintf("Take all of this back, as %s?", story.Plain(me)))
	if err != nil {
		return err
	}
	undos, err := c.createUndos(ctx, s, back, first, func(a *v1alpha1.ResponseAction) *v1alpha1.ResponseAction {
		undo := undoOf(a, me, reason)
		undo.Spec.Investigation = name // merged cases have one order
		return undo
	})
	if err != nil || !wait {
		return err
	}
	return c.undosOutcome(ctx, s, undos)
}

// latestFirst are the actions that can be taken back and are not about to be, the latest
// first, and the order of the first undo: behind those that were asked for before.
func latestFirst(actions []v1alpha1.ResponseAction) (back []v1alpha1.ResponseAction, first int32) {
	first = 1
	for i := range actions {
		a := &actions[i]
		if a.Spec.Undo != "" {
			first = max(first, a.Spec.Order+1)
		}
		if story.Undoable(a) && undoing(a, actions) == nil {
			back = append(back, *a)
		}
	}
	slices.SortFunc(back, func(a, b v1alpha1.ResponseAction) int {
		return cmp.Or(started(&b).Compare(started(&a)), cmp.Compare(a.Name, b.Name))
	})
	return back, first
}

func started(a *v1alpha1.ResponseAction) time.Time {
	if a.Status.Execution != nil {
		return a.Status.Execution.StartedAt.Time
	}
	return a.Status.Result.FinishedAt.Time
}

func (c *cli) createUndos(ctx context.Context, s *session, back []v1alpha1.ResponseAction, first int32,
	undoOf func(*v1alpha1.ResponseAction) *v1alpha1.ResponseAction,
) (names []string, err error) {
	for i := range back {
		undo := undoOf(&back[i])
		undo.Spec.Order = first + int32(i)
		if err := s.Create(ctx, undo); err != nil {
			return names, fmt.Errorf("the API server refused the ResponseAction that undoes %s, after %d that it took: %w", back[i].Name, i, plainly(err))
		}
		fmt.Fprintf(c.Out, "responseaction/%s created\n", undo.Name)
		names = append(names, undo.Name)
	}
	return names, nil
}

// undosOutcome follows the undos as far as they get without anybody else.
func (c *cli) undosOutcome(ctx context.Context, s *session, names []string) error {
	for i, name := range names {
		fmt.Fprintf(c.Out, "\n%s\n", name)
		done, err := c.undoOutcome(ctx, s, name)
		left := len(names) - i - 1
		if err != nil && left > 0 {
			return fmt.Errorf("%w. The other %d wait: look why, then delete %s to go on without it, or those to stop here", err, left, name)
		}
		if err != nil {
			return err
		}
		if !done {
			if left > 0 {
				fmt.Fprintf(c.Out, "the other %d follow, one after the other\n", left)
			}
			return nil
		}
	}
	return nil
}
