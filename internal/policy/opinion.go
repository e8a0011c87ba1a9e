package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// deadline bounds the asking of one policy.
const deadline = 100 * time.Millisecond

// maxApprovals is the most that a policy may demand.
const maxApprovals = 10

// opinion is what one policy says.
type opinion struct {
	deny, allow []string
	require     []requirement
	// skip says why no evidence is captured before the action destroys it.
	skip []string
}

// requirement is a number of approvals at a tier, and why.
type requirement struct {
	tier      v1alpha1.Tier
	approvals int32
	reason    string
}

// ask evaluates the policy. An error means that what it says cannot be trusted
// to be all that it has to say; what could be read of it is returned beside.
func (p *Policy) ask(ctx context.Context, input ast.Value) (opinion, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	results, err := p.query.Eval(ctx, rego.EvalParsedInput(input))
	switch {
	case ctx.Err() != nil:
		return opinion{}, fmt.Errorf("no answer within %s", deadline)
	case err != nil:
		return opinion{}, err
	case len(results) != 1:
		return opinion{}, errors.New("the answer is undefined")
	}
	said, ok := results[0].Bindings["said"].(map[string]any)
	if !ok {
		return opinion{}, errors.New("the answer is undefined")
	}
	return read(said)
}

// read takes every element that is of the right shape and reports the first that is not.
func read(said map[string]any) (opinion, error) {
	var o opinion
	var failures []error
	var err error
	if o.deny, err = messages("deny", said["deny"]); err != nil {
		failures = append(failures, err)
	}
	if o.allow, err = messages("allow", said["allow"]); err != nil {
		failures = append(failures, err)
	}
	if o.skip, err = messages("skip_evidence", said["skip_evidence"]); err != nil {
		failures = append(failures, err)
	}
	if o.require, err = requirements(said["require"]); err != nil {
		failures = append(failures, err)
	}
	return o, errors.Join(failures...)
}

func messages(rule string, value any) ([]string, error) {
	var found []string
	var err error
	for _, element := range elements(value) {
		message, ok := element.(string)
		if !ok || strings.TrimSpace(message) == "" {
			err = fmt.Errorf("%s must contain texts that say why, not %s", rule, show(element))
			continue
		}
		found = append(found, message)
	}
	return found, err
}

func requirements(value any) ([]requirement, error) {
	var found []requirement
	var err error
	for _, element := range elements(value) {
		r, problem := readRequirement(element)
		if problem != nil {
			err = fmt.Errorf("require must contain {\"tier\", \"approvals\", \"reason\"}: %w in %s", problem, show(element))
			continue
		}
		found = append(found, r)
	}
	return found, err
}

func readRequirement(element any) (requirement, error) {
	object, ok := element.(map[string]any)
	if !ok {
		return requirement{}, errors.New("not an object")
	}
	for key := range object {
		if key != "tier" && key != "approvals" && key != "reason" {
			return requirement{}, fmt.Errorf("unknown field %q", key)
		}
	}
	tier, _ := object["tier"].(string)
	if v1alpha1.Tier(tier).Rank() == 0 {
		return requirement{}, fmt.Errorf("tier must be %q or %q", v1alpha1.TierAnalyst, v1alpha1.TierSenior)
	}
	number, _ := object["approvals"].(json.Number)
	approvals, err := number.Int64()
	if err != nil || approvals < 1 || approvals > maxApprovals {
		return requirement{}, fmt.Errorf("approvals must be a whole number from 1 to %d", maxApprovals)
	}
	reason, _ := object["reason"].(string)
	if strings.TrimSpace(reason) == "" {
		return requirement{}, errors.New("reason must say why")
	}
	return requirement{tier: v1alpha1.Tier(tier), approvals: int32(approvals), reason: reason}, nil
}

// elements of a set; OPA hands sets out as sorted lists. A rule that the module does not have is nil.
func elements(value any) []any {
	list, _ := value.([]any)
	return list
}

// show prints a value in short.
func show(value any) string {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%T", value)
	}
	return shorten.Characters(string(raw), 128)
}
