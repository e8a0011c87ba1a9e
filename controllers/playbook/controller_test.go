package playbook

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/fake"
)

func book(operation string) *v1alpha1.Playbook {
	return &v1alpha1.Playbook{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "book"},
		Spec: v1alpha1.PlaybookSpec{Match: "true", Questions: []v1alpha1.Question{{
			ID: "what", Ask: "What is it?", Use: v1alpha1.Use{Connector: "tool", Operation: operation},
		}}},
	}
}

func TestCheckWaitsForConnectors(t *testing.T) {
	tests := map[string]struct {
		operation   string
		ready       error
		wantErr     bool
		wantInForce int
	}{
		"a connector that is only just being checked":    {operation: "look", wantInForce: 1},
		"an operation that no connector has":             {operation: "mow-lawn", wantErr: true},
		"stopped before the connectors could be checked": {operation: "look", ready: errors.New("stopped"), wantErr: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			registry, store := connectors.NewRegistry(nil), NewStore()
			checker := &Checker{Registry: registry, Store: store, Ready: func(context.Context) error {
				if tt.ready == nil {
					registry.Set("soc", "tool", fake.New().Answer(fake.Question{Name: "look"}))
				}
				return tt.ready
			}}
			_, err := checker.Check(t.Context(), book(tt.operation))
			if (err != nil) != tt.wantErr {
				t.Errorf("error %v, want one: %t", err, tt.wantErr)
			}
			if got := len(store.For("soc")); got != tt.wantInForce {
				t.Errorf("%d playbooks in force, want %d", got, tt.wantInForce)
			}
		})
	}
}
