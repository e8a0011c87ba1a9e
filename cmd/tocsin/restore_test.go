package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

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
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/correlate"
)

var seen = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func about(pod string, at time.Time) v1alpha1.AlertSpec {
	return v1alpha1.AlertSpec{
		Source: "falco", Rule: "shell", FirstSeen: metav1.NewMicroTime(at),
		Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityPod, Value: pod, Role: v1alpha1.RoleActor}},
	}
}

func stored(name, file string, spec v1alpha1.AlertSpec) *v1alpha1.Alert {
	a := &v1alpha1.Alert{ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name}, Spec: spec}
	if file != "" {
		a.Labels = map[string]string{v1alpha1.LabelInvestigation: file}
	}
	return a
}

func opened(name string, closed bool) *v1alpha1.Investigation {
	c := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name}}
	if closed {
		meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionClosed, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonClosedByHuman})
	}
	return c
}

func mergedInto(name, older string) *v1alpha1.Investigation {
	c := opened(name, true)
	c.Status.MergedInto = older
	return c
}

func graded(name string) *v1alpha1.Investigation {
	c := opened(name, false)
	c.Spec.Grade = &v1alpha1.Grade{Verdict: v1alpha1.BenignPositive, By: "alice", Reason: "a drill"}
	return c
}

func newClient(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
}

// emptied is an archive that was lost.
type emptied struct{ alerts []archive.Alert }

func (k *emptied) PutAlerts(_ context.Context, alerts ...archive.Alert) error {
	k.alerts = append(k.alerts, alerts...)
	return nil
}

// An archive that was lost hears of every alert that there is.
func TestRestoreArchive(t *testing.T) {
	kept := &emptied{}
	r := &restore{cases: correlate.NewIndex(), archive: kept, rules: &configuration.Seen{}, reader: newClient(t,
		opened("closed", true), stored("a", "closed", about("shop/web-1", seen)), stored("b", "", about("shop/web-2", seen.Add(time.Hour))),
	)}
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []archive.Alert{
		{Namespace: "soc", Name: "a", Rule: "shell", FirstSeen: seen}, {Namespace: "soc", Name: "b", Rule: "shell", FirstSeen: seen.Add(time.Hour)},
	}
	if diff := cmp.Diff(want, kept.alerts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// After a restart, further alerts join the cases that were open before.
func TestRestoreOpenCases(t *testing.T) {
	cases := correlate.NewIndex()
	r := &restore{cases: cases, archive: &emptied{}, rules: &configuration.Seen{}, reader: newClient(t,
		opened("open", false), stored("a", "open", about("shop/web-0", seen)),
		graded("graded"), stored("e", "graded", about("shop/web-4", seen)),
		opened("closed", true), stored("b", "closed", about("shop/web-1", seen)),
		stored("c", "announced", about("shop/web-2", seen)), // whose Investigation was not created yet
		stored("d", "", about("shop/web-3", seen)),
		mergedInto("merged", "open"), stored("f", "merged", about("shop/web-5", seen)),
		mergedInto("late", "closed"), stored("g", "late", about("shop/web-6", seen)),
	)}
	if err := r.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		pod, want string
		fresh     bool
	}{
		"an open case":             {pod: "shop/web-0", want: "open"},
		"a case not created yet":   {pod: "shop/web-2", want: "announced"},
		"a merged case":            {pod: "shop/web-5", want: "open"},
		"merged, and closed since": {pod: "shop/web-6", fresh: true},
		"a closed case":            {pod: "shop/web-1", fresh: true},
		"a graded case":            {pod: "shop/web-4", fresh: true},
		"an alert without a label": {pod: "shop/web-3", fresh: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, _ := cases.Join("soc", "late, "+name, about(tc.pod, seen.Add(time.Minute)))
			known := got == "open" || got == "graded" || got == "closed" || got == "announced"
			if tc.fresh && known || !tc.fresh && got != tc.want {
				t.Errorf("joined %q, want %q or, where that is empty, a case of its own", got, tc.want)
			}
		})
	}
}

// accepts lets every rule be in force.
type accepts struct{}

func (accepts) Check(context.Context, *v1alpha1.DetectionRule) (string, error) { return "", nil }
func (accepts) Forget(types.NamespacedName)                                    {}

// Events wait for the rules: one that was not checked yet would find nothing.
func TestRestoreAwaitsRules(t *testing.T) {
	rule := &v1alpha1.DetectionRule{ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "unchecked"}}
	looked := make(chan struct{})
	reader := interceptor.NewClient(newClient(t, rule), interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, ofRules := list.(*v1alpha1.DetectionRuleList); ofRules {
				looked <- struct{}{}
			}
			return c.List(ctx, list, opts...)
		},
	})
	rules := &configuration.Seen{}
	ended := make(chan error, 1)
	go func() {
		ended <- (&restore{cases: correlate.NewIndex(), archive: &emptied{}, rules: rules, reader: reader}).run(t.Context())
	}()
	// That it looks a second time says that the first was not enough.
	for range 2 {
		select {
		case <-looked:
		case err := <-ended:
			t.Fatalf("did not wait for a rule that was not checked: %v", err)
		}
	}
	checks := &configuration.Reconciler[*v1alpha1.DetectionRule]{
		Client: newClient(t, rule), Checker: accepts{}, New: func() *v1alpha1.DetectionRule { return &v1alpha1.DetectionRule{} }, Seen: rules,
	}
	if _, err := checks.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(rule)}); err != nil {
		t.Fatal(err)
	}
	for {
		select {
		case <-looked:
		case err := <-ended:
			if err != nil {
				t.Errorf("with a rule that was checked: %v", err)
			}
			return
		}
	}
}

func TestRestoreNeedsTheAPIServer(t *testing.T) {
	down := interceptor.NewClient(newClient(t), interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
			return errors.New("down")
		},
	})
	err := (&restore{cases: correlate.NewIndex(), archive: &emptied{}, rules: &configuration.Seen{}, reader: down}).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "restore open cases: down") {
		t.Errorf("got %v", err)
	}
}
