package responseaction_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// freeze is a policy of the operator's namespace for tenants.
func freeze(tenants ...string) *v1alpha1.ApprovalPolicy {
	return &v1alpha1.ApprovalPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, GenerateName: "freeze-"},
		Spec: v1alpha1.ApprovalPolicySpec{
			Module: "package tocsin.approval\n\ndeny contains \"no\" if true\n",
			Tests:  "package tocsin.approval_test\n\ntest_true if true\n",
			Scope:  &v1alpha1.PolicyScope{Tenants: tenants},
		},
	}
}

// operatorsNamespace makes sure that it is there.
func (w *world) operatorsNamespace() {
	w.t.Helper()
	err := w.client.Create(w.t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		w.t.Fatal(err)
	}
}

// The platform holds tenants back; it does not open the cluster's own namespaces to them.
func TestAPolicyOfThePlatformLiftsNoRail(t *testing.T) {
	w := newWorld(t)
	w.operatorsNamespace()
	p := freeze("*")
	p.Spec.Scope.TargetNamespaces = []string{"kube-system"}
	if err := w.client.Create(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.client.Delete(t.Context(), p) })
	p.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted, LastTransitionTime: metav1.Now(),
	}}
	if err := w.client.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	name := operatorNamespace + "/" + p.Name
	w.tool.Put("kube-system/dns", "u2")
	w.decisions["label"] = v1alpha1.Decision{
		Outcome: v1alpha1.DecisionRequire, Tier: v1alpha1.TierAnalyst, Approvals: 1, Reasons: []string{name + ": ask"}, Policies: []string{name},
	}
	w.ask("act", "label", func(a *v1alpha1.ResponseAction) { a.Spec.Use.With = raw(`{"target": "kube-system/dns"}`) })
	w.expect(w.must("act"), v1alpha1.ReasonGuardRail, "namespace kube-system is protected")
}

func TestTenantsAreNamespaces(t *testing.T) {
	w := newWorld(t)
	w.operatorsNamespace()
	for name, tt := range map[string]struct {
		tenants []string
		taken   bool
	}{
		"names":    {[]string{"soc", "shop-2"}, true},
		"all":      {[]string{"*"}, true},
		"patterns": {[]string{"shop-*"}, false},
		"no name":  {[]string{""}, false},
		"twice":    {[]string{"soc", "soc"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := w.client.Create(t.Context(), freeze(tt.tenants...), client.DryRunAll)
			if (err == nil) != tt.taken {
				t.Errorf("error %v, want it taken: %v", err, tt.taken)
			}
		})
	}
}
