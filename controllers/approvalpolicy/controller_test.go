package approvalpolicy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

const (
	denies  = "package tocsin.approval\n\ndeny contains \"no\" if true\n"
	passing = "package tocsin.approval_test\n\ntest_true if true\n"
)

func object(name, module, tests string) *v1alpha1.ApprovalPolicy {
	return &v1alpha1.ApprovalPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name, UID: types.UID(name), Generation: 1},
		Spec:       v1alpha1.ApprovalPolicySpec{Module: module, Tests: tests},
	}
}

// cluster is a fake API server that counts writes of a status.
type cluster struct {
	client.Client
	writes  int
	listing error
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := &cluster{}
	c.Client = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.ApprovalPolicy{}).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourcePatch: func(ctx context.Context, inner client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
				c.writes++
				return inner.SubResource(sub).Patch(ctx, o, p, opts...)
			},
			List: func(ctx context.Context, inner client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
				if c.listing != nil {
					return c.listing
				}
				return inner.List(ctx, list, opts...)
			},
		}).Build()
	return c
}

func (c *cluster) reconcile(t *testing.T, policies *policy.Store, name string) *v1alpha1.ApprovalPolicy {
	t.Helper()
	r := &configuration.Reconciler[*v1alpha1.ApprovalPolicy]{
		Client: c, Checker: &Checker{Policies: policies},
		New: func() *v1alpha1.ApprovalPolicy { return &v1alpha1.ApprovalPolicy{} },
	}
	key := types.NamespacedName{Namespace: "soc", Name: name}
	if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: key}); err != nil {
		t.Fatal(err)
	}
	var p v1alpha1.ApprovalPolicy
	if err := c.Get(t.Context(), key, &p); client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return &p
}

func TestConditions(t *testing.T) {
	invalid := object("ttl", denies, passing)
	invalid.Spec.ApprovalTTL = &metav1.Duration{}
	everybodys := object("everybodys", denies, passing)
	everybodys.Spec.Scope = &v1alpha1.PolicyScope{Tenants: []string{"*"}}
	tests := map[string]struct {
		policy  *v1alpha1.ApprovalPolicy
		ready   bool
		reason  string
		message string
	}{
		"in force":        {object("good", denies, passing), true, v1alpha1.ReasonAccepted, "tests pass"},
		"module":          {object("module", "package tocsin.approval\n\ndeny {", passing), false, v1alpha1.ReasonCompileFailed, "spec.module:3:"},
		"tests":           {object("tests", denies, "package tocsin.approval_test\n\ntest_x if {"), false, v1alpha1.ReasonCompileFailed, "spec.tests:3:"},
		"failing tests":   {object("failing", denies, "package tocsin.approval_test\n\ntest_x if false"), false, v1alpha1.ReasonTestsFailed, "spec.tests:3:1: test_x"},
		"no tests":        {object("none", denies, "package tocsin.approval_test"), false, v1alpha1.ReasonTestsFailed, "at least one"},
		"not its to say":  {everybodys, false, v1alpha1.ReasonInvalidSpec, "spec.scope.tenants: must be empty in namespace soc"},
		"an invalid spec": {invalid, false, v1alpha1.ReasonInvalidSpec, "spec.approvalTTL"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, policies := newCluster(t, tt.policy), policy.NewStore("tocsin-system")
			got := c.reconcile(t, policies, tt.policy.Name).Status
			ready := meta.FindStatusCondition(got.Conditions, v1alpha1.ConditionReady)
			stalled := meta.IsStatusConditionTrue(got.Conditions, v1alpha1.ConditionStalled)
			if ready == nil || (ready.Status == metav1.ConditionTrue) != tt.ready || stalled == tt.ready {
				t.Fatalf("conditions are %+v, want ready %v", got.Conditions, tt.ready)
			}
			if ready.Reason != tt.reason || !strings.Contains(ready.Message, tt.message) {
				t.Errorf("%s: %q, want %s with %q", ready.Reason, ready.Message, tt.reason, tt.message)
			}
			if ready.ObservedGeneration != 1 || got.ObservedGeneration != 1 {
				t.Errorf("observed generations are %d and %d", ready.ObservedGeneration, got.ObservedGeneration)
			}
			if c.reconcile(t, policies, tt.policy.Name); c.writes != 1 {
				t.Errorf("%d writes for two passes, want 1", c.writes)
			}
		})
	}
}

func TestDecider(t *testing.T) {
	in := policy.Input{Action: policy.Action{Risk: v1alpha1.RiskLow}}
	elsewhere := object("elsewhere", denies, passing)
	elsewhere.Namespace = "other"
	platforms := object("freeze", denies, passing)
	platforms.Namespace, platforms.Spec.Scope = "tocsin-system", &v1alpha1.PolicyScope{Tenants: []string{"soc"}}
	tests := map[string]struct {
		policies []client.Object
		listing  error
		want     v1alpha1.DecisionOutcome
		asked    []string
	}{
		"no policies":         {want: v1alpha1.DecisionAllow},
		"another namespace's": {policies: []client.Object{elsewhere}, want: v1alpha1.DecisionAllow},
		// No reconciler has come to it yet, and still it holds.
		"one":            {policies: []client.Object{object("one", denies, passing)}, want: v1alpha1.DecisionDeny, asked: []string{"one"}},
		"broken":         {policies: []client.Object{object("broken", "deny", passing)}, want: v1alpha1.DecisionRequire, asked: []string{"broken"}},
		"the platform's": {policies: []client.Object{platforms}, want: v1alpha1.DecisionDeny, asked: []string{"tocsin-system/freeze"}},
		"cannot listed":  {listing: errors.New("the cache is gone"), want: v1alpha1.DecisionRequire, asked: []string{"approvalpolicies"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, tt.policies...)
			c.listing = tt.listing
			got := (&Decider{Reader: c, Policies: policy.NewStore("tocsin-system"), Operator: "tocsin-system"}).Decide(t.Context(), "soc", in)
			if got.Outcome != tt.want {
				t.Errorf("decision is %+v, want %s", got, tt.want)
			}
			if diff := cmp.Diff(tt.asked, got.Policies); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAChangeHoldsAtOnce(t *testing.T) {
	p := object("one", denies, passing)
	c, policies := newCluster(t, p), policy.NewStore("tocsin-system")
	d := &Decider{Reader: c, Policies: policies, Operator: "tocsin-system"}
	in := policy.Input{Action: policy.Action{Risk: v1alpha1.RiskLow}}
	if got := d.Decide(t.Context(), "soc", in); got.Outcome != v1alpha1.DecisionDeny {
		t.Fatalf("decision is %+v", got)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(p), p); err != nil {
		t.Fatal(err)
	}
	p.Spec.Module, p.Generation = strings.ReplaceAll(denies, "deny", "allow"), 2
	if err := c.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if got := d.Decide(t.Context(), "soc", in); got.Outcome != v1alpha1.DecisionAllow {
		t.Errorf("after the change: %+v", got)
	}
	if err := c.Delete(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	c.reconcile(t, policies, "one")
	if got := d.Decide(t.Context(), "soc", in); len(got.Policies) != 0 {
		t.Errorf("after the deletion: %+v", got)
	}
}
