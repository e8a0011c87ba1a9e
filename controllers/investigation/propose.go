package investigation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/playbook"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// maxNarrative is what the schema takes.
const maxNarrative = 16384

// propose makes the actions that playbooks propose for the verdict, each once. The
// name follows from what is proposed, so that proposing it again changes nothing.
func (q *inquest) propose(status *v1alpha1.InvestigationStatus) ([]*v1alpha1.ResponseAction, error) {
	var actions []*v1alpha1.ResponseAction
	seen := map[string]string{} // the name of an action by what it does
	for _, index := range q.worstFirst {
		for _, p := range q.books {
			if matches, err := p.Matches(q.alerts[index]); err != nil || !matches {
				continue // an error is among the unanswered
			}
			context := q.context(index, p)
			context.Verdict, context.Probability = status.Verdict, float64(*status.ProbabilityPermille)/1000
			proposals, errs := p.Propose(context)
			for _, err := range errs {
				status.Narrative = shorten.Characters(status.Narrative+"\nNot proposed: "+analyst.Plain(err.Error(), 512), maxNarrative)
			}
			names := map[string]string{} // by the id in this playbook, for this alert
			for _, proposal := range proposals {
				name, exists := seen[proposal.Key()]
				if !exists {
					name, exists = q.name(proposal)
				}
				names[proposal.ID], seen[proposal.Key()] = name, name
				if exists {
					continue
				}
				action, err := q.action(proposal, name, names)
				if err != nil {
					return nil, err
				}
				actions = append(actions, action)
			}
		}
	}
	if left := len(actions) - maxActions; left > 0 {
		status.Narrative = shorten.Characters(fmt.Sprintf("%s\nNot proposed: %d more actions", status.Narrative, left), maxNarrative)
		actions = actions[:maxActions]
	}
	return actions, nil
}

// name of the action, and whether a case that was merged into this one made it already.
func (q *inquest) name(p playbook.Proposal) (string, bool) {
	for _, merged := range q.file.merged {
		if name := actionName(p, merged); q.file.has(name) {
			return name, true
		}
	}
	return actionName(p, q.file.investigation.Name), false
}

// actionName follows from what is proposed, and in which case.
func actionName(p playbook.Proposal, investigation string) string {
	sum := sha256.Sum256([]byte(p.Key()))
	return fmt.Sprintf("%s-%s-%s", shorten.Name(p.ID, 40), shorten.Name(investigation, 200), hex.EncodeToString(sum[:])[:5])
}

func (q *inquest) action(p playbook.Proposal, name string, names map[string]string) (*v1alpha1.ResponseAction, error) {
	with, err := json.Marshal(p.Arguments)
	if err != nil {
		return nil, fmt.Errorf("action %s of playbook %s: %w", p.ID, p.Playbook, err)
	}
	action := &v1alpha1.ResponseAction{}
	action.Namespace = q.file.investigation.Namespace
	action.Name = name
	action.Labels = map[string]string{v1alpha1.LabelInvestigation: q.file.investigation.Name}
	action.Spec = v1alpha1.ResponseActionSpec{
		Use:           &v1alpha1.ActionUse{Connector: p.Connector, Operation: p.Operation, With: &runtime.RawExtension{Raw: with}},
		Investigation: q.file.investigation.Name, Reason: shorten.Characters(p.Reason, 1024), RequestedBy: response.PlaybookRequester(p.Playbook, q.grader),
		Order: p.Order, UndoAfter: p.UndoAfter,
	}
	for _, earlier := range p.After {
		name := names[earlier.ID]
		// Two of a playbook that do the same are one action.
		if !slices.ContainsFunc(action.Spec.After, func(e v1alpha1.Earlier) bool { return e.Action == name }) {
			action.Spec.After = append(action.Spec.After, v1alpha1.Earlier{Action: name, Ended: earlier.Ended})
		}
	}
	return action, nil
}
