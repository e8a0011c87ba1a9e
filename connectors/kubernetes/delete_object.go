package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/redact"
)

// deletedKinds are a closed list: what intruders plant, and nothing that holds data, such
// as Secrets, ConfigMaps and volumes, or whose deletion takes all else along.
const deletedKinds = `{"enum": ["CronJob", "DaemonSet", "Deployment", "Ingress", "Job", "MutatingWebhookConfiguration",
	"NetworkPolicy", "ReplicaSet", "Service", "StatefulSet", "ValidatingWebhookConfiguration"]}`

// maxObject bounds an object that is kept, in bytes: it goes into the action's own status.
const maxObject = 256 << 10

var deletedScope = scoped("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")

// deleteObject deletes an object with what it owns, and keeps it whole.
type deleteObject struct{}

func (deleteObject) describe() operation.Operation {
	return operation.Operation{
		Name: "delete-object", Summary: "Delete a workload, Service, Ingress, NetworkPolicy or webhook configuration, and keep it whole",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: "{" + members("kind", deletedKinds, "namespace?", namespaceSchema, "name", nameSchema) + "," + deletedScope + "}", Result: noResult,
	}
}

var recreateObject = &recreating{
	operation: operation.Operation{
		Name: "recreate-object", Summary: "Put a deleted object back",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible, InverseOnly: true,
		Arguments: properties("object", `{"type": "object", "required": ["apiVersion", "kind", "metadata"], "properties": {
			"kind": `+deletedKinds+`, "metadata": {"type": "object", "required": ["name"], "properties": {"name": `+nameSchema+`}}}}`),
		Result: noResult,
	},
	member:  "object",
	summary: func(wanted *unstructured.Unstructured) string { return "put " + name(reference(wanted)) + " back" },
}

func (deleteObject) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[object](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	target := a.target()
	plan := connectors.Plan{Target: target, Summary: "delete " + name(target)}
	found, err := c.get(ctx, target)
	if gone(err) {
		plan.Done, plan.Warnings = true, []string{"there is no " + name(target)}
		return plan, nil
	}
	if err != nil {
		return plan, err
	}
	plan.Target.UID = string(found.GetUID())
	if plan.Done = found.GetDeletionTimestamp() != nil; plan.Done {
		plan.Summary = strings.Join(append([]string{plan.Summary}, warnFinalizers(found)...), "; ")
		return plan, nil
	}
	if target.Kind == "NetworkPolicy" && strings.HasPrefix(target.Name, policyPrefix) {
		return plan, fmt.Errorf("%w: %s isolates a pod: undo the action that made it", connectors.ErrConflict, name(target))
	}
	if err := keepsVolumes(found, "whenDeleted"); err != nil {
		return plan, err
	}
	if err := c.Delete(ctx, found, exactly(found.GetUID()), background, client.DryRunAll); err != nil {
		return plan, c.explain(err, "planning to delete "+name(target))
	}
	if plan.Diff, err = kube.Diff(found, nil); err != nil {
		return plan, err
	}
	felt, err := c.feelDeletion(ctx, found)
	if err != nil {
		return plan, err
	}
	plan.Shares, plan.Warnings = felt.shares, felt.warnings
	c.captureFirst(&plan, felt.pods)
	// Other refusals are of the name that is tried, such as a Service's address that is still taken.
	if err := c.tryRecreate(ctx, found); apierrors.IsForbidden(err) {
		plan.Warnings = append(plan.Warnings, "undo will be refused as things are: "+c.account.missing(err))
	}
	return keepWhole(plan, found)
}

// feelDeletion tells what goes along, and what would make the object again.
func (c *cluster) feelDeletion(ctx context.Context, found *unstructured.Unstructured) (blast, error) {
	felt := blast{warnings: warnFinalizers(found)}
	if controller := metav1.GetControllerOf(found); controller != nil {
		felt.warnings = append(felt.warnings, fmt.Sprintf("%s is controlled by %s %s, which will make it again: delete that one",
			name(reference(found)), controller.Kind, controller.Name))
	}
	if found.GetKind() == "Job" {
		felt.warnings = append(felt.warnings, "undo starts it from the beginning: what it did is done again")
	}
	switch found.GetKind() {
	case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job":
		pods, err := c.withoutPodsOf(ctx, found)
		return blast{shares: pods.shares, warnings: append(felt.warnings, pods.warnings...), pods: pods.pods}, err
	case "CronJob":
		felt.warnings = append(felt.warnings, "Jobs that it has started go too")
		pods, err := c.podsOfJobs(ctx, found)
		if felt.pods = pods; err != nil {
			felt.warnings = append(felt.warnings, uncaptured(err))
		}
	case "NetworkPolicy":
		felt.warnings = append(felt.warnings, "what it keeps pods from becomes possible, unless another policy selects them")
	}
	return felt, nil
}

// podsOfJobs are those of the Jobs that a CronJob has started.
func (c *cluster) podsOfJobs(ctx context.Context, cronJob *unstructured.Unstructured) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	if err := c.List(ctx, list, client.InNamespace(cronJob.GetNamespace())); err != nil {
		return nil, c.explain(err, "listing pods of namespace "+cronJob.GetNamespace())
	}
	its := map[types.UID]bool{}
	var pods []corev1.Pod
	for i := range list.Items {
		controller := metav1.GetControllerOf(&list.Items[i])
		if controller == nil || controller.Kind != "Job" || controller.APIVersion != apiVersions["Job"] {
			continue
		}
		if _, known := its[controller.UID]; !known {
			job, err := c.metadata(ctx, controllerOf(&list.Items[i]))
			if err != nil && !gone(err) {
				return nil, err
			}
			of := metav1.GetControllerOf(job)
			its[controller.UID] = job.UID == controller.UID && of != nil && of.UID == cronJob.GetUID()
		}
		if its[controller.UID] {
			pods = append(pods, list.Items[i])
		}
	}
	return pods, nil
}

// keepWhole adds the inverse, unless the object is too large or holds what must not be kept.
func keepWhole(plan connectors.Plan, found *unstructured.Unstructured) (connectors.Plan, error) {
	kept := reusable(found)
	raw, err := json.Marshal(kept.Object)
	if err != nil {
		return plan, err
	}
	switch {
	case !equality.Semantic.DeepEqual(redact.JSON(kept.Object), any(kept.Object)):
		plan.Warnings = append(plan.Warnings, "it holds what looks like a secret, which is kept nowhere: there is no undo")
	case len(raw) > maxObject:
		plan.Warnings = append(plan.Warnings, tooLarge(len(raw)))
	default:
		plan.Inverse, err = recreateObject.inverse(kept)
	}
	return plan, err
}

func tooLarge(bytes int) string {
	return fmt.Sprintf("it is too large to be kept (%d bytes, at most %d): there is no undo", bytes, maxObject)
}

func (deleteObject) execute(ctx context.Context, c *cluster, _ connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	return c.removePlanned(ctx, plan)
}

// A deletion that has begun cannot be taken back, so it counts as there.
func (deleteObject) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	return deletePod{}.observe(ctx, c, request, target)
}
