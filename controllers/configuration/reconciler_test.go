package configuration_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// scripted is a Checker that says what it is told to.
type scripted struct {
	message   string
	err       error
	forgotten []types.NamespacedName
}

func (s *scripted) Check(context.Context, *v1alpha1.Analyst) (string, error) { return s.message, s.err }

func (s *scripted) Forget(key types.NamespacedName) { s.forgotten = append(s.forgotten, key) }

// newNamespace returns a client that counts writes of a status, and a namespace.
func newNamespace(t *testing.T) (c client.Client, writes *int, namespace string) {
	t.Helper()
	cluster := shared.Get(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "configuration-"}}
	if err := cluster.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	direct, err := client.NewWithWatch(cluster.Config, client.Options{Scheme: cluster.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	writes = new(int)
	return interceptor.NewClient(direct, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			*writes++
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}), writes, ns.Name
}

func TestStatusIsWrittenWhenItChanges(t *testing.T) {
	api, writes, namespace := newNamespace(t)
	checker := &scripted{}
	r := &configuration.Reconciler[*v1alpha1.Analyst]{
		Client: api, Checker: checker, Every: time.Minute, New: func() *v1alpha1.Analyst { return &v1alpha1.Analyst{} },
	}
	analyst := &v1alpha1.Analyst{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "default"}, Spec: v1alpha1.AnalystSpec{Engine: v1alpha1.EngineBuiltIn}}
	if err := api.Create(t.Context(), analyst); err != nil {
		t.Fatal(err)
	}
	passing := errors.New("the tool does not answer")
	steps := []struct {
		name    string
		message string
		err     error

		wantWrites    int
		wantReady     metav1.ConditionStatus
		wantReason    string
		wantStalled   metav1.ConditionStatus
		wantTriedSoon bool
	}{
		{name: "in force", message: "in force", wantWrites: 1, wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted, wantStalled: metav1.ConditionFalse},
		{name: "checked again", message: "in force", wantWrites: 1, wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted, wantStalled: metav1.ConditionFalse},
		{
			name: "refused for good", err: configuration.Reject(v1alpha1.ReasonInvalidSpec, errors.New("spec.x: must be y")),
			wantWrites: 2, wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonInvalidSpec, wantStalled: metav1.ConditionTrue,
		},
		{
			name: "refused again", err: configuration.Reject(v1alpha1.ReasonInvalidSpec, errors.New("spec.x: must be y")),
			wantWrites: 2, wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonInvalidSpec, wantStalled: metav1.ConditionTrue,
		},
		{
			name: "refused until something comes", err: configuration.Await(v1alpha1.ReasonSecretMissing, errors.New("spec.secretRef: there is none")),
			wantWrites: 3, wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonSecretMissing, wantStalled: metav1.ConditionFalse, wantTriedSoon: true,
		},
		{name: "down", err: passing, wantWrites: 4, wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonUnavailable, wantStalled: metav1.ConditionFalse, wantTriedSoon: true},
		{name: "still down", err: passing, wantWrites: 4, wantReady: metav1.ConditionFalse, wantReason: v1alpha1.ReasonUnavailable, wantStalled: metav1.ConditionFalse, wantTriedSoon: true},
		{name: "in force again", message: "in force", wantWrites: 5, wantReady: metav1.ConditionTrue, wantReason: v1alpha1.ReasonAccepted, wantStalled: metav1.ConditionFalse},
	}
	for _, step := range steps {
		checker.message, checker.err = step.message, step.err
		result, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(analyst)})
		if (err != nil) != step.wantTriedSoon || err == nil && result.RequeueAfter != time.Minute {
			t.Errorf("%s: got %+v, %v; want an error, for another try: %t", step.name, result, err, step.wantTriedSoon)
		}
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(analyst), analyst); err != nil {
			t.Fatal(err)
		}
		conditions := analyst.Status.Conditions
		ready, stalled := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(conditions, v1alpha1.ConditionStalled)
		if ready.Status != step.wantReady || ready.Reason != step.wantReason || stalled.Status != step.wantStalled {
			t.Errorf("%s: got %+v", step.name, conditions)
		}
		if step.err != nil && ready.Message != step.err.Error() {
			t.Errorf("%s: the message is %q, want %q", step.name, ready.Message, step.err)
		}
		if analyst.Status.ObservedGeneration != analyst.Generation {
			t.Errorf("%s: observed generation %d of %d", step.name, analyst.Status.ObservedGeneration, analyst.Generation)
		}
		if *writes != step.wantWrites {
			t.Errorf("%s: %d writes so far, want %d", step.name, *writes, step.wantWrites)
		}
	}
}

func TestDeletedIsForgotten(t *testing.T) {
	api, writes, namespace := newNamespace(t)
	checker := &scripted{}
	r := &configuration.Reconciler[*v1alpha1.Analyst]{Client: api, Checker: checker, New: func() *v1alpha1.Analyst { return &v1alpha1.Analyst{} }}
	gone := types.NamespacedName{Namespace: namespace, Name: "default"}
	if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: gone}); err != nil {
		t.Error(err)
	}
	if len(checker.forgotten) != 1 || checker.forgotten[0] != gone || *writes != 0 {
		t.Errorf("forgot %v after %d writes, want %v after none", checker.forgotten, *writes, gone)
	}
}

func TestAwaitReturnsWhenAllWereChecked(t *testing.T) {
	api, _, namespace := newNamespace(t)
	seen := &configuration.Seen{}
	r := &configuration.Reconciler[*v1alpha1.Analyst]{
		Client: api, Checker: &scripted{err: configuration.Reject(v1alpha1.ReasonInvalidSpec, errors.New("no"))}, Seen: seen,
		New: func() *v1alpha1.Analyst { return &v1alpha1.Analyst{} },
	}
	// The reader sees this namespace only, whatever other tests leave behind.
	reader := client.NewNamespacedClient(api, namespace)
	await := func(ctx context.Context) error { return seen.Await(ctx, reader, &v1alpha1.AnalystList{}) }
	if err := await(t.Context()); err != nil {
		t.Fatalf("where nothing exists: %v", err)
	}
	names := []string{"default", "other"}
	for _, name := range names {
		analyst := &v1alpha1.Analyst{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: v1alpha1.AnalystSpec{Engine: v1alpha1.EngineBuiltIn}}
		if err := api.Create(t.Context(), analyst); err != nil {
			t.Fatal(err)
		}
	}
	returned := make(chan error, 1)
	go func() { returned <- await(t.Context()) }()
	for _, name := range names {
		select {
		case err := <-returned:
			t.Fatalf("returned %v before %s was checked", err, name)
		default:
		}
		if _, err := r.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-returned; err != nil {
		t.Errorf("after all were checked: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := (&configuration.Seen{}).Await(stopped, reader, &v1alpha1.AnalystList{}); !errors.Is(err, context.Canceled) {
		t.Errorf("told to stop: got %v, want %v", err, context.Canceled)
	}
}
