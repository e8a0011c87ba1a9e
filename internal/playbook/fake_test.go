package playbook

import (
	"encoding/json"
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// tools are a connector with a question and two actions, one of which only takes the other back.
type tools map[string]operation.Operation

func (o tools) Operation(connector, name string) (operation.Operation, error) {
	found, ok := o[connector+"/"+name]
	if !ok {
		return found, fmt.Errorf("there is no %s/%s", connector, name)
	}
	return found, nil
}

func offered() tools {
	const pod = `{"type": "object", "additionalProperties": false, "required": ["pod"], "properties": {"pod": {"type": "string", "pattern": "/"}}}`
	const result = `{"type": "object", "additionalProperties": false, "properties": {
		"privileged": {"type": "boolean"}, "age": {"type": "number"},
		"owner": {"type": "object", "additionalProperties": false, "properties": {"kind": {"type": "string"}, "name": {"type": "string"}}},
		"labels": {"type": "object", "additionalProperties": {"type": "string"}}}}`
	all := operation.MustCompile(
		operation.Operation{Name: "look", Mode: v1alpha1.OperationRead, Arguments: pod, Result: result, Untrusted: []string{"labels", "owner.name"}},
		operation.Operation{Name: "clean", Mode: v1alpha1.OperationRead, Arguments: pod, Result: result},
		operation.Operation{Name: "isolate", Mode: v1alpha1.OperationWrite, Arguments: pod, Result: `{}`},
		operation.Operation{Name: "release", Mode: v1alpha1.OperationWrite, InverseOnly: true, Arguments: pod, Result: `{}`},
	)
	o := tools{}
	for _, operation := range all {
		o["cluster/"+operation.Name] = operation
	}
	return o
}

func parse(t testing.TB, text string) v1alpha1.PlaybookSpec {
	t.Helper()
	var spec v1alpha1.PlaybookSpec
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

func compiled(t testing.TB, text string) *Playbook {
	t.Helper()
	p, err := Compile("test", parse(t, text), offered())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func with(arguments map[string]any) *runtime.RawExtension {
	raw, err := json.Marshal(arguments)
	if err != nil {
		panic(err)
	}
	return &runtime.RawExtension{Raw: raw}
}

// audited is an alert of an audit event, in which shop/web-0 acted on shop/tmp-1.
func audited() Alert {
	return NewAlert(&v1alpha1.Alert{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: v1alpha1.AlertSpec{
		Rule: "rule", Title: "title", Severity: v1alpha1.SeverityHigh, Source: "audit", Techniques: []v1alpha1.Technique{"T1059"},
		Entities: []v1alpha1.Entity{
			{Type: v1alpha1.EntityPod, Value: "shop/related", Role: v1alpha1.RoleRelated},
			{Type: v1alpha1.EntityPod, Value: "shop/tmp-1", Role: v1alpha1.RoleTarget},
			{Type: v1alpha1.EntityPod, Value: "shop/web-0", Role: v1alpha1.RoleActor},
			{Type: v1alpha1.EntityIP, Value: "10.0.0.1", Role: v1alpha1.RoleRelated},
		},
		Attributes: map[string]string{"user": "system:serviceaccount:shop:web", "verb": "create", "resource": "pods", "namespace": "shop", "note": "hello"},
	}}, v1alpha1.FormatKubernetesAudit)
}
