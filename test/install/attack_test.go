package install_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/test/env"
)

// configuration are the kinds that an editor writes.
var configuration = []string{"AlertSource", "Analyst", "ApprovalPolicy", "Connector", "DetectionRule", "Playbook"}

// verbs by which somebody could change an object or a status; all are dry runs.
var verbs = map[string]func(context.Context, client.Client, *unstructured.Unstructured, string) error{
	"create": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, user string) error {
		return c.Create(ctx, another(o, user), client.DryRunAll)
	},
	"update": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.Update(ctx, o, client.DryRunAll)
	},
	"merge-patch": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"annotations":{"a":"b"}}}`)), client.DryRunAll)
	},
	"json-patch": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.Patch(ctx, o, client.RawPatch("application/json-patch+json", []byte(`[{"op":"add","path":"/metadata/annotations","value":{"a":"b"}}]`)), client.DryRunAll)
	},
	"apply": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		o.SetManagedFields(nil)
		return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("attack"), client.ForceOwnership, client.DryRunAll)
	},
	"apply-new": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, user string) error {
		return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(another(o, user)), client.FieldOwner("attack"), client.DryRunAll)
	},
	"delete": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.Delete(ctx, o, client.DryRunAll)
	},
	"deletecollection": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.DeleteAllOf(ctx, o, client.InNamespace(o.GetNamespace()), client.DryRunAll)
	},
	"status-update": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.Status().Update(ctx, o, client.DryRunAll)
	},
	"status-merge-patch": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.Status().Patch(ctx, o, client.RawPatch("application/merge-patch+json", []byte(`{"status":{"observedGeneration":7}}`)), client.DryRunAll)
	},
	"status-json-patch": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		return c.Status().Patch(ctx, o, client.RawPatch("application/json-patch+json", []byte(`[{"op":"add","path":"/status","value":{"observedGeneration":7}}]`)), client.DryRunAll)
	},
	"status-apply": func(ctx context.Context, c client.Client, o *unstructured.Unstructured, _ string) error {
		o.SetManagedFields(nil)
		return c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("attack"), client.ForceOwnership, client.DryRunAll)
	},
}

var writes = []string{"create", "update", "merge-patch", "json-patch", "apply", "apply-new", "delete", "deletecollection"}

// TestWhoMayWriteWhat tries every verb on every kind and its status, as people
// whose roles are bound cluster-wide. What is not listed must be Forbidden.
func TestWhoMayWriteWhat(t *testing.T) {
	c := cluster(t)
	objects := oneOfEachKind(t, c)
	attackers := map[string]struct {
		roles []string
		may   func(kind, verb string) bool
	}{
		"nobody": {},
		"edit":   {roles: []string{"edit"}},
		"admin":  {roles: []string{"admin"}},
		"viewer": {roles: []string{"tocsin-viewer"}},
		"editor": {roles: []string{"tocsin-editor", "edit"}, may: func(kind, verb string) bool {
			return slices.Contains(configuration, kind) && slices.Contains(writes, verb)
		}},
		"responder": {roles: []string{"tocsin-responder", "edit"}, may: byResponders},
		"senior":    {roles: []string{"tocsin-senior", "edit"}, may: byResponders},
		"cluster-admin": {roles: []string{"cluster-admin"}, may: func(kind, verb string) bool {
			created := verb == "create" || verb == "apply-new"
			return slices.Contains(writes, verb) && (!created || (kind != "Alert" && kind != "Investigation"))
		}},
	}
	for name, tc := range attackers {
		t.Run(name, func(t *testing.T) {
			user := "matrix-" + name
			attacker := person(t, c, user, tc.roles...)
			for _, object := range objects {
				for verb, try := range verbs {
					may := tc.may != nil && tc.may(object.GetKind(), verb)
					err := try(t.Context(), attacker, object.DeepCopy(), user)
					switch {
					case may && err != nil:
						t.Errorf("%s of %s: got %v, want it let through", verb, object.GetKind(), err)
					case !may && !apierrors.IsForbidden(err):
						t.Errorf("%s of %s: got %v, want Forbidden", verb, object.GetKind(), err)
					}
				}
			}
		})
	}
}

// byResponders: what tocsin-responder and tocsin-senior have in common. To
// apply what does not exist is to create it, and takes the verb patch as well.
func byResponders(kind, verb string) bool {
	switch kind {
	case "Investigation":
		return slices.Contains([]string{"update", "merge-patch", "json-patch", "apply"}, verb)
	case "Approval", "ResponseAction":
		return verb == "create"
	}
	return false
}

// another returns a new object like o, that names who writes it wherever
// admission asks for it.
func another(o *unstructured.Unstructured, user string) *unstructured.Unstructured {
	o.SetName("another")
	o.SetManagedFields(nil)
	o.SetResourceVersion("")
	o.SetUID("")
	spec := o.Object["spec"].(map[string]any)
	switch o.GetKind() {
	case "Approval":
		spec["approver"] = user
	case "ResponseAction":
		spec["requestedBy"] = user
	}
	return o
}

// oneOfEachKind returns objects as they are in the cluster, each with a status
// that the operator wrote.
func oneOfEachKind(t *testing.T, c *env.Cluster) []*unstructured.Unstructured {
	t.Helper()
	ns := newNamespace(t, c)
	asOperator := person(t, c, operator, "cluster-admin")
	asAlice := person(t, c, "alice", "tocsin-responder")
	specs := map[string]string{
		"Alert": `{"source":"s","rule":"r","title":"t","severity":"Low","firstSeen":"2026-03-01T09:00:00.000000Z",
			"fingerprint":"` + digest + `"}`,
		"AlertSource":    `{"format":"Falco","authentication":{"bearer":{"secretRef":{"name":"s","key":"k"}}}}`,
		"Analyst":        `{"engine":"BuiltIn"}`,
		"Approval":       `{"action":"a","planDigest":"` + digest + `","decision":"Approve","tier":"analyst","approver":"alice","reason":"r"}`,
		"ApprovalPolicy": `{"module":"package tocsin.approval","tests":"package tocsin.approval_test"}`,
		"Connector":      `{"type":"Kubernetes","serviceAccountName":"responder"}`,
		"DetectionRule":  `{"when":"true","title":"t","severity":"Low"}`,
		"Investigation":  `{"state":"Open"}`,
		"Playbook":       `{"match":"true"}`,
		"ResponseAction": `{"use":{"connector":"cluster","operation":"label"},"reason":"r","requestedBy":"alice"}`,
	}
	var objects []*unstructured.Unstructured
	for kind, spec := range specs {
		object := &unstructured.Unstructured{}
		raw := `{"apiVersion":"soc.tocsin.dev/v1alpha1","kind":"` + kind + `","metadata":{"name":"one","namespace":"` + ns + `"},"spec":` + spec + `}`
		if err := object.UnmarshalJSON([]byte(raw)); err != nil {
			t.Fatal(err)
		}
		creator := asOperator
		if kind == "Approval" || kind == "ResponseAction" {
			creator = asAlice
		}
		if err := creator.Create(t.Context(), object); err != nil {
			t.Fatalf("creating %s: %v", kind, err)
		}
		object.Object["status"] = map[string]any{"observedGeneration": int64(1)}
		if err := asOperator.Status().Update(t.Context(), object); err != nil {
			t.Fatalf("the operator writing the status of %s: %v", kind, err)
		}
		objects = append(objects, object)
	}
	if served := servedKinds(t, c); len(objects) != len(served) {
		t.Errorf("%d kinds are attacked, but %v are served", len(objects), served)
	}
	return objects
}

func servedKinds(t *testing.T, c *env.Cluster) []string {
	t.Helper()
	var kinds []string
	for kind := range c.Scheme.KnownTypes(v1alpha1.GroupVersion) {
		if _, err := c.Client.RESTMapper().RESTMapping(schema.GroupKind{Group: v1alpha1.Group, Kind: kind}); err == nil && !strings.HasSuffix(kind, "List") {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}
