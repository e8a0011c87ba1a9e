package investigation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/controllers/investigation"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/playbook"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(shared.Run(m))
}

const caseName = "shop-1"

// tool is a fake that answers a question of its own, by a strict schema.
type tool struct {
	*fake.Connector

	// unknown: it does not know what it is asked about.
	unknown atomic.Bool

	mu     sync.Mutex
	verify func(context.Context) (map[string]any, error)
}

var verification = operation.MustCompile(operation.Operation{
	Name: "verify", Summary: "whether it is benign", Mode: v1alpha1.OperationRead,
	Arguments: `{"type": "object"}`,
	Result: `{"type": "object", "additionalProperties": false, "required": ["benign"],
		"properties": {"benign": {"type": "boolean"}, "note": {"type": "string"}}}`,
	Untrusted: []string{"note"},
})

func (c *tool) Operations() []operation.Operation {
	return append(c.Connector.Operations(), verification...)
}

func (c *tool) Ask(ctx context.Context, name string, arguments map[string]any) (map[string]any, error) {
	if name != "verify" {
		return c.Connector.Ask(ctx, name, arguments)
	}
	c.mu.Lock()
	verify := c.verify
	c.mu.Unlock()
	return verify(ctx)
}

// answers has every further question be answered so.
func (c *tool) answers(verify func(context.Context) (map[string]any, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.verify = verify
}

func raw(json string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(json)} }

func benign(is bool) func(context.Context) (map[string]any, error) {
	return func(context.Context) (map[string]any, error) { return map[string]any{"benign": is}, nil }
}

// book asks the tool about each alert; what is known and benign is dismissed.
func book(t *testing.T, catalog operation.Catalog, more ...v1alpha1.ProposedAction) *playbook.Playbook {
	t.Helper()
	compiled, err := playbook.Compile("book", v1alpha1.PlaybookSpec{
		Match: "true",
		Questions: []v1alpha1.Question{
			{
				ID: "known", Ask: "Is it known?", Use: v1alpha1.Use{Connector: "tool", Operation: "look", With: raw(`{"name": "${alert.entities.pod}"}`)},
				Weigh: []v1alpha1.Weigh{{If: "answer.known", Decibans: -20, Because: "it is known", Suggests: v1alpha1.BenignPositive}},
			},
			{
				ID: "verified", Ask: "Is it benign?", Use: v1alpha1.Use{Connector: "tool", Operation: "verify"},
				Weigh: []v1alpha1.Weigh{
					{If: "answer.benign", Decibans: -2, Because: "somebody looked", Suggests: v1alpha1.BenignPositive},
					{If: "!answer.benign", Decibans: 20, Because: "somebody looked", Group: "one"},
					{If: "!answer.benign", Decibans: 20, Because: "and looked again", Group: "two"},
					{If: "!answer.benign", Decibans: 20, Because: "and again", Group: "three"},
					{If: `has(answer.note) && answer.note != ""`, Decibans: -20, Because: "it says: ${answer.note}", Suggests: v1alpha1.BenignPositive},
				},
			},
		},
		Actions: append([]v1alpha1.ProposedAction{{
			ID: "isolate", When: `verdict == "TruePositive"`, Use: v1alpha1.Use{Connector: "tool", Operation: "isolate", With: raw(`{"target": "${alert.entities.pod}"}`)},
		}}, more...),
	}, catalog)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

// nothing was ever declared here.
type nothing struct{}

func (nothing) KnownAutomation(context.Context, string) ([]v1alpha1.KnownAutomation, error) {
	return nil, nil
}

// world is a namespace with a tool, a playbook and a log, which outlive managers.
type world struct {
	t         *testing.T
	cluster   *env.Cluster
	namespace string
	tool      *tool
	registry  *connectors.Registry
	log       *audit.Log
	logDir    string
	archive   *archive.Archive
	// full: the archive cannot be written; refused counts the tries.
	full    atomic.Bool
	refused atomic.Int32
	// ready holds inquiries up until it returns; nil lets them begin.
	ready func(context.Context) error
	// more that the playbook proposes.
	more []v1alpha1.ProposedAction

	mu     sync.Mutex
	closed []string // cases that take no further alerts
	merged []string // and those that older ones take them for
	order  []string // in which cases were concluded
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cluster := shared.Get(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "investigation-"}}
	if err := cluster.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	auditLog, err := audit.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := auditLog.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	w := &world{t: t, cluster: cluster, namespace: ns.Name, log: auditLog, logDir: dir}
	w.openArchive()
	w.tool = &tool{verify: benign(true)}
	w.tool.Connector = fake.New().Offer(fake.Action{Name: "isolate", Risk: v1alpha1.RiskMedium}).
		Answer(fake.Question{Name: "look", Answer: func(map[string]any) (map[string]any, error) {
			return map[string]any{"known": !w.tool.unknown.Load()}, nil
		}})
	w.registry = connectors.NewRegistry(func(namespace string) connectors.Asker {
		return memory.New(namespace, activity.New(activity.DefaultLimits), w.archive, nothing{}, time.Now)
	})
	w.registry.Set(w.namespace, "tool", w.tool)
	w.create(&v1alpha1.Analyst{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "default"},
		Spec:       v1alpha1.AnalystSpec{Engine: v1alpha1.EngineBuiltIn, Connector: "tool"},
	})
	return w
}

