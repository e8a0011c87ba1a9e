package approvalpolicy

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// Decider asks the policies that exist in a namespace, and those of the operator's that
// speak of its actions, whether or not this controller has come to them yet.
type Decider struct {
	// Reader lists ApprovalPolicies, from a cache that is synced.
	Reader   client.Reader
	Policies *policy.Store
	// Operator is the namespace that the operator runs in.
	Operator string
}

// Decide says what the policies make of an action of a namespace. Policies that cannot
// be listed count as one that is not ready.
func (d *Decider) Decide(ctx context.Context, namespace string, in policy.Input) v1alpha1.Decision {
	policies, err := d.list(ctx, namespace)
	if err != nil {
		unknown := policy.Candidate{Name: "approvalpolicies", NotReady: fmt.Sprintf("cannot be listed: %v", err)}
		return policy.Decide(ctx, []policy.Candidate{unknown}, in)
	}
	return policy.Decide(ctx, d.Policies.Candidates(ctx, namespace, policies), in)
}

func (d *Decider) list(ctx context.Context, namespace string) ([]v1alpha1.ApprovalPolicy, error) {
	var own, operators v1alpha1.ApprovalPolicyList
	if err := d.Reader.List(ctx, &own, client.InNamespace(namespace)); err != nil || namespace == d.Operator {
		return own.Items, err
	}
	err := d.Reader.List(ctx, &operators, client.InNamespace(d.Operator))
	return append(own.Items, operators.Items...), err
}
