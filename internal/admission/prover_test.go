package admission_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/discovery"
	"sigs.k8s.io/controller-runtime/pkg/client"

	manifests "github.com/tocsin-dev/tocsin/config/admission"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/test/env"
)

const operator = "system:serviceaccount:tocsin-system:tocsin"

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// install creates the policies, and whatever the operator needs to prove them;
// it returns the operator's Prover once the API server acts on them.
func install(t *testing.T) (client.Client, *admission.Prover) {
	t.Helper()
	cluster := shared.Get(t)
	ensure(t, cluster.Client, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: manifests.Namespace}})
	ensure(t, cluster.Client, &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "tocsin"},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{"admissionregistration.k8s.io"},
			Resources: []string{"validatingadmissionpolicies", "validatingadmissionpolicybindings"},
			Verbs:     []string{"list"},
		}, {
			APIGroups: []string{"soc.tocsin.dev"},
			Resources: []string{"responseactions"},
			Verbs:     []string{"create"},
		}},
	})
	ensure(t, cluster.Client, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "tocsin"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tocsin"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operator}},
	})
	for _, rule := range rules(t) {
		ensure(t, cluster.Client, &rule.Policy)
		ensure(t, cluster.Client, &rule.Binding)
		t.Cleanup(func() {
			for _, obj := range []client.Object{&rule.Policy, &rule.Binding} {
				if err := cluster.Client.Delete(context.Background(), obj); client.IgnoreNotFound(err) != nil {
					t.Error(err)
				}
			}
		})
	}
	asOperator := cluster.ClientAs(t, operator)
	prover, err := admission.New(asOperator, asOperator, manifests.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		_, err := prover.Since(t.Context())
		return err
	})
	return cluster.Client, prover
}

func rules(t *testing.T) []admission.Rule {
	t.Helper()
	rules, err := admission.Rules(manifests.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

func ensure(t *testing.T, c client.Client, obj client.Object) {
	t.Helper()
	if err := c.Create(t.Context(), obj); client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	var last error
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	}); err != nil {
		t.Fatalf("%v: %v", err, last)
	}
}

func TestSinceNamesWhatIsWrong(t *testing.T) {
	policy := func(name string) *admissionv1.ValidatingAdmissionPolicy {
		return &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	binding := func(name string) *admissionv1.ValidatingAdmissionPolicyBinding {
		return &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	patchPolicy := func(patch string) func(context.Context, client.Client) error {
		return func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, policy("tocsin-approvals"), client.RawPatch("application/merge-patch+json", []byte(patch)))
		}
	}
	patchBinding := func(patch string) func(context.Context, client.Client) error {
		return func(ctx context.Context, c client.Client) error {
			return c.Patch(ctx, binding("tocsin-approvals"), client.RawPatch("application/merge-patch+json", []byte(patch)))
		}
	}
	const inPolicy = "ValidatingAdmissionPolicy tocsin-approvals differs from this build's in "
	const inBinding = "ValidatingAdmissionPolicyBinding tocsin-approvals differs from this build's in "
	tests := map[string]struct {
		tamper func(context.Context, client.Client) error
		want   string
	}{
		"policy deleted": {
			tamper: func(ctx context.Context, c client.Client) error { return c.Delete(ctx, policy("tocsin-approvals")) },
			want:   "ValidatingAdmissionPolicy tocsin-approvals is missing",
		},
		"binding deleted": {
			tamper: func(ctx context.Context, c client.Client) error { return c.Delete(ctx, binding("tocsin-status")) },
			want:   "ValidatingAdmissionPolicyBinding tocsin-status is missing",
		},
		"policy held by a finalizer": {
			tamper: func(ctx context.Context, c client.Client) error {
				held := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":["example.com/held"]}}`))
				return errors.Join(c.Patch(ctx, policy("tocsin-approvals"), held), c.Delete(ctx, policy("tocsin-approvals")))
			},
			want: "ValidatingAdmissionPolicy tocsin-approvals is being deleted",
		},
		"fails open": {
			tamper: patchPolicy(`{"spec":{"failurePolicy":"Ignore"}}`),
			want:   inPolicy + "spec.failurePolicy",
		},
		"a condition excepts somebody": {
			tamper: patchPolicy(`{"spec":{"matchConditions":[{"name":"not-me","expression":"request.userInfo.username != 'mallory'"}]}}`),
			want:   inPolicy + "spec.matchConditions",
		},
		"a namespace is left out": {
			tamper: patchPolicy(`{"spec":{"matchConstraints":{"namespaceSelector":{"matchLabels":{"soc":"yes"}}}}}`),
			want:   inPolicy + "spec.matchConstraints",
		},
		"a validation is always true": {
			tamper: patchPolicy(`{"spec":{"validations":[{"expression":"true"}]}}`),
			want:   inPolicy + "spec.validations",
		},
		"a parameter nobody ever creates": {
			tamper: patchPolicy(`{"spec":{"paramKind":{"apiVersion":"v1","kind":"ConfigMap"}}}`),
			want:   inPolicy + "spec.paramKind",
		},
		"binding only warns": {
			tamper: patchBinding(`{"spec":{"validationActions":["Warn","Audit"]}}`),
			want:   inBinding + "spec.validationActions",
		},
		"binding leaves out labelled objects": {
			tamper: patchBinding(`{"spec":{"matchResources":{"objectSelector":{"matchExpressions":[{"key":"skip","operator":"DoesNotExist"}]}}}}`),
			want:   inBinding + "spec.matchResources",
		},
		"binding waits for a parameter": {
			tamper: patchBinding(`{"spec":{"paramRef":{"name":"none","parameterNotFoundAction":"Allow"}}}`),
			want:   inBinding + "spec.paramRef",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c, prover := install(t)
			if err := tc.tamper(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				release := client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))
				if err := c.Patch(context.Background(), policy("tocsin-approvals"), release); client.IgnoreNotFound(err) != nil {
					t.Error(err)
				}
			})
			_, err := prover.Since(t.Context())
			if !errors.Is(err, admission.ErrUnproven) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestSinceMovesForwardWhenAPolicyWasAway(t *testing.T) {
	c, prover := install(t)
	before, err := prover.Since(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	weaken := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"validationActions":["Audit"]}}`))
	restore := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"validationActions":["Deny"]}}`))
	away := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "tocsin-approvals"}}
	// managedFields have whole seconds: until they show the change, it is made again.
	eventually(t, func() error {
		for _, patch := range []client.Patch{weaken, restore} {
			if err := c.Patch(t.Context(), away, patch); err != nil {
				return err
			}
		}
		after, err := prover.Since(t.Context())
		if err == nil && !after.After(before) {
			err = errors.New("Since did not move forward")
		}
		return err
	})
}

