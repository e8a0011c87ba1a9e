package responseaction_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/internal/response"
)

func workload(namespace string) v1alpha1.TargetReference {
	return v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Namespace: namespace, Name: "web", UID: "rs"}
}

// takes lets every plan take one of so many pods that serve.
func (w *world) takes(serving, pods int) {
	w.tool.Foretell(func(p *connectors.Plan) {
		p.Shares = []connectors.Share{{Workload: workload("shop"), Pods: pods, Serving: serving, Taken: 1}}
	})
}

func TestHalfOfAWorkloadIsLeft(t *testing.T) {
	w := newWorld(t)
	w.takes(2, 4)
	w.ask("act", "isolate")
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonGuardRail, "it would leave 1 of 4 pods of ReplicaSet shop/web serving")
	w.expect(got, v1alpha1.ReasonGuardRail, "lists isolate in spec.scope.operations and shop in spec.scope.targetNamespaces")
	if response.Settled(got) || w.executions() != 0 || w.log.types() != "decision" {
		t.Errorf("settled is %t, executions are %d, the log has %s; want it held before its intent", response.Settled(got), w.executions(), w.log.types())
	}
	w.takes(3, 4)
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}

func TestAPolicyThatNamesItLiftsTheCapOnAWorkload(t *testing.T) {
	cases := map[string]struct {
		scope  v1alpha1.PolicyScope
		ready  metav1.ConditionStatus
		reason string
		want   string
	}{
		"operation and namespace": {v1alpha1.PolicyScope{Operations: []string{"isolate"}, TargetNamespaces: []string{"shop"}}, metav1.ConditionTrue, "all: may go", v1alpha1.ReasonSucceeded},
		"the operation alone":     {v1alpha1.PolicyScope{Operations: []string{"isolate"}}, metav1.ConditionTrue, "all: may go", v1alpha1.ReasonGuardRail},
		"the namespace alone":     {v1alpha1.PolicyScope{TargetNamespaces: []string{"shop"}}, metav1.ConditionTrue, "all: may go", v1alpha1.ReasonGuardRail},
		"but not in force":        {v1alpha1.PolicyScope{Operations: []string{"isolate"}, TargetNamespaces: []string{"shop"}}, metav1.ConditionFalse, "all: may go", v1alpha1.ReasonGuardRail},
		"but silent":              {v1alpha1.PolicyScope{Operations: []string{"isolate"}, TargetNamespaces: []string{"shop"}}, metav1.ConditionTrue, "default: may go", v1alpha1.ReasonGuardRail},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tool.Foretell(func(p *connectors.Plan) {
				p.Shares = []connectors.Share{{Workload: workload("shop"), Pods: 2, Serving: 2, Taken: 2}}
			})
			w.policy("all", tc.scope, tc.ready)
			w.decisions["isolate"] = v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow, Policies: []string{"all"}, Reasons: []string{tc.reason}}
			w.ask("act", "isolate")
			w.expect(w.must("act"), tc.want, "")
		})
	}
}

// A policy that names namespaces is not asked about an image, which is in none.
func TestAPolicyLiftsTheCapForATargetInNoNamespace(t *testing.T) {
	cases := map[string]struct {
		scope v1alpha1.PolicyScope
		want  string
	}{
		"the operation":       {v1alpha1.PolicyScope{Operations: []string{"isolate"}}, v1alpha1.ReasonSucceeded},
		"another operation":   {v1alpha1.PolicyScope{Operations: []string{"delete"}}, v1alpha1.ReasonGuardRail},
		"whatever is done":    {v1alpha1.PolicyScope{}, v1alpha1.ReasonGuardRail},
		"some namespace only": {v1alpha1.PolicyScope{Operations: []string{"isolate"}, TargetNamespaces: []string{"shop"}}, v1alpha1.ReasonGuardRail},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tool.Foretell(func(p *connectors.Plan) {
				p.Target.Kind, p.Target.Namespace = "ContainerImage", ""
				p.Shares = []connectors.Share{{Workload: workload("shop"), Pods: 2, Serving: 2, Taken: 2}}
			})
			w.policy("all", tc.scope, metav1.ConditionTrue)
			w.decisions["isolate"] = v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow, Policies: []string{"all"}, Reasons: []string{"all: may go"}}
			w.ask("act", "isolate")
			w.expect(w.must("act"), tc.want, "")
		})
	}
}

// What is taken along is protected like a target, such as Tocsin's own pods on a node.
func TestRailsHoldForWhatIsTakenAlong(t *testing.T) {
	for namespace, want := range map[string]string{
		operatorNamespace: "belongs to Tocsin itself", "kube-system": "namespace kube-system is protected",
	} {
		t.Run(namespace, func(t *testing.T) {
			w := newWorld(t)
			w.tool.Foretell(func(p *connectors.Plan) { p.Shares = []connectors.Share{{Workload: workload(namespace)}} })
			w.ask("act", "isolate")
			got := w.must("act")
			w.expect(got, v1alpha1.ReasonGuardRail, want)
			if !response.Settled(got) || w.executions() != 0 {
				t.Error("it is not refused for good")
			}
		})
	}
}

