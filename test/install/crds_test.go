package install_test

import (
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/install"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// What the API server checks of a CRD, CEL and its cost included.
func TestCRDsAreValid(t *testing.T) {
	scheme := runtime.NewScheme()
	install.Install(scheme)
	files := readFiles(t, "../../config/crd/soc.tocsin.dev_*.yaml")
	if len(files) != 10 {
		t.Errorf("%d CRDs, want 10", len(files))
	}
	for name, raw := range files {
		t.Run(name, func(t *testing.T) {
			var external apiextensionsv1.CustomResourceDefinition
			if err := yaml.UnmarshalStrict(raw, &external); err != nil {
				t.Fatal(err)
			}
			scheme.Default(&external)
			var crd apiextensions.CustomResourceDefinition
			if err := scheme.Convert(&external, &crd, nil); err != nil {
				t.Fatal(err)
			}
			crd.Status.StoredVersions = []string{"v1alpha1"}
			for _, err := range validation.ValidateCustomResourceDefinition(t.Context(), &crd) {
				t.Error(err)
			}
		})
	}
}
