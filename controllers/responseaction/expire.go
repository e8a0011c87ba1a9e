package responseaction

import (
	"context"
	"fmt"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const defaultExpiry = 24 * time.Hour

// expire gives up an action that was not started in time.
type expire struct{}

func (expire) take(_ context.Context, r *run) (next, error) {
	if end := expiry(r.action); r.status().Execution == nil && !r.now.Before(end) {
		r.stall(v1alpha1.ReasonExpired, fmt.Sprintf("was not started before %s; create the action again if it is still wanted", end.UTC().Format(time.RFC3339)))
		return halt, nil
	}
	return proceed, nil
}