// Two actions on pods of one workload go one after another, each on a plan that sees what the other took.
func TestOneActionAtATimeOnAWorkload(t *testing.T) {
	w := newWorld(t)
	w.takes(4, 4)
	w.tool.Put("shop/web-1", "u2")
	w.ask("first", "isolate")
	w.ask("second", "isolate", func(a *v1alpha1.ResponseAction) { a.Spec.Use.With = raw(`{"target": "shop/web-1"}`) })
	w.tool.At(fake.AtExecute, func() error {
		w.takes(2, 4)
		w.expect(w.must("second"), v1alpha1.ReasonAuthorized, "another action on the same target or workload")
		return nil
	})
	w.expect(w.must("first"), v1alpha1.ReasonSucceeded, "")
	w.expect(w.must("second"), v1alpha1.ReasonGuardRail, "1 of 4 pods")
}

// A node's drain takes pods of many namespaces, and a block of an image holds in all of them.
func TestAStopSwitchHoldsWhatIsTakenAlong(t *testing.T) {
	cases := map[string]func(namespace string, p *connectors.Plan){
		"pods of it": func(namespace string, p *connectors.Plan) {
			p.Shares = []connectors.Share{{Workload: workload(namespace)}}
		},
		"all of it": func(namespace string, p *connectors.Plan) {
			p.Touches = []v1alpha1.TargetReference{{APIVersion: "v1", Kind: "Namespace", Name: namespace}}
		},
	}
	for name, takes := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			held := w.namespace + "-pods"
			w.annotate(held, map[string]string{v1alpha1.AnnotationStop: "drill"})
			w.tool.Foretell(func(p *connectors.Plan) { takes(held, p) })
			w.ask("act", "isolate")
			w.expect(w.must("act"), v1alpha1.ReasonStopped, "kubectl annotate namespace "+held)
			if w.executions() != 0 {
				t.Error("executed against the stop switch")
			}
			w.annotate(held, nil)
			w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
		})
	}
}

// hoarding needs a lot to take anything back.
type hoarding struct{ *fake.Connector }

// Plan implements connectors.Responder.
func (h hoarding) Plan(ctx context.Context, request connectors.Request) (connectors.Plan, error) {
	p, err := h.Connector.Plan(ctx, request)
	p.Inverse = &connectors.Inverse{Operation: "restore", Arguments: json.RawMessage(`{"all": "` + strings.Repeat("x", 2<<20) + `"}`)}
	return p, err
}

// The API server would refuse the status, and the intent be logged again and again.
func TestWhatIsTooLargeToTakeBackIsNotBegun(t *testing.T) {
	w := newWorld(t)
	w.registry.Set(w.namespace, "tool", hoarding{w.tool})
	w.ask("act", "isolate")
	w.expect(w.must("act"), v1alpha1.ReasonPlanFailed, "too large to be kept")
	if w.executions() != 0 || strings.Contains(w.log.types(), "intent") {
		t.Errorf("executions are %d, the log has %s", w.executions(), w.log.types())
	}
}

func TestWhatIsBlockedWaits(t *testing.T) {
	w := newWorld(t)
	w.tool.Foretell(func(p *connectors.Plan) { p.Blocked = "budget web needs 2 healthy pods" })
	w.ask("act", "isolate")
	got := w.must("act")
	w.expect(got, v1alpha1.ReasonBlocked, "budget web")
	if response.Settled(got) || w.log.types() != "decision" {
		t.Errorf("settled is %t, the log has %s; want it held before its intent", response.Settled(got), w.log.types())
	}
	w.tool.Foretell(nil)
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
}

func TestWhatIsBlockedWhileItRunsIsDoneLater(t *testing.T) {
	for name, point := range map[string]fake.Point{"before anything was done": fake.AtExecute, "half way": fake.AtHalf} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			blocked := func() error { return fmt.Errorf("%w: budget web", connectors.ErrBlocked) }
			w.ask("act", "isolate")
			for range 5 { // more often than an execution that fails is tried
				w.tool.At(point, blocked)
				w.expect(w.must("act"), v1alpha1.ReasonBlocked, "budget web")
				w.clock.Step(10 * time.Second)
			}
			w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
		})
	}
}

func TestWhatIsBlockedHalfWayIsLeftToAHumanWhoCanUndoIt(t *testing.T) {
	w := newWorld(t)
	w.ask("act", "isolate")
	blocked := func() error { return fmt.Errorf("%w: budget web", connectors.ErrBlocked) }
	w.tool.At(fake.AtHalf, blocked)
	w.must("act")
	w.clock.Step(time.Hour)
	w.tool.At(fake.AtHalf, blocked)
	w.expect(w.must("act"), v1alpha1.ReasonUnknown, "only part of it was done: blocked for now: budget web")
	before := string(w.tool.Snapshot())
	w.undo("back", "act", "alice")
	w.expect(w.must("back"), v1alpha1.ReasonSucceeded, "")
	if after := string(w.tool.Snapshot()); before == after || strings.Contains(after, `"isolate":1`) {
		t.Errorf("half of it is still there: %s", after)
	}
	w.must("back")
	w.expect(w.get("act"), v1alpha1.ReasonUndone, "undone by back")
}

// capturing reports evidence with whatever it does.
type capturing struct{ *fake.Connector }

// Execute implements connectors.Responder.
func (c capturing) Execute(ctx context.Context, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	result, err := c.Connector.Execute(ctx, request, plan)
	result.Evidence = "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
	return result, err
}

func TestTheLogStatesTheDigestOfEvidence(t *testing.T) {
	w := newWorld(t)
	w.registry.Set(w.namespace, "tool", capturing{w.tool})
	w.ask("act", "label")
	w.expect(w.must("act"), v1alpha1.ReasonSucceeded, "")
	entries := w.log.all()
	if got := entries[len(entries)-1].Data["evidence"]; got != "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef" {
		t.Errorf("the last entry states %v", got)
	}
}
