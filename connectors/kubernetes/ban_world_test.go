package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

const policies, bindings = "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1 ValidatingAdmissionPolicyBinding"

// bans makes an example of an action whose only trace is a ban.
func (w *world) bans(t *testing.T, operation string, pairs ...any) conformance.Action {
	clean := func(t *testing.T) {
		for _, object := range []client.Object{&admissionregistrationv1.ValidatingAdmissionPolicyBinding{}, &admissionregistrationv1.ValidatingAdmissionPolicy{}} {
			if err := w.DeleteAllOf(context.Background(), object, client.MatchingLabels{"app.kubernetes.io/managed-by": "tocsin"}); err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(func() { clean(t) })
	return conformance.Action{
		Request: request(operation, pairs...), Prepare: clean,
		Snapshot: func(t *testing.T) []byte { return w.snapshot(t, false, policies, bindings) },
	}
}

// enforced waits until the API server refuses what is tried, or ceases to.
func enforced(t *testing.T, want bool, try func(ctx context.Context) error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		last = try(ctx)
		return apierrors.IsForbidden(last) == want, nil
	})
	if err != nil {
		t.Fatalf("refused is not %t: %v", want, last)
	}
}

// as is a client of somebody who may do everything.
func (w *world) as(t *testing.T, user string) client.Client {
	t.Helper()
	cfg := rest.CopyConfig(w.cluster.Config)
	cfg.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:masters", "system:authenticated"}}
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (w *world) configMap() *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, GenerateName: "written-"}}
}

func TestLockedIdentityWritesNothing(t *testing.T) {
	tests := map[string]func(w *world) (username, argument, value string){
		"a user":                     func(*world) (string, string, string) { return "mallory", "user", "mallory" },
		"a user with a hostile name": func(*world) (string, string, string) { const n = `mal"lory' || "" == "\ü`; return n, "user", n },
		"a ServiceAccount, by itself": func(w *world) (string, string, string) {
			return "system:serviceaccount:" + w.namespace + ":web", "serviceAccount", w.namespace + "/web"
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, append(allRoles, admissionRole)...)
			c := w.connector(t, kubernetes.Options{})
			w.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}})
			username, argument, value := test(w)
			r := request("lock-identity", argument, value)
			planned := plan(t, c, r)
			if len(planned.Affects) != 1 || planned.Affects[0] != username {
				t.Errorf("affects %q, want %q: nobody may approve their own lock", planned.Affects, username)
			}
			w.bans(t, "lock-identity") // cleans up
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			locked, other := w.as(t, username), w.as(t, "alice")
			write := func(ctx context.Context) error { return locked.Create(ctx, w.configMap(), client.DryRunAll) }
			enforced(t, true, write)
			for what, try := range map[string]func() error{
				"a cluster-scoped object": func() error {
					return locked.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "x-"}}, client.DryRunAll)
				},
				"a deletion": func() error {
					return locked.Delete(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}}, client.DryRunAll)
				},
			} {
				if err := try(); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "locked by a response of Tocsin") {
					t.Errorf("%s: got %v, want it refused with why", what, err)
				}
			}
			if err := locked.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(w.namespace)); err != nil {
				t.Errorf("reading, which the plan says goes on: %v", err)
			}
			if err := other.Create(t.Context(), w.configMap(), client.DryRunAll); err != nil {
				t.Errorf("somebody else: %v", err)
			}
			back := undo(t, planned)
			wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
			enforced(t, false, write)
		})
	}
}

func TestLockSpares(t *testing.T) {
	w := newWorld(t, append(allRoles, admissionRole)...)
	c := w.connector(t, kubernetes.Options{})
	tests := map[string]struct {
		argument, value, want string
		err                   error
	}{
		"the control plane":               {"user", "system:kube-controller-manager", "control plane", connectors.ErrInvalid},
		"nodes":                           {"user", "system:node:n1", "control plane", connectors.ErrInvalid},
		"a ServiceAccount under disguise": {"user", "system:serviceaccount:tocsin-system:tocsin", "argument serviceAccount", connectors.ErrInvalid},
		"who acts here":                   {"serviceAccount", w.namespace + "/connector", "Tocsin acts as", connectors.ErrInvalid},
		"who is not there":                {"serviceAccount", w.namespace + "/gone", "gone", connectors.ErrNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := c.Plan(t.Context(), request("lock-identity", test.argument, test.value))
			if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %v with %q", err, test.err, test.want)
			}
		})
	}
}

func TestLockSaysWhatItDoesNotHold(t *testing.T) {
	w := newWorld(t, append(allRoles, admissionRole)...)
	c := w.connector(t, kubernetes.Options{})
	w.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}})
	w.create(t, w.pod("web-0", nil))
	w.bind(t, "admin-"+w.namespace, "cluster-admin", w.namespace, "web")
	got := strings.Join(plan(t, c, request("lock-identity", "serviceAccount", w.namespace+"/web")).Warnings, "\n")
	for _, want := range []string{"reads are not held", "1 pod runs as it, and can write nothing either: web-0", "can take this lock away", "in another's name"} {
		if !strings.Contains(got, want) {
			t.Errorf("warnings are %q, want %q", got, want)
		}
	}
}