// For implements investigation.Playbooks.
func (w *world) For(namespace string) []*playbook.Playbook {
	return []*playbook.Playbook{book(w.t, w.registry.Catalog(namespace), w.more...)}
}

// Merge implements investigation.Correlator.
func (w *world) Merge(_, younger, older string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.merged = append(w.merged, younger+" into "+older)
}

// Close implements investigation.Correlator.
func (w *world) Close(_, name string, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = append(w.closed, name)
}

// start runs the controller under a manager of its own; it returns what stops it.
// creations, unless nil, is asked before each creation of an action.
func (w *world) start(creations func() error) (stop func()) {
	w.t.Helper()
	mgr, err := ctrl.NewManager(w.cluster.Config, ctrl.Options{
		Scheme: w.cluster.Scheme, Metrics: server.Options{BindAddress: "0"},
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	err = mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.ResponseAction{}, "spec.investigation", func(o client.Object) []string {
		return []string{o.(*v1alpha1.ResponseAction).Spec.Investigation}
	})
	if err != nil {
		w.t.Fatal(err)
	}
	r := &investigation.Reconciler{
		Client: w.guard(mgr.GetClient(), creations), Correlator: w, Recorder: events.NewFakeRecorder(1024), Now: time.Now,
		Investigator: &investigation.Investigator{
			Reader: mgr.GetClient(), Registry: w.registry, Playbooks: w, Log: w.log, Archive: volume{w.archive, w}, Now: time.Now,
			Ready: func(ctx context.Context) error {
				if w.ready == nil {
					return nil
				}
				return w.ready(ctx)
			},
		},
	}
	if err := r.SetupWithManager(ctx, mgr); err != nil {
		w.t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-stopped; err != nil {
			w.t.Errorf("manager: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// unwatched is a client as interceptors take it; the controller watches through its cache.
type unwatched struct{ client.Client }

func (unwatched) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.New("not watched in these tests")
}

func (w *world) guard(c client.Client, creations func() error) client.Client {
	if creations == nil {
		return c
	}
	return interceptor.NewClient(unwatched{c}, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if _, action := o.(*v1alpha1.ResponseAction); action {
				if err := creations(); err != nil {
					return err
				}
			}
			return c.Create(ctx, o, opts...)
		},
	})
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		if err := w.cluster.Client.Create(w.t.Context(), o); err != nil {
			w.t.Fatal(err)
		}
	}
}

// alert number n is about a pod of its own.
func (w *world) alert(n int, alter ...func(*v1alpha1.AlertSpec)) *v1alpha1.Alert {
	a := &v1alpha1.Alert{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: fmt.Sprintf("terminal-shell-in-container-%04d", n), Labels: map[string]string{v1alpha1.LabelInvestigation: caseName},
		},
		Spec: v1alpha1.AlertSpec{
			Source: "falco", Rule: "Terminal shell in container", Title: fmt.Sprintf("A shell in pod web-%d", n), Severity: v1alpha1.SeverityMedium,
			Techniques:  []v1alpha1.Technique{"T1059"},
			Entities:    []v1alpha1.Entity{{Type: v1alpha1.EntityPod, Value: fmt.Sprintf("shop/web-%d", n), Role: v1alpha1.RoleActor}},
			Fingerprint: fmt.Sprintf("%064x", n), RawDigest: fmt.Sprintf("%064x", n),
			FirstSeen: metav1.NewMicroTime(time.Date(2026, 3, 1, 9, 0, n, 0, time.UTC)),
		},
	}
	for _, f := range alter {
		f(&a.Spec)
	}
	return a
}

// until waits until the case is as it should be.
func (w *world) until(what string, holds func(*v1alpha1.Investigation) bool) *v1alpha1.Investigation {
	w.t.Helper()
	return w.untilCase(caseName, what, holds)
}

func (w *world) untilCase(name, what string, holds func(*v1alpha1.Investigation) bool) *v1alpha1.Investigation {
	w.t.Helper()
	c := &v1alpha1.Investigation{}
	err := wait.PollUntilContextTimeout(w.t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		err := w.cluster.Client.Get(ctx, types.NamespacedName{Namespace: w.namespace, Name: name}, c)
		return err == nil && holds(c), client.IgnoreNotFound(err)
	})
	if err != nil {
		w.t.Fatalf("waiting for %s: %v; %s %d alerts %+v\n%s", what, err, c.Status.Verdict, c.Status.AlertCount, c.Status.Conditions, c.Status.Narrative)
	}
	return c
}

// concluded waits for a verdict on so many alerts.
func (w *world) concluded(alerts int) *v1alpha1.Investigation {
	w.t.Helper()
	return w.until(fmt.Sprintf("a verdict on %d alerts", alerts), func(c *v1alpha1.Investigation) bool {
		return int(c.Status.AlertCount) == alerts && reason(c, v1alpha1.ConditionConcluded) != ""
	})
}

// reason of a condition that is true; empty for one that is not.
func reason(c *v1alpha1.Investigation, kind string) string {
	if found := meta.FindStatusCondition(c.Status.Conditions, kind); found != nil && found.Status == metav1.ConditionTrue {
		return found.Reason
	}
	return ""
}

func (w *world) actions() []v1alpha1.ResponseAction {
	w.t.Helper()
	var list v1alpha1.ResponseActionList
	if err := w.cluster.Client.List(w.t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}
