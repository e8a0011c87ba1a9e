// Package merged finds the case that holds the alerts of a merged one.
package merged

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// maxSteps from a case to the one that holds its alerts. Each leads to an older case.
const maxSteps = 16

// Root returns the case that holds the alerts of the named one: itself, unless it was
// merged. A case that is gone is a not-found error; what was merged into it then stands alone.
func Root(ctx context.Context, reader client.Reader, key types.NamespacedName) (*v1alpha1.Investigation, error) {
	found := &v1alpha1.Investigation{}
	if err := reader.Get(ctx, key, found); err != nil {
		return nil, err
	}
	for range maxSteps {
		if found.Status.MergedInto == "" {
			break
		}
		next := &v1alpha1.Investigation{}
		err := reader.Get(ctx, types.NamespacedName{Namespace: key.Namespace, Name: found.Status.MergedInto}, next)
		if apierrors.IsNotFound(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		found = next
	}
	return found, nil
}
