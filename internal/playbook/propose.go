package playbook

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Proposal is an action that a playbook proposes, with its arguments resolved.
type Proposal struct {
	// ID of the action within the playbook.
	ID string
	// Connector, Operation and Arguments say what to do.
	Connector, Operation string
	Arguments            map[string]any
	// Order, After, UndoAfter: see v1alpha1.ProposedAction.
	Order     int32
	After     []v1alpha1.EarlierProposal
	UndoAfter *metav1.Duration
	// Playbook that proposes, and why.
	Playbook, Reason string
}

// Key is the same for proposals to do the same.
func (p Proposal) Key() string { return key(p.Connector, p.Operation, p.Arguments) }

// Propose returns the actions whose condition holds. An action on something that
// the alert does not have is not proposed. An error names the action that could
// not be decided, which is then not proposed. A playbook in mode Shadow proposes nothing.
func (p *Playbook) Propose(context Context) ([]Proposal, []error) {
	if p.mode != v1alpha1.PlaybookEnabled {
		return nil, nil
	}
	return p.proposals(context)
}

func (p *Playbook) proposals(context Context) ([]Proposal, []error) {
	vars := context.vars()
	var proposals []Proposal
	var errs []error
	proposed := map[string]bool{}
	for _, a := range p.actions {
		if !a.follows(proposed) {
			continue
		}
		proposal, err := p.propose(a, context.Alert, vars)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: action %s: %w", p.Name, a.spec.ID, err))
		}
		if proposal != nil {
			proposals = append(proposals, *proposal)
			proposed[a.spec.ID] = true
		}
	}
	return proposals, errs
}

// follows: all that the action depends on is proposed, too.
func (a *action) follows(proposed map[string]bool) bool {
	return !slices.ContainsFunc(a.spec.After, func(e v1alpha1.EarlierProposal) bool { return !proposed[e.ID] })
}

func (p *Playbook) propose(a *action, alert Alert, vars map[string]any) (*Proposal, error) {
	if ok, err := holds(a.when, alert, vars); !ok {
		return nil, err
	}
	with, err := a.with.resolve(vars)
	if err != nil {
		if lacks(alert, a.with.programs...) {
			return nil, nil
		}
		return nil, err
	}
	return &Proposal{
		ID: a.spec.ID, Connector: a.spec.Use.Connector, Operation: a.spec.Use.Operation, Arguments: with,
		Order: a.spec.Order, After: a.spec.After, UndoAfter: a.spec.UndoAfter, Playbook: p.Name,
		Reason: fmt.Sprintf("playbook %s proposes %s where %s", p.Name, a.spec.ID, oneLine(a.spec.When)),
	}, nil
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