func TestSinceIgnoresOtherPolicies(t *testing.T) {
	c, prover := install(t)
	before, err := prover.Since(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := rules(t)[0]
	other.Policy.Name, other.Binding.Name, other.Binding.Spec.PolicyName = "other", "other", "other"
	ensure(t, c, &other.Policy)
	ensure(t, c, &other.Binding)
	t.Cleanup(func() {
		if err := errors.Join(c.Delete(context.Background(), &other.Binding), c.Delete(context.Background(), &other.Policy)); err != nil {
			t.Error(err)
		}
	})
	after, err := prover.Since(t.Context())
	if err != nil || !after.Equal(before) {
		t.Errorf("got %s, %v; want %s as before", after, err, before)
	}
}

// waved lets every write pass, as an API server does whose plugin is switched off.
type waved struct{ client.Client }

func (waved) Create(context.Context, client.Object, ...client.CreateOption) error { return nil }

func TestSinceTriesWhetherPoliciesAreEnforced(t *testing.T) {
	c, _ := install(t)
	prover, err := admission.New(c, waved{c}, manifests.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	_, err = prover.Since(t.Context())
	if !errors.Is(err, admission.ErrUnproven) || !strings.Contains(err.Error(), "switched off") {
		t.Errorf("got %v, want ErrUnproven for a plugin that is switched off", err)
	}
}

func TestSinceFailsWithoutPermission(t *testing.T) {
	install(t)
	mallory := shared.Get(t).ClientAs(t, "mallory")
	prover, err := admission.New(mallory, mallory, manifests.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	if since, err := prover.Since(t.Context()); err == nil || errors.Is(err, admission.ErrUnproven) {
		t.Errorf("got %s, %v; want the API server's refusal", since, err)
	}
}

// The same check that kube-controller-manager writes to status.typeChecking.
func TestExpressionsFitTheCRDs(t *testing.T) {
	cluster := shared.Get(t)
	discoverer, err := discovery.NewDiscoveryClientForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	checker := validating.TypeChecker{
		SchemaResolver: &resolver.ClientDiscoveryResolver{Discovery: discoverer},
		RestMapper:     cluster.Client.RESTMapper(),
	}
	for _, rule := range rules(t) {
		for _, warning := range checker.Check(&rule.Policy) {
			t.Errorf("%s: %s: %s", rule.Policy.Name, warning.FieldRef, warning.Warning)
		}
	}
	broken := rules(t)[1].Policy
	broken.Spec.Validations[1].Expression = "object.spec.nobody == request.userInfo.username"
	if len(checker.Check(&broken)) == 0 {
		t.Error("the check finds nothing wrong with a field that does not exist")
	}
}
