package investigation

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/analyst"
)

// Records answer questions about declared automation from the cache of the API server.
type Records struct{ Reader client.Reader }

// KnownAutomation lists the identities that the Analyst of a namespace declares.
func (r Records) KnownAutomation(ctx context.Context, namespace string) ([]v1alpha1.KnownAutomation, error) {
	settings, err := analyst.For(ctx, r.Reader, namespace)
	return settings.KnownAutomation, err
}
