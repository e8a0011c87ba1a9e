package responseaction

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// A policy wakes what waits for people: of its tenant, or of all if it is the platform's.
func TestPoliciesWakeWhatTheySpeakOf(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	action := func(namespace, name, reason string) *v1alpha1.ResponseAction {
		return &v1alpha1.ResponseAction{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Status:     v1alpha1.ResponseActionStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason}}},
		}
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		action("shop", "waits", v1alpha1.ReasonWaitingForApproval), action("shop", "stopped", v1alpha1.ReasonStopped),
		action("soc", "waits", v1alpha1.ReasonWaitingForApproval), action("tocsin-system", "waits", v1alpha1.ReasonWaitingForApproval),
	).Build()
	for namespace, want := range map[string][]string{
		"shop":          {"shop/waits"},
		"tocsin-system": {"shop/waits", "soc/waits", "tocsin-system/waits"},
		"other":         nil,
	} {
		t.Run(namespace, func(t *testing.T) {
			w := watch{reader: reader, operator: "tocsin-system"}
			var got []string
			for _, r := range w.policy(t.Context(), &v1alpha1.ApprovalPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: namespace}}) {
				got = append(got, r.String())
			}
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("woken (-want +got):\n%s", diff)
			}
		})
	}
}

// A Connector that is deleted and applied again must not leave behind what was planned or begun with it.
func TestAConnectorWakesWhatLostIt(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	action := func(name, connector, reason string, planned bool) *v1alpha1.ResponseAction {
		a := &v1alpha1.ResponseAction{
			ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name},
			Status:     v1alpha1.ResponseActionStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason}}},
		}
		if connector == "" {
			a.Spec.Undo = "other"
		} else {
			a.Spec.Use = &v1alpha1.ActionUse{Connector: connector}
		}
		if planned {
			a.Status.Plan = &v1alpha1.Plan{}
		}
		return a
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		action("unplanned", "cluster", v1alpha1.ReasonUnavailable, false), action("lost", "cluster", v1alpha1.ReasonUnknownOperation, true),
		action("lost-undo", "", v1alpha1.ReasonUnknownOperation, true), action("waits", "cluster", v1alpha1.ReasonWaitingForApproval, true),
		action("of-another", "edr", v1alpha1.ReasonUnknownOperation, true),
	).Build()
	var got []string
	for _, r := range (watch{reader: reader}).connector(t.Context(), &v1alpha1.Connector{ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "cluster"}}) {
		got = append(got, r.Name)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"lost", "lost-undo", "unplanned"}, got); diff != "" {
		t.Errorf("woken (-want +got):\n%s", diff)
	}
}
