package responseaction

import (
	"context"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// Connectors finds the connectors that are ready.
type Connectors interface {
	Get(namespace, name string) (connectors.Connector, error)
}

// Decider says what the policies of a namespace make of a plan.
type Decider interface {
	Decide(ctx context.Context, namespace string, in policy.Input) v1alpha1.Decision
}

// Log is the audit log. Append returns once the entry is sequenced, with its index.
type Log interface {
	Append(ctx context.Context, entry audit.Entry) (int64, error)
}

// Requesters finds who else asked for an action, of those who approve it.
type Requesters interface {
	Behind(ctx context.Context, namespace string, requesters []string, approvals []v1alpha1.Approval) ([]string, error)
}

// AdmissionProof says since when admission proves who approves, or errs if it does not.
type AdmissionProof interface {
	Since(ctx context.Context) (time.Time, error)
}
