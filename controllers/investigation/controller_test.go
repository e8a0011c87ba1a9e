package investigation

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// TestProposeOnce proposes again while the cache does not show yet what was created.
func TestProposeOnce(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	creations := 0
	api := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			creations++
			object.SetUID("made-by-the-server")
			return c.Create(ctx, object, options...)
		},
	}).Build()
	action := &v1alpha1.ResponseAction{}
	action.Namespace, action.Name = caseKey.Namespace, "isolate-web-0"
	stale := concluded(v1alpha1.TruePositive, "an attack", "a")
	for range 2 {
		if err := (&Reconciler{Client: api}).propose(t.Context(), stale, []*v1alpha1.ResponseAction{action}); err != nil {
			t.Error(err)
		}
	}
	if creations != 1 {
		t.Errorf("created %d times, want once", creations)
	}
}
