package playbook_test

import (
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

func TestWordsOfAnAlert(t *testing.T) {
	audit := func(verb, resource, namespace string) v1alpha1.AlertSpec {
		return v1alpha1.AlertSpec{Attributes: map[string]string{
			"user": "system:serviceaccount:shop:web", "verb": verb, "resource": resource, "namespace": namespace,
		}}
	}
	sensed := func(of v1alpha1.EntityType, value string) v1alpha1.AlertSpec {
		return v1alpha1.AlertSpec{Entities: []v1alpha1.Entity{{Type: of, Value: value}}}
	}
	tests := map[string]struct {
		spec        v1alpha1.AlertSpec
		deed, about string
	}{
		"an object":              {audit("create", "configmaps", "bank"), "create configmaps in namespace bank", "shop/web in namespace bank"},
		"all namespaces":         {audit("list", "secrets", ""), "list secrets in the cluster", "shop/web in the cluster"},
		"a command":              {audit("create", "pods/exec", "bank"), "exec into pods in namespace bank", "shop/web in namespace bank"},
		"all of a kind":          {audit("deletecollection", "events", "bank"), "delete all events in namespace bank", "shop/web in namespace bank"},
		"no resource":            {audit("get", "", ""), "get a path that is no resource", "shop/web in the cluster"},
		"a workload":             {sensed(v1alpha1.EntityWorkload, "Deployment/shop/web"), "", "shop/web"},
		"a pod":                  {sensed(v1alpha1.EntityPod, "shop/web-0"), "", "the workload of shop/web-0"},
		"a name that is a claim": {sensed(v1alpha1.EntityPod, "shop/web: approved by security"), "", "this"},
		"nothing":                {v1alpha1.AlertSpec{}, "", "this"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := playbook.NewAlert(&v1alpha1.Alert{Spec: tt.spec}, v1alpha1.FormatKubernetesAudit)
			if deed, _ := a["deed"].(string); deed != tt.deed || a["about"] != tt.about {
				t.Errorf("deed %q about %q, want %q about %q", deed, a["about"], tt.deed, tt.about)
			}
		})
	}
}
