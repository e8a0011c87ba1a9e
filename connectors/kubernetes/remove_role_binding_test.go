package kubernetes

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestSubjects(t *testing.T) {
	subject := func(kind, namespace, name string) any {
		return map[string]any{"kind": kind, "namespace": namespace, "name": name}
	}
	tests := map[string]struct {
		subjects   any
		want       []string
		wantGroups []string
	}{
		"users and ServiceAccounts, as the API server names them": {
			subjects: []any{subject("User", "", "alice"), subject("ServiceAccount", "shop", "web")},
			want:     []string{"alice", "system:serviceaccount:shop:web"},
		},
		"a group names nobody": {
			subjects: []any{subject("Group", "", "system:authenticated")}, wantGroups: []string{"group system:authenticated"},
		},
		"no subjects":     {},
		"not even a list": {subjects: "alice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			binding := &unstructured.Unstructured{Object: map[string]any{}}
			if test.subjects != nil {
				binding.Object["subjects"] = test.subjects
			}
			if diff := cmp.Diff(test.want, usersOf(binding)); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.wantGroups, groupsOf(binding)); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}
