package kubernetes

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/redact"
)

// captureFirst adds to a plan how to keep what is to be seen of the pods that end with it, or
// warns that it is lost.
func (c *cluster) captureFirst(plan *connectors.Plan, pods []corev1.Pod) {
	if len(pods) == 0 {
		return
	}
	if why := c.cannotCapture(); why != "" {
		plan.Warnings = append(plan.Warnings, "no evidence is captured before pods end: "+why)
		return
	}
	for i := range pods {
		full := pods[i].Namespace + "/" + pods[i].Name
		plan.Captures = append(plan.Captures, connectors.Capture{
			Target: pod(full, string(pods[i].UID)), Operation: captureEvidence{}.describe().Name, Arguments: map[string]any{"pod": full},
		})
	}
	slices.SortFunc(plan.Captures, func(a, b connectors.Capture) int { return strings.Compare(name(a.Target), name(b.Target)) })
}

// captureReplaced is captureFirst for the pods that a workload replaces. That they cannot be
// listed keeps nobody from having them replaced.
func (c *cluster) captureReplaced(ctx context.Context, plan *connectors.Plan, workload *unstructured.Unstructured) {
	felt, err := c.withoutPodsOf(ctx, workload)
	if err != nil {
		plan.Warnings = append(plan.Warnings, "no evidence is captured before pods end: "+redact.String(err.Error()))
		return
	}
	c.captureFirst(plan, felt.pods)
}

func (c *cluster) cannotCapture() string {
	switch {
	case !c.captures:
		return "the Connector does not offer capture-evidence"
	case c.archive == nil:
		return "there is no archive that would keep it"
	}
	return ""
}
