package responseaction

import (
	"context"
	"fmt"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/response"
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
			return slices.Contains(scope.Operations, r.job.request.Operation) && s.where(r, scope, share)
		})
		if err != nil {
			return halt, err
		}
		if !lifted {
			r.wait(v1alpha1.ReasonGuardRail, tooMuch(r, share))
			return lookAgain(reachRetry), nil
		}
	}
	return proceed, nil
}

// where says whether a policy is about the workload's namespace. One that names any is not
// asked about a target that is in none.
func (reach) where(r *run, scope *v1alpha1.PolicyScope, share connectors.Share) bool {
	if response.NamespaceOf(r.plan.Target) == "" {
		return len(scope.TargetNamespaces) == 0
	}
	return slices.Contains(scope.TargetNamespaces, share.Workload.Namespace)
}

func tooMuch(r *run, share connectors.Share) string {
	w := share.Workload
	names := fmt.Sprintf("lists %s in spec.scope.operations and %s in spec.scope.targetNamespaces", r.job.request.Operation, w.Namespace)
	if response.NamespaceOf(r.plan.Target) == "" {
		names = fmt.Sprintf("lists %s in spec.scope.operations and no namespace in spec.scope.targetNamespaces", r.job.request.Operation)
	}
	return fmt.Sprintf("it would leave %d of %d pods of %s %s/%s serving, which is less than half; runs when more of them serve. "+
		"An ApprovalPolicy that %s lifts that", share.Serving-share.Taken, share.Pods, w.Kind, w.Namespace, w.Name, names)
}
