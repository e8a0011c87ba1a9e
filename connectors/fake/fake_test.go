package fake_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/fake"
)

func look(arguments map[string]any) (map[string]any, error) {
	name, ok := arguments["name"].(string)
	if !ok || len(arguments) != 1 {
		return nil, fmt.Errorf("%w: only name is known, a string; got %v", connectors.ErrInvalid, arguments)
	}
	if name == "nothing" {
		return nil, nil
	}
	return map[string]any{"found": true}, nil
}

func TestConformance(t *testing.T) {
	c := fake.New().
		Answer(fake.Question{Name: "look", Answer: look}).
		Offer(fake.Action{Name: "isolate", Risk: v1alpha1.RiskMedium}, fake.Action{Name: "delete", Risk: v1alpha1.RiskHigh, Irreversible: true})
	example := func(operation string) conformance.Action {
		return conformance.Action{
			Request:  connectors.Request{Operation: operation, Arguments: map[string]any{"target": "shop/web-0"}, Key: "k"},
			Prepare:  func(*testing.T) { c.Put("shop/web-0", "u1") },
			Snapshot: func(*testing.T) []byte { return c.Snapshot() },
		}
	}
	conformance.Run(t, conformance.Subject{
		Connector: c,
		Questions: []conformance.Question{{Name: "look", Arguments: map[string]any{"name": "web"}, Nothing: map[string]any{"name": "nothing"}}},
		Actions:   []conformance.Action{example("isolate"), example("delete")},
	})
}

func TestCrashPoints(t *testing.T) {
	lost := errors.New("connection lost")
	tests := map[string]struct {
		at          fake.Point
		want        connectors.Effect
		wantChanges int
	}{
		"before":    {at: fake.AtExecute, want: connectors.EffectAbsent},
		"halfway":   {at: fake.AtHalf, want: connectors.EffectPartial},
		"afterward": {at: fake.AtEnd, want: connectors.EffectPresent, wantChanges: 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := fake.New().Offer(fake.Action{Name: "isolate", Risk: v1alpha1.RiskMedium, Argument: "pod", Kind: "Pod"})
			c.Put("shop/web-0", "u1")
			c.At(test.at, func() error { return lost })
			request := connectors.Request{Operation: "isolate", Arguments: map[string]any{"pod": "shop/web-0"}, Key: "k"}
			plan, err := c.Plan(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Execute(t.Context(), request, plan); !errors.Is(err, lost) {
				t.Fatalf("Execute: got %v, want %v", err, lost)
			}
			if got := c.Changes("isolate"); got != test.wantChanges {
				t.Errorf("changes after the crash: got %d, want %d", got, test.wantChanges)
			}
			if got, err := c.Observe(t.Context(), request, plan.Target); got != test.want || err != nil {
				t.Errorf("Observe: got %s, %v; want %s", got, err, test.want)
			}
			if result, err := c.Execute(t.Context(), request, plan); err != nil || result.Outcome != v1alpha1.OutcomeSucceeded {
				t.Errorf("the next Execute: got %+v, %v", result, err)
			}
			if !c.Marked("shop/web-0", "isolate") || c.Changes("isolate") != 1 {
				t.Errorf("marked is %t after %d changes, want once", c.Marked("shop/web-0", "isolate"), c.Changes("isolate"))
			}
		})
	}
}

func TestCallsAreRecorded(t *testing.T) {
	c := fake.New().Answer(fake.Question{Name: "look", Answer: look})
	if _, err := c.Ask(t.Context(), "look", map[string]any{"name": "web"}); err != nil {
		t.Fatal(err)
	}
	want := []fake.Call{{Method: "Ask", Operation: "look", Arguments: map[string]any{"name": "web"}}}
	if diff := cmp.Diff(want, c.Calls()); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