func TestLockWithoutTheRightSaysWhatToGrant(t *testing.T) {
	w := newWorld(t, allRoles...)
	_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request("lock-identity", "user", "mallory"))
	if !errors.Is(err, connectors.ErrForbidden) || !strings.Contains(err.Error(), "tocsin-connector-admission") {
		t.Errorf("got %v, want ErrForbidden that names the role", err)
	}
}

// Whoever may write admission policies could be in the way.
func TestLockTrustsNoPolicyThatDoesSomethingElse(t *testing.T) {
	w := newWorld(t, append(allRoles, admissionRole)...)
	c := w.connector(t, kubernetes.Options{})
	r := request("lock-identity", "user", "mallory")
	planned := plan(t, c, r)
	w.bans(t, "lock-identity")
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	var found admissionregistrationv1.ValidatingAdmissionPolicyList
	if err := w.List(t.Context(), &found, client.MatchingLabels{"app.kubernetes.io/managed-by": "tocsin"}); err != nil || len(found.Items) != 1 {
		t.Fatalf("got %d policies, %v", len(found.Items), err)
	}
	policy := &found.Items[0]
	policy.Spec.Validations[0].Expression = "true"
	if err := w.Update(t.Context(), policy); err != nil {
		t.Fatal(err)
	}
	for _, again := range []connectors.Request{r, undo(t, planned)} {
		if _, err := c.Plan(t.Context(), again); !errors.Is(err, connectors.ErrConflict) {
			t.Errorf("%s: got %v, want ErrConflict", again.Operation, err)
		}
	}
	if _, err := c.Observe(t.Context(), r, planned.Target); !errors.Is(err, connectors.ErrConflict) {
		t.Errorf("observing: got %v, want ErrConflict", err)
	}
}

func TestBlockedImageStartsNowhere(t *testing.T) {
	const digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
	tests := map[string]struct{ argument, value, blocked, passes string }{
		"a repository": {"repository", "docker.io/mallory/miner", "mallory/miner:2", "mallory/miner2:2"},
		"a digest":     {"digest", digest, "example.com/web@" + digest, "example.com/web:1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, append(allRoles, admissionRole)...)
			c := w.connector(t, kubernetes.Options{})
			with := func(name string, change func(spec *corev1.PodSpec)) *corev1.Pod {
				p := w.pod(name, nil)
				change(&p.Spec)
				return p
			}
			main := func(image string) func(spec *corev1.PodSpec) {
				return func(spec *corev1.PodSpec) { spec.Containers[0].Image = image }
			}
			running := with("running", main(test.blocked))
			w.create(t, running)
			clean := with("clean", main(test.passes))
			w.create(t, clean)
			r := request("block-image", test.argument, test.value)
			planned := plan(t, c, r)
			if got := strings.Join(planned.Warnings, "\n"); !strings.Contains(got, fmt.Sprintf("1 pod runs it now; they run on, and nothing starts them again once they end: namespaces %s (1)", w.namespace)) {
				t.Errorf("warnings are %q, want them to tell the pod that runs it", got)
			}
			if len(planned.Touches) != 1 || planned.Touches[0].Name != w.namespace {
				t.Errorf("touches %v, want namespace %s", planned.Touches, w.namespace)
			}
			w.bans(t, "block-image")
			wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
			start := func(ctx context.Context) error {
				return w.Create(ctx, with("main", main(test.blocked)), client.DryRunAll)
			}
			enforced(t, true, start)
			init := with("init", func(spec *corev1.PodSpec) {
				spec.InitContainers = []corev1.Container{{Name: "init", Image: test.blocked}}
			})
			if err := w.Create(t.Context(), init, client.DryRunAll); !apierrors.IsForbidden(err) {
				t.Errorf("an init container: got %v, want it refused", err)
			}
			debugged := clean.DeepCopy()
			debugged.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: test.blocked}}}
			if err := w.SubResource("ephemeralcontainers").Update(t.Context(), debugged, client.DryRunAll); !apierrors.IsForbidden(err) {
				t.Errorf("an ephemeral container: got %v, want it refused", err)
			}
			changed := clean.DeepCopy()
			changed.Spec.Containers[0].Image = test.blocked
			if err := w.Update(t.Context(), changed, client.DryRunAll); !apierrors.IsForbidden(err) {
				t.Errorf("a running pod's image changed to it: got %v, want it refused", err)
			}
			if err := w.Create(t.Context(), with("other", main(test.passes)), client.DryRunAll); err != nil {
				t.Errorf("another image: %v", err)
			}
			// What runs it already can still be labelled, isolated and ended.
			w.setLabel(t, running, "soc.tocsin.dev/suspect", "true")
			back := undo(t, planned)
			wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
			enforced(t, false, start)
		})
	}
}

// admissionRole is bound where bans are tested: nothing that ships binds it.
const admissionRole = "tocsin-connector-admission"
