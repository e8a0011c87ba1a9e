package content

import (
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"
)

// TestSchema: the API server would take every playbook that is shipped.
func TestSchema(t *testing.T) {
	var crd apiextensionsv1.CustomResourceDefinition
	read(t, "../../config/crd/soc.tocsin.dev_playbooks.yaml", &crd)
	var schema apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(crd.Spec.Versions[0].Schema, &schema, nil); err != nil {
		t.Fatal(err)
	}
	validator, _, err := validation.NewSchemaValidator(schema.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*-*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no playbooks in %s (%v)", folder, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var object map[string]any
		if err := yaml.Unmarshal(raw, &object); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range validation.ValidateCustomResource(field.NewPath(filepath.Base(file)), object, validator) {
			t.Error(wrong)
		}
	}
}
