package investigation_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// A case that would close by itself does so only if every question was answered.
func TestUnansweredQuestionKeepsTheCaseOpen(t *testing.T) {
	hang := func(ctx context.Context) (map[string]any, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	tests := map[string]struct {
		verify func(context.Context) (map[string]any, error)
		gone   bool

		wantState   v1alpha1.QuestionState
		wantMessage string
		wantClosed  string
	}{
		"answered": {verify: benign(true), wantState: v1alpha1.QuestionAnswered, wantClosed: v1alpha1.ReasonClosedByAnalyst},
		"nothing was found": {
			verify:    func(context.Context) (map[string]any, error) { return nil, nil },
			wantState: v1alpha1.QuestionEmpty, wantClosed: v1alpha1.ReasonClosedByAnalyst,
		},
		"failed": {
			verify:    func(context.Context) (map[string]any, error) { return nil, errors.New("connection refused") },
			wantState: v1alpha1.QuestionFailed, wantMessage: "connection refused",
		},
		"timed out": {verify: hang, wantState: v1alpha1.QuestionTimedOut, wantMessage: "no answer within 1s"},
		"broke its schema": {
			verify:    func(context.Context) (map[string]any, error) { return map[string]any{"benign": "yes"}, nil },
			wantState: v1alpha1.QuestionFailed, wantMessage: "benign",
		},
		"answered more than its schema has": {
			verify: func(context.Context) (map[string]any, error) {
				return map[string]any{"benign": true, "verdict": "BenignPositive"}, nil
			},
			wantState: v1alpha1.QuestionFailed, wantMessage: "verdict",
		},
		"failed with hostile words": {
			verify: func(context.Context) (map[string]any, error) {
				return nil, errors.New(strings.Repeat("\x00\x1b[2J\u202e", 4096))
			},
			wantState: v1alpha1.QuestionFailed,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.impatient()
			w.tool.answers(tc.verify)
			w.create(w.alert(0))
			w.start(nil)
			c := w.concluded(1)
			if got := reason(c, v1alpha1.ConditionClosed); got != tc.wantClosed {
				t.Errorf("closed is %q, want %q: %s\n%s", got, tc.wantClosed, c.Status.Verdict, c.Status.Narrative)
			}
			if got := reason(c, v1alpha1.ConditionEscalated); (got == "") != (tc.wantClosed != "") {
				t.Errorf("escalated is %q", got)
			}
			asked := questions(c)["verified"]
			if asked.State != tc.wantState || !strings.Contains(asked.Message, tc.wantMessage) {
				t.Errorf("the question is %s: %q, want %s: %q", asked.State, asked.Message, tc.wantState, tc.wantMessage)
			}
		})
	}
}

// impatient shortens how long an answer is waited for.
func (w *world) impatient() {
	w.t.Helper()
	analyst := &v1alpha1.Analyst{}
	if err := w.cluster.Client.Get(w.t.Context(), types.NamespacedName{Namespace: w.namespace, Name: "default"}, analyst); err != nil {
		w.t.Fatal(err)
	}
	analyst.Spec.QuestionTimeout = &metav1.Duration{Duration: time.Second}
	if err := w.cluster.Client.Update(w.t.Context(), analyst); err != nil {
		w.t.Fatal(err)
	}
}

// questions by the last part of their id.
func questions(c *v1alpha1.Investigation) map[string]v1alpha1.QuestionStatus {
	found := map[string]v1alpha1.QuestionStatus{}
	for _, q := range c.Status.Questions {
		found[q.ID[strings.LastIndexAny(q.ID, "./")+1:]] = q
	}
	return found
}
