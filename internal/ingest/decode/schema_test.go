package decode_test

import (
	"os"
	"testing"
	"time"
	"unicode/utf8"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

var received = time.Date(2026, 1, 31, 9, 2, 11, 123456000, time.UTC)

// schema is that of the Alert kind, as the API server applies it.
func schema(t testing.TB) validation.SchemaValidator {
	t.Helper()
	raw, err := os.ReadFile("../../../config/crd/soc.tocsin.dev_alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(raw, &crd); err != nil {
		t.Fatal(err)
	}
	var internal apiextensions.JSONSchemaProps
	if err := apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &internal, nil); err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(&internal)
	if err != nil {
		t.Fatal(err)
	}
	return validator
}

// fits fails the test for an alert that the API server would refuse.
func fits(t *testing.T, validator validation.SchemaValidator, specs []v1alpha1.AlertSpec) {
	t.Helper()
	for _, spec := range specs {
		spec.Source = "s"
		spec.Fingerprint = decode.Digest(nil)
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&v1alpha1.Alert{
			ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: "b"}, Spec: spec,
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range validation.ValidateCustomResource(nil, object, validator) {
			t.Error(problem)
		}
		for name, value := range spec.Attributes { // what the kind demands in CEL
			if utf8.RuneCountInString(name) > 64 || utf8.RuneCountInString(value) > 1024 || !utf8.ValidString(name+value) {
				t.Errorf("attribute %q: %q", name, value)
			}
		}
		if spec.FirstSeen.After(received.Add(time.Hour)) || spec.FirstSeen.Unix() <= 0 {
			t.Errorf("first seen at %s", spec.FirstSeen)
		}
	}
}
