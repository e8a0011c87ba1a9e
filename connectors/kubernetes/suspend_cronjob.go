package kubernetes

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

var suspendCronJob = &rewriting{
	operation: operation.Operation{
		Name: "suspend-cronjob", Summary: "Start no more Jobs of a CronJob",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoReversible,
		Arguments: properties("cronJob", namespacedNameSchema), Result: noResult,
	},
	blind:   true,
	parse:   func(arguments map[string]any) (rewrite, error) { return parseSuspension(arguments, nil, true) },
	summary: func(r rewrite) string { return fmt.Sprintf("suspend %s", name(r.target)) },
	feel:    feelSuspension,
	undo: func(r rewrite) (*connectors.Inverse, error) {
		return inverse(resumeCronJob.operation.Name, cronJobArguments{CronJob: r.target.Namespace + "/" + r.target.Name, UID: r.target.UID})
	},
	undone: parseResumption,
}

var resumeCronJob = &rewriting{
	operation: operation.Operation{
		Name: "resume-cronjob", Summary: "Let a suspended CronJob start Jobs again",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskMedium, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("cronJob", namespacedNameSchema, "uid", uidSchema), Result: noResult,
	},
	parse:   parseResumption,
	summary: func(r rewrite) string { return fmt.Sprintf("resume %s", name(r.target)) },
}

type cronJobArguments struct {
	CronJob string `json:"cronJob"`
	UID     string `json:"uid,omitempty"`
}

// The API server fills in false where suspend is left out.
func parseResumption(arguments map[string]any) (rewrite, error) {
	return parseSuspension(arguments, true, false)
}

func parseSuspension(arguments map[string]any, from, to any) (rewrite, error) {
	a, err := decode[cronJobArguments](arguments)
	namespace, name := split(a.CronJob)
	return rewrite{
		target: object{Kind: "CronJob", Namespace: namespace, Name: name, UID: a.UID}.target(),
		fields: []field{{path: []string{"spec", "suspend"}, from: from, to: to}},
	}, err
}

// feelSuspension: what has begun goes on.
func feelSuspension(ctx context.Context, c *cluster, r rewrite) (blast, error) {
	cronJob, err := c.get(ctx, r.target)
	if err != nil {
		return blast{}, err
	}
	active, _, _ := unstructured.NestedSlice(cronJob.Object, "status", "active")
	if len(active) == 0 {
		return blast{}, nil
	}
	running := make([]string, 0, len(active))
	for _, a := range active {
		job, _ := a.(map[string]any)
		running = append(running, fmt.Sprint(job["name"]))
	}
	return blast{warnings: []string{"Jobs that it has started go on: " + listed(running)}}, nil
}
