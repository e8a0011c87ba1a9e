package story_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// TestEveryActionAndItsUndo has the operator do and take back each action that it ships, and
// compares everything around with what was there before, object by object.
func TestEveryActionAndItsUndo(t *testing.T) {
	c := cluster(t)
	o := startOperator(t, c)
	s := &tenant{t: t, cluster: c, operator: o, namespace: "soc-actions"}
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})
	s.alice = s.onCall("alice", "tocsin-responder")
	s.grants()
	for _, role := range []string{"deleter", "examiner", "admission", "token-secrets"} {
		s.create(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "tocsin-connector-" + role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: "responder"}},
		})
	}
	s.createAll(everythingRuns, "")
	s.inForce(&v1alpha1.ConnectorList{}, &v1alpha1.ApprovalPolicyList{})
	s.tried(everyAction)
	t.Run("all", func(t *testing.T) {
		for name, test := range everyAction {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				doAndUndo(t, s, test)
			})
		}
	})
}

// tried: the table has every action that the connector offers.
func (s *tenant) tried(table map[string]actionTest) {
	s.t.Helper()
	connector, err := kubernetes.New(s.cluster.Config, s.namespace, "responder", kubernetes.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	tests := slices.Collect(maps.Values(table))
	for _, offered := range connector.Operations() {
		inTable := slices.ContainsFunc(tests, func(test actionTest) bool { return test.operation == offered.Name })
		if offered.Mode == v1alpha1.OperationWrite && !offered.InverseOnly && !inTable {
			s.t.Errorf("%s is not tried", offered.Name)
		}
	}
}

// scene is what one action is about: a namespace and what bears its name outside.
type scene struct {
	*tenant
	t    *testing.T
	name string
	// anew: what is put back is another object of that name.
	anew bool
}

func doAndUndo(t *testing.T, s *tenant, test actionTest) {
	v := &scene{tenant: s, t: t, name: "scene-" + strings.ReplaceAll(strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:]), "_", "-"), anew: test.anew}
	v.createAll("{apiVersion: v1, kind: Namespace, metadata: {name: SCENE}}\n---\n"+test.objects, v.name)
	before := v.everything()
	with, err := yaml.YAMLToJSON([]byte(strings.ReplaceAll(test.with, "SCENE", v.name)))
	if err != nil {
		t.Fatal(err)
	}
	action := v.ask(v.name, v1alpha1.ResponseActionSpec{
		Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: test.operation, With: &runtime.RawExtension{Raw: with}},
	})
	action = v.until(action.Name, v1alpha1.ReasonSucceeded)
	if diff := cmp.Diff(test.changed, changed(before, v.everything())); diff != "" {
		t.Errorf("what %s changed (-want +got):\n%s", test.operation, diff)
	}
	v.ask(v.name+"-back", v1alpha1.ResponseActionSpec{Undo: action.Name})
	if test.final {
		v.until(v.name+"-back", v1alpha1.ReasonInvalidSpec)
	} else {
		v.until(v.name+"-back", v1alpha1.ReasonSucceeded)
		v.until(v.name, v1alpha1.ReasonUndone)
	}
	after := v.everything()
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if kind, _, _ := strings.Cut(key, " "); !slices.Contains(test.left, kind) {
			if diff := cmp.Diff(before[key], after[key]); diff != "" {
				t.Errorf("%s after undo (-before +after):\n%s", key, diff)
			}
		}
	}
	if diff := cmp.Diff(test.left, changed(before, after)); diff != "" {
		t.Errorf("what differs after undo (-want +got):\n%s", diff)
	}
}

func (v *scene) ask(name string, spec v1alpha1.ResponseActionSpec) *v1alpha1.ResponseAction {
	v.t.Helper()
	spec.Reason, spec.RequestedBy = "a drill", v.alice.name
	action := &v1alpha1.ResponseAction{ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace, Name: name}, Spec: spec}
	if err := v.alice.Create(v.t.Context(), action); err != nil {
		v.t.Fatal(err)
	}
	return action
}

// until an action stands somewhere.
func (v *scene) until(name, reason string) *v1alpha1.ResponseAction {
	v.t.Helper()
	action := &v1alpha1.ResponseAction{}
	eventually(v.t, name+" to be "+reason, func(ctx context.Context) (bool, string) {
		if err := v.cluster.Client.Get(ctx, client.ObjectKey{Namespace: v.namespace, Name: name}, action); err != nil {
			return false, err.Error()
		}
		return response.Standing(action) == reason, fmt.Sprintf("%s: %+v %+v", response.Standing(action), action.Status.Conditions, action.Status.Result)
	})
	return action
}

// everything that the scene consists of, by kind and name, without what changes by itself.
func (v *scene) everything() map[string]any {
	v.t.Helper()
	all := map[string]any{}
	for _, list := range sceneKinds {
		apiVersion, kind, _ := strings.Cut(list, " ")
		found := &unstructured.UnstructuredList{}
		found.SetAPIVersion(apiVersion)
		found.SetKind(kind + "List")
		if err := v.cluster.Client.List(v.t.Context(), found); err != nil {
			v.t.Fatal(err)
		}
		for _, item := range found.Items {
			fields := []string{"managedFields", "resourceVersion", "generation"}
			if v.anew {
				fields = append(fields, "uid", "creationTimestamp")
			}
			for _, field := range fields {
				unstructured.RemoveNestedField(item.Object, "metadata", field)
			}
			if v.bears(item.Object) || kind == "ValidatingAdmissionPolicyBinding" && all["ValidatingAdmissionPolicy "+item.GetName()] != nil {
				all[kind+" "+item.GetName()] = item.Object
			}
		}
	}
	return all
}

// bears: the name of the scene, and not one that begins like it, is in an object.
func (v *scene) bears(object map[string]any) bool {
	raw, err := json.Marshal(object)
	if err != nil {
		v.t.Fatal(err)
	}
	return slices.ContainsFunc([]string{`"`, `\`, "/"}, func(end string) bool { return strings.Contains(string(raw), v.name+end) })
}

// changed are the kinds of what differs.
func changed(before, after map[string]any) []string {
	kinds := map[string]bool{}
	for _, key := range slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(after))) {
		if !cmp.Equal(before[key], after[key]) {
			kind, _, _ := strings.Cut(key, " ")
			kinds[kind] = true
		}
	}
	return slices.Sorted(maps.Keys(kinds))
}

// createAll creates YAML documents. SCENE in them is a name, and UID what the first object
// but the namespace got.
func (s *tenant) createAll(documents, name string) {
	s.t.Helper()
	uid := ""
	for _, document := range strings.Split(documents, "\n---\n") {
		object := &unstructured.Unstructured{}
		text := strings.NewReplacer("SCENE", name, "UID", uid, "TENANT", s.namespace).Replace(document)
		if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
			s.t.Fatalf("%v in\n%s", err, text)
		}
		if len(object.Object) == 0 {
			continue
		}
		s.create(object)
		if uid == "" && object.GetKind() != "Namespace" {
			uid = string(object.GetUID())
		}
	}
}
