package responseaction_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/controllers/responseaction"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

const operatorNamespace = "tocsin-system"

// world is an API server, a fake tool, and everything that the controller leans
// on. It outlives reconcilers, as the real ones outlive the operator.
type world struct {
	t         *testing.T
	client    client.Client
	namespace string
	tool      *fake.Connector
	registry  *connectors.Registry
	log       *memoryLog
	decisions map[string]v1alpha1.Decision // by operation; without one: Allow
	asked     atomic.Pointer[policy.Input] // the last time
	proven    time.Time
	behind    []string // who asked through others
	clock     *clocktesting.FakeClock
	events    *events.FakeRecorder
	rails     response.Rails

	reconciler *responseaction.Reconciler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cluster := shared.Get(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "shop-"}}
	if err := cluster.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, client: cluster.Client, namespace: namespace.Name,
		tool: fake.New().Offer(
			fake.Action{Name: "isolate", Risk: v1alpha1.RiskMedium},
			fake.Action{Name: "label", Risk: v1alpha1.RiskLow},
			fake.Action{Name: "delete", Risk: v1alpha1.RiskHigh, Irreversible: true},
		).Answer(fake.Question{Name: "describe"}),
		registry:  connectors.NewRegistry(nil),
		log:       &memoryLog{},
		decisions: map[string]v1alpha1.Decision{},
		proven:    time.Now().Add(-time.Hour),
		clock:     clocktesting.NewFakeClock(time.Now()),
		events:    events.NewFakeRecorder(1024),
		rails:     response.Rails{Namespace: operatorNamespace, HourlyCap: 100},
	}
	w.tool.Put("shop/web-0", "u1")
	w.registry.Set(w.namespace, "tool", w.tool)
	w.restart()
	return w
}

// restart forgets everything that a process remembers.
func (w *world) restart() { w.reconciler = w.with(w.client, w.log) }

func (w *world) with(c client.Client, log responseaction.Log) *responseaction.Reconciler {
	return responseaction.NewReconciler(responseaction.Dependencies{
		Client: c, Live: old{c}, Connectors: w.registry, Policies: w, Log: log, Admission: w, Requesters: w,
		Events: w.events, Clock: w.clock, Rails: w.rails,
	})
}

// old reads from an API server as Kubernetes 1.30 has it, which selects custom
// resources by no field of theirs.
type old struct{ client.Reader }

// List implements client.Reader.
func (o old) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if selector := (&client.ListOptions{}).ApplyOptions(opts).FieldSelector; selector != nil {
		return fmt.Errorf("field label not supported: %s", selector)
	}
	return o.Reader.List(ctx, list, opts...)
}

// Decide implements responseaction.Decider.
func (w *world) Decide(_ context.Context, _ string, in policy.Input) v1alpha1.Decision {
	w.asked.Store(&in)
	if d, ok := w.decisions[in.Action.Operation]; ok {
		return d
	}
	return v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow, Reasons: []string{"test: allowed"}}
}

// Behind implements responseaction.Requesters.
func (w *world) Behind(context.Context, string, []string, []v1alpha1.Approval) ([]string, error) {
	return w.behind, nil
}

// Since implements responseaction.AdmissionProof.
func (w *world) Since(context.Context) (time.Time, error) {
	if w.proven.IsZero() {
		return w.proven, fmt.Errorf("%w: tocsin-approvals is missing", admission.ErrUnproven)
	}
	return w.proven, nil
}

func requireTier(tier v1alpha1.Tier, n int32) v1alpha1.Decision {
	return v1alpha1.Decision{
		Outcome: v1alpha1.DecisionRequire, Tier: tier, Approvals: n,
		Reasons: []string{"test: people decide"}, ApprovalTTL: &metav1.Duration{Duration: time.Hour},
	}
}

