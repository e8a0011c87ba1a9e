package stopswitch_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/stopswitch"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

type log struct {
	entries []audit.Entry
	err     error
}

func (l *log) Append(_ context.Context, e audit.Entry) (int64, error) {
	if l.err != nil {
		return 0, l.err
	}
	l.entries = append(l.entries, e)
	return int64(len(l.entries) - 1), nil
}

func TestSwitchesAreLogged(t *testing.T) {
	c := shared.Get(t).Client
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "stop-"}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	logged, told := &log{}, events.NewFakeRecorder(16)
	d := stopswitch.Dependencies{Client: c, Log: logged, Events: told, Clock: clocktesting.NewFakePassiveClock(namespace.CreationTimestamp.Time), Operator: "tocsin-system"}
	reconciler := stopswitch.NewReconciler(d)
	look := func() error {
		_, err := reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: namespace.Name}})
		return err
	}
	must := func() {
		t.Helper()
		if err := look(); err != nil {
			t.Fatal(err)
		}
	}
	set := func(annotations map[string]string) {
		t.Helper()
		before := namespace.DeepCopy()
		namespace.Annotations = annotations
		if err := c.Patch(t.Context(), namespace, client.MergeFrom(before), client.FieldOwner("on-call")); err != nil {
			t.Fatal(err)
		}
	}
	must()
	set(map[string]string{v1alpha1.AnnotationStop: "false"})
	must()

	set(map[string]string{v1alpha1.AnnotationStop: "drill"})
	logged.err = errors.New("the volume is full")
	if err := look(); err == nil {
		t.Error("what could not be logged counts as logged")
	}
	logged.err = nil
	must()
	must()
	set(map[string]string{v1alpha1.AnnotationStop: "no drill"})
	must()
	reconciler = stopswitch.NewReconciler(d) // after a restart
	must()
	set(nil)
	must()
	must()

	var got []string
	for _, e := range logged.entries {
		if e.Type != audit.TypeStop || e.Namespace != namespace.Name {
			t.Errorf("entry %+v", e)
		}
		manager, _ := e.Data["manager"].(string)
		got = append(got, strings.TrimSpace(e.Summary+" "+manager))
	}
	want := []string{
		"stopped: actions of this namespace and on what it holds (drill) on-call",
		"stopped: actions of this namespace and on what it holds (no drill) on-call",
		"stopped: actions of this namespace and on what it holds (no drill) on-call",
		"let go: actions of this namespace and on what it holds may run again",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(told.Events) != len(want) {
		t.Errorf("%d events, want %d", len(told.Events), len(want))
	}
}

func TestTheOperatorsSwitchStopsAll(t *testing.T) {
	c := shared.Get(t).Client
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "operator-", Annotations: map[string]string{v1alpha1.AnnotationStop: ""}}}
	if err := c.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	logged := &log{}
	reconciler := stopswitch.NewReconciler(stopswitch.Dependencies{
		Client: c, Log: logged, Events: events.NewFakeRecorder(16), Clock: clocktesting.NewFakePassiveClock(namespace.CreationTimestamp.Time), Operator: namespace.Name,
	})
	if _, err := reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: namespace.Name}}); err != nil {
		t.Fatal(err)
	}
	if len(logged.entries) != 1 || !strings.HasPrefix(logged.entries[0].Summary, "stopped: all actions") {
		t.Errorf("log: %+v", logged.entries)
	}
}
