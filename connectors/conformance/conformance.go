// Package conformance is the one suite that every connector passes.
package conformance

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// Subject is a connector with an example of everything it can do.
type Subject struct {
	Connector connectors.Connector
	// Questions: one for each Read operation at least.
	Questions []Question
	// Actions: one for each Write operation at least that is not InverseOnly.
	Actions []Action
}

// Question is an example that has an answer.
type Question struct {
	Name      string
	Arguments map[string]any
	// Nothing are arguments to which there is no answer; nil to leave that out.
	Nothing map[string]any
}

// Action is an example that has something to do.
type Action struct {
	Request connectors.Request
	// Prepare brings the world into the state in which there is something to do.
	// It is called before each test, whatever the one before did.
	Prepare func(t *testing.T)
	// Snapshot returns everything that the action might change, without what
	// changes by itself or cannot be restored, such as versions.
	Snapshot func(t *testing.T) []byte
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Run("operations", func(t *testing.T) { testOperations(t, s) })
	t.Run("check", func(t *testing.T) {
		if err := s.Connector.Check(t.Context()); err != nil {
			t.Errorf("Check: %v", err)
		}
	})
	if asker, ok := s.Connector.(connectors.Asker); ok {
		runQuestions(t, asker, s.Questions)
	}
	if responder, ok := s.Connector.(connectors.Responder); ok {
		runActions(t, responder, s.Actions)
	}
}

func testOperations(t *testing.T, s Subject) {
	examples := map[string]bool{}
	for _, q := range s.Questions {
		examples[q.Name] = true
	}
	for _, a := range s.Actions {
		examples[a.Request.Operation] = true
	}
	seen := map[string]bool{}
	for _, o := range s.Connector.Operations() {
		if seen[o.Name] {
			t.Errorf("%s is offered twice", o.Name)
		}
		seen[o.Name] = true
		if o.Name == "" || o.Summary == "" {
			t.Errorf("operation %q: name and summary are required, summary is %q", o.Name, o.Summary)
		}
		if _, err := o.Compile(); err != nil {
			t.Errorf("%s: %v", o.Name, err)
		}
		if !o.InverseOnly && !examples[o.Name] {
			t.Errorf("%s: there is no example of it in the Subject", o.Name)
		}
		testMode(t, o.Name, o.Mode, o.Risk, o.Undo)
	}
}

func testMode(t *testing.T, name string, mode v1alpha1.OperationMode, risk v1alpha1.Risk, undo v1alpha1.OperationUndo) {
	t.Helper()
	switch mode {
	case v1alpha1.OperationRead:
		if risk != "" || undo != "" {
			t.Errorf("%s: a question has no risk and no undo, got %q and %q", name, risk, undo)
		}
	case v1alpha1.OperationWrite:
		if risk == "" || undo == "" {
			t.Errorf("%s: an action has a risk and an undo, got %q and %q", name, risk, undo)
		}
	default:
		t.Errorf("%s: mode is %q, want Read or Write", name, mode)
	}
}
