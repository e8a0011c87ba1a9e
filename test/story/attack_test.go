package story_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// An attack ends as one case, contained by whom its tiers name; the operator is
// upgraded, an action is taken back, and the log proves all of it.
func TestAttack(t *testing.T) {
	c := cluster(t)
	o := startOperator(t, c)
	v := openShop(openTenant(t, c, o, "attack"))
	v.report(v.attack())
	v.theCase(4, v1alpha1.TruePositive)

	v.action("label", "web-0", v1alpha1.ReasonSucceeded)
	isolate := v.action("isolate-pod", "web-0", v1alpha1.ReasonWaitingForApproval)
	remove := v.action("remove-role-binding", v.binding, v1alpha1.ReasonWaitingForApproval)
	proven(t, c)
	err := v.alice.Create(t.Context(), newApproval(v.alice, remove, v1alpha1.TierSenior, v1alpha1.Approve))
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "may not decide at tier senior") {
		t.Errorf("alice approves at tier senior: got %v, want Forbidden", err)
	}
	if got := v.isolations(t); len(got) != 0 {
		t.Errorf("before anybody approved there are NetworkPolicies %v", got)
	}
	v.decide(v.alice, isolate, v1alpha1.TierAnalyst, v1alpha1.Approve)
	v.decide(v.alice, v.action("isolate-pod", "tmp-1", v1alpha1.ReasonWaitingForApproval), v1alpha1.TierAnalyst, v1alpha1.Approve)
	v.decide(v.bob, remove, v1alpha1.TierSenior, v1alpha1.Approve)
	v.decide(v.bob, v.action("delete-pod", "tmp-1", v1alpha1.ReasonWaitingForApproval), v1alpha1.TierSenior, v1alpha1.Deny)
	v.action("isolate-pod", "web-0", v1alpha1.ReasonSucceeded)
	v.action("isolate-pod", "tmp-1", v1alpha1.ReasonSucceeded)
	v.action("remove-role-binding", v.binding, v1alpha1.ReasonSucceeded)
	v.action("delete-pod", "tmp-1", v1alpha1.ReasonDenied)

	if got := v.isolations(t); len(got) != 2 {
		t.Errorf("NetworkPolicies in the shop: got %v, want one for each pod", got)
	}
	if diff := cmp.Diff([]string{"tmp-1", "web-0"}, v.cutOff(t)); diff != "" {
		t.Errorf("pods that are cut off (-want +got):\n%s", diff)
	}
	v.labelled("web-0")
	v.get("tmp-1", &corev1.Pod{})
	err = c.Client.Get(t.Context(), client.ObjectKey{Name: v.binding}, &rbacv1.ClusterRoleBinding{})
	if !apierrors.IsNotFound(err) {
		t.Errorf("the attacker's binding: got %v, want it gone", err)
	}

	o.stop()
	v.counted(shells)
	o.start()
	v.takeBack(isolate)
	if diff := cmp.Diff([]string{"tmp-1"}, v.cutOff(t)); diff != "" {
		t.Errorf("pods that are cut off after the isolation was taken back (-want +got):\n%s", diff)
	}
	o.stop()
	v.audited(t, 0)
}

// takeBack undoes an action: alice asks, so bob approves.
func (v *shop) takeBack(action *v1alpha1.ResponseAction) {
	v.t.Helper()
	undo := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: action.Namespace, Name: "undo-isolation"},
		Spec:       v1alpha1.ResponseActionSpec{Undo: action.Name, Reason: "the pod was rebuilt", RequestedBy: v.alice.name},
	}
	if err := v.alice.Create(v.t.Context(), undo); err != nil {
		v.t.Fatal(err)
	}
	v.decide(v.bob, v.standing(undo.Name, v1alpha1.ReasonWaitingForApproval), v1alpha1.TierSenior, v1alpha1.Approve)
	v.standing(action.Name, v1alpha1.ReasonUndone)
	if got := v.isolations(v.t); len(got) != 1 {
		v.t.Errorf("after the isolation was taken back there are NetworkPolicies %v, want the other pod's", got)
	}
}
