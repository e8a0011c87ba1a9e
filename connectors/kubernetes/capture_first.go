package kubernetes

import (
	"context"
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/connectors"
)

// captureFirst adds to a plan how to keep what is to be seen of the pods that end with it, or
// warns that it is lost.
func (c *cluster) captureFirst(plan *connectors.Plan, pods []corev1.Pod) {
	if len(pods) == 0 {
		return
	}
	if why := c.cannotCapture(); why != nil {
		plan.Warnings = append(plan.Warnings, uncaptured(why))
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
		plan.Warnings = append(plan.Warnings, uncaptured(err))
		return
	}
	c.captureFirst(plan, felt.pods)
}

func (c *cluster) cannotCapture() error {
	switch {
	case !c.captures:
		return errors.New("the Connector does not offer capture-evidence")
	case c.archive == nil:
		return errors.New("there is no archive that would keep it")
	}
	return nil
}

func uncaptured(why error) string {
	return "no evidence is captured before pods end: " + why.Error()
}
