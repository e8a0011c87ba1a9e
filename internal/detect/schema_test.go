package detect

import (
	"maps"
	"os"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// TestShippedRulesFitTheirSchema finds what the API server would refuse.
func TestShippedRulesFitTheirSchema(t *testing.T) {
	text, err := os.ReadFile("../../config/crd/soc.tocsin.dev_detectionrules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensionsv1.CustomResourceDefinition
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	var schema apiextensions.JSONSchemaProps
	err = apiextensionsv1.Convert_v1_JSONSchemaProps_To_apiextensions_JSONSchemaProps(crd.Spec.Versions[0].Schema.OpenAPIV3Schema, &schema, nil)
	if err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(&schema)
	if err != nil {
		t.Fatal(err)
	}
	rules := loadShipped(t)
	maps.Copy(rules, loadRules(t, optional))
	for file, rule := range rules {
		object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(rule)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range validation.ValidateCustomResource(nil, object, validator) {
			t.Errorf("%s: %v", file, err)
		}
	}
}
