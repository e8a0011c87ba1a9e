package auditevent

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadMade(t *testing.T) {
	const pod = `{"metadata":{"generateName":"web-79fc-","labels":{"pod-template-hash":"79fc"},"ownerReferences":[{"name":"other"},{"name":"web-79fc","controller":true}]},
		"spec":{"containers":[{"image":"a"},{"image":"b"},{}],"initContainers":[{"image":"a"}]}}`
	tests := map[string]struct {
		event string
		want  Made
	}{
		"a pod": {`{"verb":"create","objectRef":{"resource":"pods"},"requestObject":` + pod + `}`,
			Made{GenerateName: "web-79fc-", Controller: "web-79fc", TemplateHash: "79fc", Images: []string{"a", "b"}}},
		"a workload": {`{"verb":"update","objectRef":{"resource":"cronjobs","apiGroup":"batch"},"requestObject":{"metadata":{"name":"backup"},"spec":{"jobTemplate":{"spec":{"template":` + pod + `}}}}}`,
			Made{Name: "backup", Images: []string{"a", "b"}}},
		"a container that is added to a pod": {`{"verb":"patch","objectRef":{"resource":"pods","subresource":"ephemeralcontainers"},"requestObject":{"spec":{"ephemeralContainers":[{"image":"busybox"}]}}}`,
			Made{Images: []string{"busybox"}}},
		"a JSON patch": {`{"verb":"patch","objectRef":{"resource":"deployments","apiGroup":"apps"},"requestObject":[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"a"}]}`,
			Made{Images: []string{"a"}}},
		"no body":                       {`{"verb":"create","objectRef":{"resource":"pods"}}`, Made{}},
		"a pod is deleted":              {`{"verb":"delete","objectRef":{"resource":"pods"},"requestObject":` + pod + `}`, Made{}},
		"the status of a pod":           {`{"verb":"patch","objectRef":{"resource":"pods","subresource":"status"},"requestObject":` + pod + `}`, Made{}},
		"the scale of a workload":       {`{"verb":"patch","objectRef":{"resource":"deployments","apiGroup":"apps","subresource":"scale"},"requestObject":` + pod + `}`, Made{}},
		"something else":                {`{"verb":"create","objectRef":{"resource":"things","apiGroup":"example.com"},"requestObject":` + pod + `}`, Made{}},
		"fields of the wrong type":      {`{"verb":"create","objectRef":{"resource":"pods"},"requestObject":{"metadata":{"ownerReferences":["x",{"controller":"yes","name":1}],"labels":[]},"spec":{"containers":["x",{"image":1}]}}}`, Made{}},
		"an owner without a controller": {`{"verb":"create","objectRef":{"resource":"pods"},"requestObject":{"metadata":{"name":"a","ownerReferences":[{"name":"b","controller":false}]}}}`, Made{Name: "a"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			raw := decode(t, test.event)
			if diff := cmp.Diff(test.want, ReadMade(raw, Read(raw))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
