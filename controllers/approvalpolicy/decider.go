package approvalpolicy

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// Decider asks the policies that exist in a namespace, whether or not this
// controller has come to them yet.
type Decider struct {
	// Reader lists ApprovalPolicies, from a cache that is synced.
	Reader   client.Reader
	Policies *policy.Store
}

// Decide says what the policies of a namespace make of an action. Policies that
// cannot be listed count as one that is not ready.
func (d *Decider) Decide(ctx context.Context, namespace string, in policy.Input) v1alpha1.Decision {
	var list v1alpha1.ApprovalPolicyList
	if err := d.Reader.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		unknown := policy.Candidate{Name: "approvalpolicies", NotReady: fmt.Sprintf("cannot be listed: %v", err)}
		return policy.Decide(ctx, []policy.Candidate{unknown}, in)
	}
	return policy.Decide(ctx, d.Policies.Candidates(ctx, list.Items), in)
}