// ask creates an action on shop/web-0.
func (w *world) ask(name, operation string, alter ...func(*v1alpha1.ResponseAction)) *v1alpha1.ResponseAction {
	w.t.Helper()
	action := &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec: v1alpha1.ResponseActionSpec{
			Use:    &v1alpha1.ActionUse{Connector: "tool", Operation: operation, With: raw(`{"target": "shop/web-0"}`)},
			Reason: "a shell in shop/web-0", RequestedBy: "playbook:shell",
		},
	}
	for _, f := range alter {
		f(action)
	}
	if err := w.client.Create(w.t.Context(), action); err != nil {
		w.t.Fatal(err)
	}
	return action
}

func (w *world) undo(name, of, by string) {
	w.t.Helper()
	w.ask(name, "", func(a *v1alpha1.ResponseAction) {
		a.Spec.Use, a.Spec.Undo, a.Spec.RequestedBy = nil, of, by
	})
}

// decideOn creates an Approval of the plan that an action has now.
func (w *world) decideOn(action, by string, tier v1alpha1.Tier, decision v1alpha1.ApprovalDecision) {
	w.t.Helper()
	w.decideOnSeen(w.get(action), by, tier, decision)
}

// decideOnSeen creates an Approval of the plan that an action had when somebody looked.
func (w *world) decideOnSeen(seen *v1alpha1.ResponseAction, by string, tier v1alpha1.Tier, decision v1alpha1.ApprovalDecision) {
	w.t.Helper()
	approval := &v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, GenerateName: seen.Name + "-"},
		Spec: v1alpha1.ApprovalSpec{
			Action: seen.Name, PlanDigest: seen.Status.Plan.Digest, Decision: decision, Tier: tier, Approver: by, Reason: "looked at it",
		},
	}
	if err := w.client.Create(w.t.Context(), approval); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) get(name string) *v1alpha1.ResponseAction {
	w.t.Helper()
	action := &v1alpha1.ResponseAction{}
	if err := w.client.Get(w.t.Context(), w.key(name), action); err != nil {
		w.t.Fatal(err)
	}
	return action
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.namespace, Name: name}
}

func (w *world) clusterKey(name string) types.NamespacedName { return types.NamespacedName{Name: name} }

func (w *world) request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: w.key(name)}
}

// pass reconciles once.
func (w *world) pass(name string) (reconcile.Result, error) {
	return w.reconciler.Reconcile(w.t.Context(), w.request(name))
}

// must reconciles once without an error and returns the action.
func (w *world) must(name string) *v1alpha1.ResponseAction {
	w.t.Helper()
	if _, err := w.pass(name); err != nil {
		w.t.Fatal(err)
	}
	return w.get(name)
}

// expect checks where an action stands and what its message says.
func (w *world) expect(action *v1alpha1.ResponseAction, reason, message string) {
	w.t.Helper()
	for _, c := range action.Status.Conditions {
		if c.Type != v1alpha1.ConditionReady {
			continue
		}
		if c.Reason != reason || !strings.Contains(c.Message, message) {
			w.t.Fatalf("%s stands at %s: %s\nwant %s: ...%s", action.Name, c.Reason, c.Message, reason, message)
		}
		return
	}
	w.t.Fatalf("%s has no Ready condition, want %s", action.Name, reason)
}

// told returns the events so far, and forgets them.
func (w *world) told() []string {
	var told []string
	for {
		select {
		case e := <-w.events.Events:
			told = append(told, e)
		default:
			return told
		}
	}
}

// executions that the tool was asked for.
func (w *world) executions() int {
	n := 0
	for _, c := range w.tool.Calls() {
		if c.Method == "Execute" {
			n++
		}
	}
	return n
}

func raw(json string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(json)} }

// memoryLog is an audit log that can be made to fail.
type memoryLog struct {
	mu      sync.Mutex
	entries []audit.Entry
	fail    func(audit.Entry) error
}

func (l *memoryLog) Append(_ context.Context, e audit.Entry) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		if err := l.fail(e); err != nil {
			return 0, err
		}
	}
	e.Index = int64(len(l.entries))
	l.entries = append(l.entries, e)
	return e.Index, nil
}

func (l *memoryLog) all() []audit.Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]audit.Entry(nil), l.entries...)
}

func (l *memoryLog) types() string {
	var types []string
	for _, e := range l.all() {
		types = append(types, string(e.Type))
	}
	return strings.Join(types, " ")
}
