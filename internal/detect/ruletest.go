package detect

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
	"github.com/tocsin-dev/tocsin/internal/check"
)

// RunTests runs the rule's own tests. The error says of each test that failed what happened.
func (r *Rule) RunTests() error {
	var failed []error
	for i, test := range r.Tests() {
		if test.Err != nil {
			failed = append(failed, fmt.Errorf("spec.tests[%s]: %w", r.spec.Tests[i].Name, test.Err))
		}
	}
	return errors.Join(failed...)
}

// Tests runs the rule's own tests as the engine would, but with every exception in
// force, so that a test means the same tomorrow, and returns the result of each.
func (r *Rule) Tests() []check.Test {
	results := make([]check.Test, 0, len(r.spec.Tests))
	for i, t := range r.spec.Tests {
		began := time.Now()
		err := r.runTest(t)
		results = append(results, check.Test{Name: t.Name, Path: fmt.Sprintf("spec.tests[%d]", i), Err: err, Took: time.Since(began)})
	}
	return results
}

func (r *Rule) runTest(t v1alpha1.DetectionTest) error {
	var raw map[string]any
	if err := json.Unmarshal(t.Event.Raw, &raw); err != nil {
		return fmt.Errorf("event: must be a JSON object: %w", err)
	}
	event := auditevent.Read(raw)
	why := r.looksAt(event)
	matched := why == ""
	if matched {
		vars := map[string]any{"event": newVariable(raw, event)}
		var err error
		if matched, err = r.match(vars, func(time.Time) bool { return true }); err != nil {
			return err
		}
		why = "spec.when is false or an exception applies"
		if matched {
			if _, err := r.alert(event, vars); err != nil {
				return err
			}
		}
	}
	switch {
	case matched && t.Expect == v1alpha1.ExpectNoMatch:
		return errors.New("expected NoMatch, but the rule matches")
	case !matched && t.Expect == v1alpha1.ExpectMatch:
		return fmt.Errorf("expected Match, but %s", why)
	}
	return nil
}

// looksAt returns why the rule does not look at the event, or nothing if it does.
func (r *Rule) looksAt(e auditevent.Event) string {
	switch {
	case !e.Answered():
		return fmt.Sprintf("the event's stage is %q, and only answered requests are looked at", e.Stage)
	case !covers(r.spec.Verbs, e.Verb):
		return fmt.Sprintf("the event's verb %q is not in spec.verbs", e.Verb)
	case !covers(r.spec.Resources, e.Object.Path()):
		return fmt.Sprintf("the event's resource %q is not in spec.resources", e.Object.Path())
	}
	return ""
}
