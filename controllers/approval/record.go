package approval

import (
	"context"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// Log is the audit log. Append returns once the entry is sequenced, with its index.
type Log interface {
	Append(ctx context.Context, entry audit.Entry) (int64, error)
}

// entry says that an Approval counts, or that it does not any more or never did.
func entry(approval *v1alpha1.Approval, action *v1alpha1.ResponseAction, r response.Ruling, now time.Time) audit.Entry {
	spec := approval.Spec
	e := audit.Entry{
		Time: now, Type: audit.TypeApproval, Namespace: approval.Namespace, Action: spec.Action,
		Actor: spec.Approver, Summary: string(spec.Decision) + ": " + r.Reason, Digest: spec.PlanDigest,
		Data: map[string]any{
			"approval": approval.Name, "uid": string(approval.UID), "tier": string(spec.Tier), "decision": string(spec.Decision),
			"reason": redact.String(spec.Reason), "counts": r.Counts, "ruling": r.Reason, "message": r.Message,
			"created": approval.CreationTimestamp.UTC().Format(time.RFC3339),
		},
	}
	if action != nil {
		e.Case = action.Spec.Investigation
	}
	return e
}
