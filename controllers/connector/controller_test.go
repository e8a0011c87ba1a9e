package connector_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/controllers/connector"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

func newNamespace(t *testing.T, c *env.Cluster) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "connector-"}}
	if err := c.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

// The operator may impersonate nobody until a tenant hands it a ServiceAccount by name.
func TestImpersonationIsHandedOver(t *testing.T) {
	c := shared.Get(t)
	namespace := newNamespace(t, c)
	operator := "operator-" + namespace
	registry := connectors.NewRegistry(nil)
	checks := &configuration.Reconciler[*v1alpha1.Connector]{
		Client: c.Client, New: func() *v1alpha1.Connector { return &v1alpha1.Connector{} },
		Checker: &connector.Checker{
			Registry:  registry,
			Factories: connectors.Factories{v1alpha1.ConnectorKubernetes: kubernetes.Factory(c.As(t, operator), nil)},
		},
	}
	spec := newConnector(namespace, "label", "describe-workload")
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "responder"}}
	create(t, c.Client, account, spec)

	ready := until(t, c.Client, checks, spec, v1alpha1.ReasonForbidden)
	for _, words := range []string{"impersonate", "responder", namespace} {
		if !strings.Contains(ready.Message, words) {
			t.Errorf("the message does not say %q: %s", words, ready.Message)
		}
	}
	if _, err := registry.Get(namespace, "cluster"); err != nil {
		t.Errorf("what it offers is not known while a permission is missing: %v", err)
	}

	create(t, c.Client,
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tocsin"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{"responder"}, Verbs: []string{"impersonate"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tocsin"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tocsin"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: operator}},
		},
	)
	ready = until(t, c.Client, checks, spec, v1alpha1.ReasonAccepted)
	if want := "acts as ServiceAccount responder, 2 operations"; ready.Message != want {
		t.Errorf("the message is %q, want %q", ready.Message, want)
	}
	if diff := cmp.Diff([]string{"describe-workload", "label"}, names(spec)); diff != "" {
		t.Errorf("operations of the allow-list (-want +got):\n%s", diff)
	}
	offered, err := registry.Get(namespace, "cluster")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connectors.Find(offered, "isolate-pod"); !errors.Is(err, connectors.ErrUnsupported) {
		t.Errorf("an operation that is not allowed: got %v, want %v", err, connectors.ErrUnsupported)
	}
}

func newConnector(namespace string, operations ...string) *v1alpha1.Connector {
	return &v1alpha1.Connector{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "cluster"},
		Spec:       v1alpha1.ConnectorSpec{Type: v1alpha1.ConnectorKubernetes, ServiceAccountName: "responder", Operations: operations},
	}
}

func create(t *testing.T, c client.Client, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// until reconciles until the connector stands somewhere.
func until(t *testing.T, c client.Client, checks reconcile.Reconciler, spec *v1alpha1.Connector, reason string) metav1.Condition {
	t.Helper()
	var ready metav1.Condition
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		_, _ = checks.Reconcile(ctx, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(spec)}) // the status says it as well
		if err := c.Get(ctx, client.ObjectKeyFromObject(spec), spec); err != nil {
			return false, err
		}
		if found := meta.FindStatusCondition(spec.Status.Conditions, v1alpha1.ConditionReady); found != nil {
			ready = *found
		}
		return ready.Reason == reason, nil
	})
	if err != nil {
		t.Fatalf("stands at %+v, want %s: %v", ready, reason, err)
	}
	return ready
}

func names(c *v1alpha1.Connector) []string {
	var list []string
	for _, o := range c.Status.Operations {
		list = append(list, o.Name)
	}
	slices.Sort(list)
	return list
}

