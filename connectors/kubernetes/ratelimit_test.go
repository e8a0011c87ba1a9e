package kubernetes_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// The limit is one for all kinds of requests. A request that
// cannot wait until its turn comes is refused at once.
func TestRateLimitIsShared(t *testing.T) {
	c := unreachable(t, kubernetes.Options{RateLimit: &v1alpha1.RateLimit{PerSecond: 1, Burst: 1}})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Check(ctx); err == nil || strings.Contains(err.Error(), "rate limiter") {
		t.Fatalf("the first request: got %v, want that nobody answers", err)
	}
	if _, err := c.Ask(ctx, "describe-workload", args("pod", "shop/web-0")); err == nil || !strings.Contains(err.Error(), "rate limiter") {
		t.Errorf("the second request: got %v, want the rate limiter's refusal", err)
	}
}
