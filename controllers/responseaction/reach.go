package responseaction

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// reachRetry is how soon to look again whether more of a workload serves: nothing tells.
const reachRetry = 10 * time.Second

// reach caps how much of a workload is taken away at once. It goes by a plan that was made
// when no other action took of the same workload, so it sees what earlier ones took.
type reach struct{ reader client.Reader }

func (s reach) take(ctx context.Context, r *run) (next, error) {
	for _, share := range r.plan.Shares {
		if !share.Excessive() {
			continue
		}
		lifted, err := named(ctx, s.reader, r, func(scope *v1alpha1.PolicyScope) bool {
			return slices.Contains(scope.TargetNamespaces, share.Workload.Namespace) && slices.Contains(scope.Operations, r.job.request.Operation)
		})
		if err != nil {
			return halt, err
		}
		if !lifted {
			r.wait(v1alpha1.ReasonGuardRail, tooMuch(share, r.job.request.Operation))
			return lookAgain(reachRetry), nil
		}
	}
	return proceed, nil
}

func tooMuch(share connectors.Share, operation string) string {
	w := share.Workload
	return fmt.Sprintf("it would leave %d of %d pods of %s %s/%s serving, which is less than half; runs when more of them serve. "+
		"An ApprovalPolicy that lists %s in spec.scope.operations and %s in spec.scope.targetNamespaces lifts that",
		share.Serving-share.Taken, share.Pods, w.Kind, w.Namespace, w.Name, operation, w.Namespace)
}
