package alert_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/alert"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

const caseName = "case-1"

var seen = metav1.NewMicroTime(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))

// joins names the same Investigation for every alert.
type joins struct{}

func (joins) Join(string, string, v1alpha1.AlertSpec) (string, []string) { return caseName, nil }

// world is an alert, its case, and a controller whose writes are counted.
type world struct {
	t     *testing.T
	api   client.Client
	alert *v1alpha1.Alert
	file  *v1alpha1.Investigation
	// during is done once before the next write of a status.
	during     func()
	writes     int
	reconciler *alert.Reconciler
}

func newWorld(t *testing.T) *world {
	t.Helper()
	cluster := shared.Get(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "alert-"}}
	if err := cluster.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, api: cluster.Client,
		alert: &v1alpha1.Alert{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "shell-1", Labels: map[string]string{v1alpha1.LabelInvestigation: caseName}},
			Spec: v1alpha1.AlertSpec{
				Source: "falco", Rule: "shell", Title: "A shell", Severity: v1alpha1.SeverityHigh, FirstSeen: seen, Fingerprint: strings.Repeat("0", 64),
			},
		},
		file: &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: caseName}},
	}
	direct, err := client.NewWithWatch(cluster.Config, client.Options{Scheme: cluster.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	w.reconciler = &alert.Reconciler{Correlator: joins{}, Client: interceptor.NewClient(direct, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			w.writes++
			if w.during != nil {
				w.during()
				w.during = nil
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})}
	return w
}

func (w *world) create(objects ...client.Object) {
	w.t.Helper()
	for _, o := range objects {
		if err := w.api.Create(w.t.Context(), o); err != nil {
			w.t.Fatal(err)
		}
	}
}

// conclude writes what the case's controller would.
func (w *world) conclude(verdict v1alpha1.Verdict, alerts ...string) {
	w.t.Helper()
	w.file.Status.Verdict, w.file.Status.Alerts = verdict, alerts
	if err := w.api.Status().Update(w.t.Context(), w.file); err != nil {
		w.t.Fatal(err)
	}
}

// count writes what ingest would.
func (w *world) count(events int64) {
	w.t.Helper()
	counts := &ingest.APIAlerts{Client: w.api, Reader: w.api}
	err := counts.SetCount(w.t.Context(), client.ObjectKeyFromObject(w.alert), ingest.Count{
		Events: events, LastSeen: seen.Add(time.Minute), Through: stream.Position{Stream: "s", Sequence: 7},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) reconcile() error {
	w.t.Helper()
	_, err := w.reconciler.Reconcile(w.t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(w.alert)})
	if getErr := w.api.Get(w.t.Context(), client.ObjectKeyFromObject(w.alert), w.alert); client.IgnoreNotFound(getErr) != nil {
		w.t.Fatal(getErr)
	}
	return err
}

func (w *world) must() {
	w.t.Helper()
	if err := w.reconcile(); err != nil {
		w.t.Fatal(err)
	}
}

// told is what the status says, but for conditions.
type told struct {
	Verdict       v1alpha1.Verdict
	Investigation string
	Count         int64
	LastSeen      time.Time
	Sequence      int64
}

func (w *world) expect(want told, writes int) {
	w.t.Helper()
	s := w.alert.Status
	got := told{Verdict: s.Verdict, Investigation: s.Investigation, Count: s.Count, LastSeen: s.LastSeen.UTC()}
	if s.Counted != nil {
		got.Sequence = s.Counted.Sequence
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Errorf("status (-want +got):\n%s", diff)
	}
	if w.writes != writes {
		w.t.Errorf("%d writes of the status, want %d", w.writes, writes)
	}
}

func TestVerdictIsCopiedOnce(t *testing.T) {
	w := newWorld(t)
	w.create(w.alert, w.file)
	w.must()
	w.expect(told{LastSeen: time.Time{}}, 0)
	w.conclude(v1alpha1.Undetermined, "another")
	w.must()
	w.expect(told{LastSeen: time.Time{}}, 0) // the case does not count this alert yet

	// An alert that never repeats was seen once, when it was seen first.
	w.conclude(v1alpha1.Undetermined, "another", "shell-1")
	for range 3 {
		w.must()
	}
	w.expect(told{Verdict: v1alpha1.Undetermined, Investigation: caseName, Count: 1, LastSeen: seen.Time}, 1)
	w.conclude(v1alpha1.TruePositive, "another", "shell-1")
	for range 3 {
		w.must()
	}
	w.expect(told{Verdict: v1alpha1.TruePositive, Investigation: caseName, Count: 1, LastSeen: seen.Time}, 2)
}

// The verdict on an alert of a merged case is that of the case that holds it now.
func TestVerdictOfTheCaseThatHoldsIt(t *testing.T) {
	w := newWorld(t)
	older := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: w.file.Namespace, Name: "case-0"}}
	w.create(w.alert, w.file, older)
	w.file.Status.MergedInto = older.Name
	w.conclude(v1alpha1.BenignPositive, "shell-1")
	w.must()
	w.expect(told{LastSeen: time.Time{}}, 0) // the older case does not count it yet
	w.file = older
	w.conclude(v1alpha1.TruePositive, "another", "shell-1")
	w.must()
	w.expect(told{Verdict: v1alpha1.TruePositive, Investigation: older.Name, Count: 1, LastSeen: seen.Time}, 1)
}

func TestVerdictAndCountKeepEachOther(t *testing.T) {
	w := newWorld(t)
	w.create(w.alert, w.file)
	w.conclude(v1alpha1.TruePositive, "shell-1")
	// Ingest counts between the controller's read and its write: the write, which
	// would set the count of an alert that was seen once, must not win.
	w.during = func() { w.count(300) }
	if err := w.reconcile(); !apierrors.IsConflict(err) {
		t.Fatalf("got %v, want a conflict", err)
	}
	w.must()
	counted := told{Verdict: v1alpha1.TruePositive, Investigation: caseName, Count: 300, LastSeen: seen.Add(time.Minute), Sequence: 7}
	w.expect(counted, 2)

	w.count(301)
	w.must()
	counted.Count = 301
	w.expect(counted, 2)
}

func TestLabelComesBack(t *testing.T) {
	w := newWorld(t)
	w.alert.Labels = map[string]string{"team": "red"}
	w.create(w.alert, w.file)
	w.must()
	want := map[string]string{"team": "red", v1alpha1.LabelInvestigation: caseName}
	if diff := cmp.Diff(want, w.alert.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	version := w.alert.ResourceVersion
	w.must()
	if w.alert.ResourceVersion != version {
		t.Error("an alert that has its label was written again")
	}
}

func TestWithoutCaseOrAlert(t *testing.T) {
	w := newWorld(t)
	w.must() // there is no alert
	w.create(w.alert)
	w.must() // the case is not opened yet
	w.expect(told{LastSeen: time.Time{}}, 0)
}