func TestCheck(t *testing.T) {
	down := errors.New("connection refused")
	tool := func() *fake.Connector {
		return fake.New().Answer(fake.Question{Name: "look"}).Offer(fake.Action{Name: "isolate", Risk: v1alpha1.RiskMedium})
	}
	tests := map[string]struct {
		factories connectors.Factories
		health    error

		wantMessage string
		wantErr     string
		wantOffered bool
	}{
		"healthy": {wantMessage: "acts as ServiceAccount responder, 2 operations", wantOffered: true},
		// Who asks it hears that it is down; it is not taken for one that does not exist.
		"does not answer":        {health: down, wantErr: "connection refused", wantMessage: "acts as ServiceAccount responder, 2 operations", wantOffered: true},
		"a permission is gone":   {health: connectors.ErrForbidden, wantErr: "forbidden", wantOffered: true},
		"a type of another time": {factories: connectors.Factories{}, wantErr: `spec.type: "Kubernetes" is not built in`},
		"arguments that the type refuses": {
			factories: connectors.Factories{v1alpha1.ConnectorKubernetes: func(context.Context, *v1alpha1.Connector) (connectors.Connector, error) {
				return nil, errors.New("spec.operations[0]: there is no such operation")
			}},
			wantErr: "spec.operations[0]",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			built := tool()
			built.At(fake.AtCheck, func() error { return tc.health })
			if tc.factories == nil {
				tc.factories = connectors.Factories{v1alpha1.ConnectorKubernetes: func(context.Context, *v1alpha1.Connector) (connectors.Connector, error) {
					return built, nil
				}}
			}
			registry := connectors.NewRegistry(nil)
			registry.Set("soc", "cluster", tool()) // as it was before
			checker := &connector.Checker{Factories: tc.factories, Registry: registry}
			spec := newConnector("soc")
			message, err := checker.Check(t.Context(), spec)
			if message != tc.wantMessage || (err != nil) != (tc.wantErr != "") || err != nil && !strings.Contains(err.Error(), tc.wantErr) {
				t.Errorf("got %q, %v; want %q, %q", message, err, tc.wantMessage, tc.wantErr)
			}
			if _, err := registry.Get("soc", "cluster"); (err == nil) != tc.wantOffered {
				t.Errorf("offered: %v, want %t", err, tc.wantOffered)
			}
			// What only takes back another operation is not to be asked for.
			if got := slices.Equal(names(spec), []string{"isolate", "look"}); got != tc.wantOffered {
				t.Errorf("status.operations are %v, want all: %t", names(spec), tc.wantOffered)
			}
			checker.Forget(types.NamespacedName{Namespace: "soc", Name: "cluster"})
			if _, err := registry.Get("soc", "cluster"); err == nil {
				t.Error("a deleted connector is still offered")
			}
		})
	}
}

func TestAToolThatIsNotCalledSaysSo(t *testing.T) {
	tool := fake.New().Answer(fake.Question{Name: "look"})
	registry := connectors.NewRegistry(nil)
	checker := &connector.Checker{Registry: registry, Factories: connectors.Factories{
		v1alpha1.ConnectorKubernetes: func(context.Context, *v1alpha1.Connector) (connectors.Connector, error) { return tool, nil },
	}}
	spec := newConnector("soc")
	if _, err := checker.Check(t.Context(), spec); err != nil || !meta.IsStatusConditionTrue(spec.Status.Conditions, v1alpha1.ConditionCircuitClosed) {
		t.Fatalf("%v, conditions %+v", err, spec.Status.Conditions)
	}
	held, err := registry.Get("soc", "cluster")
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		tool.At(fake.AtAsk, func() error { return connectors.ErrUnavailable })
		_, _ = held.(connectors.Asker).Ask(t.Context(), "look", nil) // counts
	}
	if _, err := checker.Check(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	got := meta.FindStatusCondition(spec.Status.Conditions, v1alpha1.ConditionCircuitClosed)
	if got.Status != metav1.ConditionFalse || got.Reason != v1alpha1.ReasonTooManyFailures {
		t.Errorf("condition %+v", got)
	}
}
