package playbook

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/controllers/connector"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

func ready(context.Context) error { return nil }

// A playbook may be applied before the connector that it uses: it waits, and
// nobody needs to touch it again.
func TestPlaybookFollowsItsConnector(t *testing.T) {
	cluster := shared.Get(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "playbook-"}}
	if err := cluster.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	store := start(t, cluster)
	early := book("look")
	early.Namespace = ns.Name
	if err := cluster.Client.Create(t.Context(), early); err != nil {
		t.Fatal(err)
	}
	refused := until(t, cluster.Client, early, v1alpha1.ReasonUnknownOperation)
	for _, words := range []string{"spec.questions[0].use", `no connector "tool" is ready in namespace ` + ns.Name} {
		if !strings.Contains(refused.Message, words) {
			t.Errorf("the message does not say %q: %s", words, refused.Message)
		}
	}
	if got := len(store.For(ns.Name)); got != 0 {
		t.Errorf("%d playbooks in force without their connector", got)
	}

	tool := &v1alpha1.Connector{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "tool"},
		Spec:       v1alpha1.ConnectorSpec{Type: v1alpha1.ConnectorKubernetes, ServiceAccountName: "responder"},
	}
	if err := cluster.Client.Create(t.Context(), tool); err != nil {
		t.Fatal(err)
	}
	until(t, cluster.Client, early, v1alpha1.ReasonAccepted)
	if got := len(store.For(ns.Name)); got != 1 {
		t.Errorf("%d playbooks in force, want 1", got)
	}
}

// start runs the controllers of playbooks and of connectors, which are fakes.
func start(t *testing.T, cluster *env.Cluster) *Store {
	t.Helper()
	mgr, err := ctrl.NewManager(cluster.Config, ctrl.Options{Scheme: cluster.Scheme, Metrics: server.Options{BindAddress: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	registry, store := connectors.NewRegistry(nil), NewStore()
	factory := func(context.Context, *v1alpha1.Connector) (connectors.Connector, error) {
		return fake.New().Answer(fake.Question{Name: "look"}), nil
	}
	tools := &connector.Checker{Registry: registry, Factories: connectors.Factories{v1alpha1.ConnectorKubernetes: factory}}
	if err := connector.SetupWithManager(mgr, tools, &configuration.Seen{}); err != nil {
		t.Fatal(err)
	}
	if err := SetupWithManager(mgr, &Checker{Registry: registry, Store: store, Ready: ready}, &configuration.Seen{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("manager: %v", err)
		}
	})
	return store
}

func until(t *testing.T, c client.Client, p *v1alpha1.Playbook, reason string) metav1.Condition {
	t.Helper()
	var stands metav1.Condition
	err := wait.PollUntilContextTimeout(t.Context(), 10*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		if err := c.Get(ctx, client.ObjectKeyFromObject(p), p); err != nil {
			return false, err
		}
		if found := meta.FindStatusCondition(p.Status.Conditions, v1alpha1.ConditionReady); found != nil {
			stands = *found
		}
		return stands.Reason == reason, nil
	})
	if err != nil {
		t.Fatalf("stands at %+v, want %s: %v", stands, reason, err)
	}
	return stands
}

// Each is an edit of a playbook that was in force.
func TestEditedPlaybook(t *testing.T) {
	act := func(operation, with string) v1alpha1.PlaybookSpec {
		use := v1alpha1.Use{Connector: "tool", Operation: operation, With: &runtime.RawExtension{Raw: []byte(with)}}
		return v1alpha1.PlaybookSpec{Match: "true", Actions: []v1alpha1.ProposedAction{{ID: "act", When: "true", Use: use}}}
	}
	disabled := book("look").Spec
	disabled.Mode = v1alpha1.PlaybookDisabled
	failing := act("isolate", `{"target": "x"}`)
	failing.Tests = []v1alpha1.PlaybookTest{{Name: "does nothing", Alert: v1alpha1.TestAlert{Rule: "r"}, Expect: v1alpha1.PlaybookExpectation{}}}
	tests := map[string]struct {
		spec v1alpha1.PlaybookSpec

		wantErr     []string
		wantMessage string
		wantInForce int
	}{
		"as it was":                      {spec: book("look").Spec, wantMessage: "in force, 0 tests passed", wantInForce: 1},
		"disabled":                       {spec: disabled, wantMessage: "disabled by spec.mode, 0 tests passed"},
		"an unknown connector":           {spec: v1alpha1.PlaybookSpec{Match: "true", Questions: []v1alpha1.Question{{ID: "q", Ask: "?", Use: v1alpha1.Use{Connector: "toll", Operation: "look"}}}}, wantErr: []string{"spec.questions[0].use", `no connector "toll"`, "tool"}},
		"an unknown operation":           {spec: act("isolat", `{}`), wantErr: []string{"spec.actions[0].use", `"isolat"`, "isolate"}},
		"a question that acts":           {spec: book("isolate").Spec, wantErr: []string{"spec.questions[0].use.operation", "expected a Read one"}},
		"what only takes back":           {spec: act("undo-isolate", `{"target": "x"}`), wantErr: []string{"spec.actions[0].use.operation", "only takes back another action"}},
		"arguments that break a schema":  {spec: act("isolate", `{"target": 7}`), wantErr: []string{"spec.actions[0].use.with", "target"}},
		"an argument that is missing":    {spec: act("isolate", `{}`), wantErr: []string{"spec.actions[0].use.with", "target"}},
		"an argument that nobody knows":  {spec: act("isolate", `{"target": "x", "force": true}`), wantErr: []string{"spec.actions[0].use.with", "force"}},
		"CEL that does not compile":      {spec: v1alpha1.PlaybookSpec{Match: "alert.rule =="}, wantErr: []string{"spec.match"}},
		"an expectation that is not met": {spec: failing, wantErr: []string{"does nothing", "act"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			registry, store := connectors.NewRegistry(nil), NewStore()
			registry.Set("soc", "tool", fake.New().Answer(fake.Question{Name: "look"}).Offer(fake.Action{Name: "isolate", Risk: v1alpha1.RiskMedium}))
			checker := &Checker{Registry: registry, Store: store, Ready: ready}
			edited := book("look")
			if _, err := checker.Check(t.Context(), edited); err != nil {
				t.Fatal(err)
			}
			edited.Spec = tc.spec
			message, err := checker.Check(t.Context(), edited)
			if message != tc.wantMessage || (err != nil) != (tc.wantErr != nil) {
				t.Errorf("got %q, %v; want %q", message, err, tc.wantMessage)
			}
			for _, words := range tc.wantErr {
				if err != nil && !strings.Contains(err.Error(), words) {
					t.Errorf("the error does not say %q: %v", words, err)
				}
			}
			if got := len(store.For("soc")); got != tc.wantInForce {
				t.Errorf("%d playbooks in force, want %d", got, tc.wantInForce)
			}
		})
	}
}
