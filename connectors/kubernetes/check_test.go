package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCheckSaysWhichRoleIsMissing(t *testing.T) {
	w := newWorld(t)
	c, err := kubernetes.New(w.operator, w.namespace, "another", kubernetes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = c.Check(t.Context())
	if !errors.Is(err, connectors.ErrForbidden) {
		t.Fatalf("Check: got %v, want ErrForbidden", err)
	}
	for _, part := range []string{
		"Create in namespace " + w.namespace + " a Role", "verbs: [impersonate]", "resources: [serviceaccounts]", "resourceNames: [another]",
		"RoleBinding of it to ServiceAccount tocsin-system/tocsin",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("Check says %q, want it to say %q", err, part)
		}
	}
}

// The right to impersonate one ServiceAccount is all that the operator has here.
func TestCheckNeedsNoMoreThanTheRole(t *testing.T) {
	w := newWorld(t)
	if err := w.connector(t, kubernetes.Options{}).Check(t.Context()); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestForbiddenSaysWhatToGrant(t *testing.T) {
	w := newWorld(t)
	c := w.connector(t, kubernetes.Options{})
	_, err := c.Ask(t.Context(), "describe-workload", args("pod", w.namespace+"/web-0"))
	if !errors.Is(err, connectors.ErrForbidden) {
		t.Fatalf("Ask: got %v, want ErrForbidden", err)
	}
	want := "ServiceAccount " + w.namespace + `/connector lacks verb get on resource "pods" in API group ""; grant it with a RoleBinding in namespace ` + w.namespace
	if !strings.Contains(err.Error(), want) {
		t.Errorf("Ask says %q, want it to say %q", err, want)
	}
}

func TestFactoryOffersWhatIsAllowed(t *testing.T) {
	tests := map[string]struct {
		allowed []string
		want    []string
		wantErr error
	}{
		"a question":                    {allowed: []string{"permissions"}, want: []string{"permissions"}},
		"an action with its inverse":    {allowed: []string{"isolate-pod"}, want: []string{"isolate-pod", "release-pod"}},
		"one that does not exist":       {allowed: []string{"isolate-pods"}, wantErr: connectors.ErrInvalid},
		"an inverse is none by itself":  {allowed: []string{"create-role-binding"}, wantErr: connectors.ErrInvalid},
		"one that does not, and a good": {allowed: []string{"label", "nope"}, wantErr: connectors.ErrInvalid},
	}
	w := newWorld(t)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := kubernetes.Factory(w.operator, nil)(t.Context(), &v1alpha1.Connector{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "cluster"},
				Spec:       v1alpha1.ConnectorSpec{Type: v1alpha1.ConnectorKubernetes, ServiceAccountName: "connector", Operations: test.allowed},
			})
			if !errors.Is(err, test.wantErr) {
				t.Fatalf("got error %v, want %v", err, test.wantErr)
			}
			if err != nil {
				if c != nil {
					t.Error("a connector comes with the error")
				}
				return
			}
			var got []string
			for _, o := range c.Operations() {
				got = append(got, o.Name)
			}
			if strings.Join(got, " ") != strings.Join(test.want, " ") {
				t.Errorf("offers %v, want %v", got, test.want)
			}
			_, err = c.(connectors.Responder).Plan(t.Context(), connectors.Request{Operation: "delete-pod", Arguments: args("pod", "a/b")})
			if !errors.Is(err, connectors.ErrUnsupported) {
				t.Errorf("planning what is not allowed: got %v, want ErrUnsupported", err)
			}
		})
	}
}

func TestActionsSayWhatToGrant(t *testing.T) {
	w := newWorld(t, "tocsin-connector-reader")
	c := w.connector(t, kubernetes.Options{Archive: &shelf{}})
	w.create(t, w.pod("web-0", nil))
	w.create(t, w.cronJob("sync"))
	w.rolledOut(t, "web", 1, 2)
	node := w.node(t, "n", false)
	for _, test := range []struct {
		request connectors.Request
		want    string
	}{
		{request("annotate", "kind", "Pod", "namespace", w.namespace, "name", "web-0", "annotations", map[string]any{"soc.tocsin.dev/a": "b"}), `verb patch on resource "pods"`},
		{request("delete-object", "kind", "CronJob", "namespace", w.namespace, "name", "sync"), `verb delete on resource "cronjobs"`},
		{request("drain", "node", node), `verb patch on resource "nodes"`},
		{request("evict-pod", "pod", w.namespace+"/web-0"), `verb list on resource "poddisruptionbudgets"`},
		{request("restart-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web"), `verb patch on resource "deployments"`},
		{request("rollback-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web"), `verb list on resource "replicasets"`},
		{request("suspend-cronjob", "cronJob", w.namespace+"/sync"), `verb patch on resource "cronjobs"`},
		{request("taint-node", "node", node, "key", "soc.tocsin.dev/a", "effect", "NoSchedule"), `verb patch on resource "nodes"`},
	} {
		_, err := c.Plan(t.Context(), test.request)
		if !errors.Is(err, connectors.ErrForbidden) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want ErrForbidden with %s", test.request.Operation, err, test.want)
		}
	}
}
