package install_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestChartLints(t *testing.T) {
	run(t, "helm", "lint", "--strict", chart, "--namespace", namespace)
}

func TestChartInstallsWhatKustomizeInstalls(t *testing.T) {
	want := byIdentity(t, kustomize(t, "default"))
	// helm creates the namespace itself.
	delete(want, "Namespace /tocsin-system")
	got := byIdentity(t, helmTemplate(t, namespace))
	// The only thing that helm alone is told: not to delete the audit log.
	volume := got["PersistentVolumeClaim tocsin-system/tocsin-data"]
	if volume == nil || volume.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
		t.Error("uninstalling the chart would delete the volume of the audit log")
	} else {
		unstructured.RemoveNestedField(volume.Object, "metadata", "annotations")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-kustomize +helm):\n%s", diff)
	}
}

func TestChartInAnotherNamespace(t *testing.T) {
	objects := helmTemplate(t, "soc-platform")
	if len(objects) == 0 {
		t.Fatal("nothing is rendered")
	}
	for _, object := range objects {
		raw, err := object.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), namespace) {
			t.Errorf("%s names %s:\n%s", identity(object), namespace, raw)
		}
	}
}

func TestChartValues(t *testing.T) {
	tests := map[string]struct {
		set  string
		want string
	}{
		"an unknown value":        {set: "replicas=3", want: "replicas"},
		"an unknown image field":  {set: "image.name=x", want: "name"},
		"no repository":           {set: "image.repository=", want: "repository"},
		"a size that is none":     {set: "persistence.size=big", want: "size"},
		"a selector with a list":  {set: "nodeSelector.disk={ssd}", want: "nodeSelector"},
		"no action an hour":       {set: "maxActionsPerHour=0", want: "maxActionsPerHour"},
		"a cap that is none":      {set: "maxActionsPerHour=many", want: "maxActionsPerHour"},
		"an unknown ingest field": {set: "ingest.tls=true", want: "tls"},
		"pull secrets as objects": {set: "imagePullSecrets[0].name=x", want: "imagePullSecrets"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := attempt(t, "helm", "template", "tocsin", chart, "--kube-version", "1.37.0", "--set", tc.set)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("--set %s: got %v, want an error that names %s", tc.set, err, tc.want)
			}
		})
	}
}

func TestChartValuesReachTheDeployment(t *testing.T) {
	objects := byIdentity(t, helmTemplate(t, namespace, "--set", strings.Join([]string{
		"image.repository=example.com/tocsin", "image.tag=v9", "imagePullSecrets={pull}", "resources.limits.memory=2Gi",
		"persistence.size=50Gi", "persistence.storageClassName=fast", "nodeSelector.disk=ssd", "tolerations[0].operator=Exists",
		"ingest.tlsSecretName=tocsin-ingest", "maxActionsPerHour=1000000",
	}, ",")))
	pod, _, err := unstructured.NestedMap(objects["Deployment tocsin-system/tocsin"].Object, "spec", "template", "spec")
	if err != nil {
		t.Fatal(err)
	}
	container := pod["containers"].([]any)[0].(map[string]any)
	volume, _, err := unstructured.NestedMap(objects["PersistentVolumeClaim tocsin-system/tocsin-data"].Object, "spec")
	if err != nil {
		t.Fatal(err)
	}
	got := []any{
		container["image"], pod["imagePullSecrets"], container["resources"], pod["nodeSelector"], pod["tolerations"],
		volume["storageClassName"], volume["resources"], container["args"], container["volumeMounts"].([]any)[1], pod["volumes"].([]any)[1],
	}
	want := []any{
		"example.com/tocsin:v9", []any{map[string]any{"name": "pull"}},
		map[string]any{"requests": map[string]any{"cpu": "100m", "memory": "256Mi"}, "limits": map[string]any{"memory": "2Gi"}},
		map[string]any{"disk": "ssd"}, []any{map[string]any{"operator": "Exists"}},
		"fast", map[string]any{"requests": map[string]any{"storage": "50Gi"}},
		[]any{
			"--data-dir=/var/lib/tocsin", "--ingest-tls-cert-file=/etc/tocsin-ingest/tls.crt", "--ingest-tls-key-file=/etc/tocsin-ingest/tls.key",
			"--max-actions-per-hour=1000000",
		},
		map[string]any{"name": "ingest-tls", "mountPath": "/etc/tocsin-ingest", "readOnly": true},
		map[string]any{"name": "ingest-tls", "secret": map[string]any{"secretName": "tocsin-ingest"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func byIdentity(t *testing.T, objects []*unstructured.Unstructured) map[string]*unstructured.Unstructured {
	t.Helper()
	found := make(map[string]*unstructured.Unstructured, len(objects))
	for _, object := range objects {
		if found[identity(object)] != nil {
			t.Errorf("%s is there twice", identity(object))
		}
		found[identity(object)] = object
	}
	return found
}
