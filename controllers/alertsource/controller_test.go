package alertsource_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/alertsource"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// desk is a namespace with an AlertSource, and the controller as a user who may
// read the Secrets that a Role names, and no others.
type desk struct {
	t         *testing.T
	admin     client.Client
	namespace string
	operator  string
	sources   *ingest.Sources
	checks    *configuration.Reconciler[*v1alpha1.AlertSource]
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	c := shared.Get(t)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "alertsource-"}}
	if err := c.Client.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, admin: c.Client, namespace: ns.Name, operator: "operator-" + ns.Name, sources: ingest.NewSources()}
	d.checks = &configuration.Reconciler[*v1alpha1.AlertSource]{
		Client:  c.Client,
		Checker: &alertsource.Checker{Secrets: c.ClientAs(t, d.operator), Sources: d.sources},
		New:     func() *v1alpha1.AlertSource { return &v1alpha1.AlertSource{} },
	}
	return d
}

func (d *desk) create(objects ...client.Object) {
	d.t.Helper()
	for _, o := range objects {
		o.SetNamespace(d.namespace)
		if err := d.admin.Create(d.t.Context(), o); err != nil {
			d.t.Fatal(err)
		}
	}
}

// grant is what the message of a forbidden Secret asks for.
func (d *desk) grant(secret string) {
	d.t.Helper()
	d.create(
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "tocsin-in"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{secret}, Verbs: []string{"get"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "tocsin-in"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tocsin-in"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: d.operator}},
		},
	)
}

// check reconciles until the source stands somewhere: the API server takes a
// moment to act on a Role.
func (d *desk) check(reason string, words ...string) {
	d.t.Helper()
	ready := d.until(reason, func(c metav1.Condition) bool { return c.Reason == reason })
	for _, w := range words {
		if !strings.Contains(ready.Message, w) {
			d.t.Errorf("%s does not say %q: %s", reason, w, ready.Message)
		}
	}
	if _, inForce := d.sources.Get(d.namespace, "in"); inForce != (reason == v1alpha1.ReasonAccepted) {
		d.t.Errorf("%s: in force is %t", reason, inForce)
	}
}

// code is what a sender with a token gets.
func (d *desk) code(token string) int {
	d.t.Helper()
	server := &ingest.Server{Sources: d.sources, Known: d.admin, Store: kept{}, Metrics: ingest.NewMetrics(prometheus.NewRegistry()), Log: logr.Discard()}
	request := httptest.NewRequestWithContext(d.t.Context(), http.MethodPost, "/v1/sources/"+d.namespace+"/in", strings.NewReader("{}"))
	request.Header.Set("Authorization", "Bearer "+token)
	answer := httptest.NewRecorder()
	server.Handler().ServeHTTP(answer, request)
	return answer.Code
}

// kept stores everything.
type kept struct{}

func (kept) Publish(context.Context, string, string, []byte) (stream.Position, error) {
	return stream.Position{Stream: "s", Sequence: 1}, nil
}

func (kept) Bury(context.Context, stream.DeadLetter) error { return nil }

func falco() *v1alpha1.AlertSource {
	return &v1alpha1.AlertSource{ObjectMeta: metav1.ObjectMeta{Name: "in"}, Spec: v1alpha1.AlertSourceSpec{
		Format: v1alpha1.FormatFalco,
		Authentication: v1alpha1.SourceAuthentication{Bearer: &v1alpha1.BearerAuthentication{
			SecretRef: v1alpha1.SecretKeyReference{Name: "sender", Key: "token"},
		}},
	}}
}

func secret(key, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "sender"}, StringData: map[string]string{key: value}}
}

func TestSourceComesIntoForceStepByStep(t *testing.T) {
	d := newDesk(t)
	d.create(falco())
	d.check(v1alpha1.ReasonSecretMissing, "spec.authentication.bearer.secretRef.name", `may not get Secret "sender"`,
		"kubectl -n "+d.namespace+" create role tocsin-in --verb=get --resource=secrets --resource-name=sender", "tocsin-system:tocsin")
	if got := d.code("right"); got != http.StatusServiceUnavailable {
		t.Errorf("before it is in force senders get %d, want to be put off", got)
	}
	d.grant("sender")
	missing := `there is no Secret "sender" in namespace ` + d.namespace
	d.until(missing, func(c metav1.Condition) bool { return strings.Contains(c.Message, missing) })
	d.create(secret("other", "right"))
	d.check(v1alpha1.ReasonSecretMissing, "spec.authentication.bearer.secretRef.key", `Secret "sender" has no key "token"`)

	d.rotate("token", "right\n")
	d.check(v1alpha1.ReasonAccepted, "receives Falco at /v1/sources/"+d.namespace+"/in")
	d.senders(map[string]int{"right": http.StatusAccepted, "wrong": http.StatusUnauthorized, "": http.StatusUnauthorized})

	d.rotate("token", "rotated")
	d.check(v1alpha1.ReasonAccepted)
	d.senders(map[string]int{"right": http.StatusUnauthorized, "rotated": http.StatusAccepted})

	d.rotate("token", "")
	d.check(v1alpha1.ReasonSecretMissing, `has no key "token"`)
	d.senders(map[string]int{"rotated": http.StatusServiceUnavailable, "": http.StatusServiceUnavailable})
}

// until reconciles until the Ready condition is as it should be, and returns it.
func (d *desk) until(what string, holds func(metav1.Condition) bool) metav1.Condition {
	d.t.Helper()
	key := types.NamespacedName{Namespace: d.namespace, Name: "in"}
	var ready metav1.Condition
	err := wait.PollUntilContextTimeout(d.t.Context(), 10*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		_, _ = d.checks.Reconcile(ctx, reconcile.Request{NamespacedName: key}) // the status says it as well
		source := &v1alpha1.AlertSource{}
		if err := d.admin.Get(ctx, key, source); err != nil {
			return false, err
		}
		if found := meta.FindStatusCondition(source.Status.Conditions, v1alpha1.ConditionReady); found != nil {
			ready = *found
		}
		return holds(ready), nil
	})
	if err != nil {
		d.t.Fatalf("waiting for %s, it stands at %+v: %v", what, ready, err)
	}
	return ready
}

func (d *desk) rotate(key, value string) {
	d.t.Helper()
	s := secret(key, value)
	s.Namespace = d.namespace
	if err := d.admin.Update(d.t.Context(), s); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) senders(codes map[string]int) {
	d.t.Helper()
	for token, want := range codes {
		if got := d.code(token); got != want {
			d.t.Errorf("a sender with token %q gets %d, want %d", token, got, want)
		}
	}
}

func TestWrongMappingNamesItsFields(t *testing.T) {
	d := newDesk(t)
	d.grant("sender")
	generic := falco()
	generic.Spec.Format = v1alpha1.FormatGeneric
	generic.Spec.Mapping = &v1alpha1.GenericMapping{
		Rule: "event.rule", Title: "nothing.title",
		Entities:   []v1alpha1.EntityMapping{{Type: v1alpha1.EntityIP, Value: "event.ip"}, {Type: v1alpha1.EntityPod, Value: "event.pod ++"}},
		Attributes: map[string]string{"note": "event.note", "size": "event["},
	}
	d.create(secret("token", "right"), generic)
	d.check(v1alpha1.ReasonInvalidSpec, "spec.mapping.title: ", "undeclared reference to 'nothing'", "spec.mapping.entities[1].value: ", `spec.mapping.attributes["size"]: `)
}
