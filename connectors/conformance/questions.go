package conformance

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

func runQuestions(t *testing.T, asker connectors.Asker, questions []Question) {
	t.Run("unknown question", func(t *testing.T) {
		_, err := asker.Ask(t.Context(), "no-such-operation", nil)
		wantError(t, err, connectors.ErrUnsupported, "no-such-operation")
	})
	for _, q := range questions {
		t.Run(q.Name, func(t *testing.T) {
			t.Run("the answer fits", func(t *testing.T) { testAnswer(t, asker, q) })
			t.Run("wrong arguments", func(t *testing.T) {
				testArguments(t, q.Arguments, func(wrong map[string]any) error {
					_, err := asker.Ask(t.Context(), q.Name, wrong)
					return err
				})
			})
			t.Run("nothing found", func(t *testing.T) { testNothing(t, asker, q) })
			t.Run("cancelled", func(t *testing.T) {
				_, err := asker.Ask(cancelled(t), q.Name, q.Arguments)
				wantError(t, err, context.Canceled)
			})
		})
	}
}

func testAnswer(t *testing.T, asker connectors.Asker, q Question) {
	answer, err := asker.Ask(t.Context(), q.Name, q.Arguments)
	if err != nil {
		t.Fatalf("Ask: %v", err)
	}
	if answer == nil {
		t.Fatal("Ask found nothing; the example must have an answer")
	}
	o := find(t, asker, q.Name)
	if err := o.ValidateResult(answer); err != nil {
		t.Errorf("the answer does not fit its schema: %v", err)
	}
	if !plain(answer) {
		t.Errorf("the answer must be of plain JSON values, which CEL knows: %#v", answer)
	}
}

func testNothing(t *testing.T, asker connectors.Asker, q Question) {
	if q.Nothing == nil {
		t.Skip("the example names nothing that does not exist")
	}
	answer, err := asker.Ask(t.Context(), q.Name, q.Nothing)
	if answer != nil || err != nil {
		t.Errorf("got %v, %v; want nil, nil", answer, err)
	}
}

// testArguments gives each argument a value of a wrong type, and one that does
// not exist; the error must name it.
func testArguments(t *testing.T, right map[string]any, try func(wrong map[string]any) error) {
	t.Helper()
	for _, name := range append(slices.Sorted(maps.Keys(right)), "no-such-argument") {
		wrong := maps.Clone(right)
		if wrong == nil {
			wrong = map[string]any{}
		}
		wrong[name] = 1.5
		wantError(t, try(wrong), connectors.ErrInvalid, name)
	}
}

func find(t *testing.T, c connectors.Connector, name string) operation.Operation {
	t.Helper()
	o, err := connectors.Find(c, name)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func wantError(t *testing.T, got, want error, names ...string) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error is %v, want %v", got, want)
		return
	}
	for _, name := range names {
		if !strings.Contains(got.Error(), name) {
			t.Errorf("error %q does not name %s", got, name)
		}
	}
}

// plain says whether a value is made of what encoding/json makes.
func plain(value any) bool {
	switch v := value.(type) {
	case nil, bool, string, float64, int64:
		return true
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !plain(item) })
	case map[string]any:
		for _, item := range v {
			if !plain(item) {
				return false
			}
		}
		return true
	}
	return false
}
