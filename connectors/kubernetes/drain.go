package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// drain cordons a node and evicts its pods, as far as their disruption budgets let
// them go. Its undo is uncordon: pods do not come back by themselves.
type drain struct{}

func (drain) describe() operation.Operation {
	return operation.Operation{
		Name: "drain", Summary: "Cordon a node and evict its pods, as their disruption budgets allow",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: properties("node", nameSchema), Result: noResult,
	}
}

func (drain) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	r, err := cordon.parse(request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	before, after, err := c.tryRewrite(ctx, &r, true, nil)
	if err != nil {
		return connectors.Plan{}, err
	}
	pods, err := c.evictable(ctx, r.target.Name)
	if err != nil {
		return connectors.Plan{}, err
	}
	plan := connectors.Plan{Target: r.target, Summary: "drain node " + r.target.Name}
	cordoned := r.effect(before) == connectors.EffectPresent
	if plan.Done = cordoned && len(pods) == 0; plan.Done {
		return plan, nil
	}
	if plan.Diff, err = kube.Diff(before, after); err != nil {
		return plan, err
	}
	plan.Diff += departures(pods)
	plan.Shares = sharesOf(pods)
	if plan.Warnings, err = c.warnDrain(ctx, pods); err != nil {
		return plan, err
	}
	c.captureFirst(&plan, pods)
	if cordoned {
		plan.Warnings = append(plan.Warnings, "the node was cordoned before: there is nothing that an undo would take back")
		return plan, nil
	}
	plan.Inverse, err = cordon.undo(r)
	return plan, err
}

// evictable are the pods of a node but those that its DaemonSets or it itself would
// start again at once, those of the cluster itself, and those that are done or about to go.
func (c *cluster) evictable(ctx context.Context, node string) ([]corev1.Pod, error) {
	list := &corev1.PodList{}
	on := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("spec.nodeName", node)}
	if err := c.List(ctx, list, on); err != nil {
		return nil, c.explain(err, "listing pods of node "+node)
	}
	var pods []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp != nil || finished(&p) || mirrors(&p) || response.SystemNamespace(p.Namespace) {
			continue
		}
		daemon, err := c.isDaemon(ctx, &p)
		if err != nil {
			return nil, err
		}
		if !daemon {
			pods = append(pods, p)
		}
	}
	slices.SortFunc(pods, func(a, b corev1.Pod) int {
		return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name)
	})
	return pods, nil
}

// isDaemon: the pod's DaemonSet is there. A pod may claim any owner.
func (c *cluster) isDaemon(ctx context.Context, p *corev1.Pod) (bool, error) {
	if controller := metav1.GetControllerOf(p); controller == nil || controller.Kind != "DaemonSet" || controller.APIVersion != apiVersions["DaemonSet"] {
		return false, nil
	}
	claimed := controllerOf(p)
	set, err := c.metadata(ctx, claimed)
	if gone(err) {
		return false, nil
	}
	return err == nil && string(set.UID) == claimed.UID, err
}

// workloadOf is the controller of a pod, or the pod where it has none.
func workloadOf(p *corev1.Pod) v1alpha1.TargetReference {
	if metav1.GetControllerOf(p) == nil {
		return pod(p.Namespace+"/"+p.Name, string(p.UID))
	}
	return controllerOf(p)
}

// departures are the lines of the diff that say whose pods go. It is the workloads that
// matter: their pods come and go while people think about it.
func departures(pods []corev1.Pod) string {
	var lines []string
	for i := range pods {
		line := "-evict the pods of " + name(workloadOf(&pods[i])) + "\n"
		if metav1.GetControllerOf(&pods[i]) == nil {
			line = "-evict " + name(workloadOf(&pods[i])) + ", which nothing starts again\n"
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}

// sharesOf names the workloads, for the rails. None is taken at once: execute sees to that.
func sharesOf(pods []corev1.Pod) []connectors.Share {
	var shares []connectors.Share
	for i := range pods {
		workload := workloadOf(&pods[i])
		if !slices.ContainsFunc(shares, func(s connectors.Share) bool { return s.Workload == workload }) {
			shares = append(shares, connectors.Share{Workload: workload})
		}
	}
	return shares
}

func (c *cluster) warnDrain(ctx context.Context, pods []corev1.Pod) ([]string, error) {
	warnings := []string{fmt.Sprintf("%d pods are evicted; pods of DaemonSets, static pods and pods of system namespaces stay", len(pods))}
	var bare, losing []string
	for i := range pods {
		p := &pods[i]
		if metav1.GetControllerOf(p) == nil {
			bare = append(bare, p.Namespace+"/"+p.Name)
		}
		if slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.EmptyDir != nil }) {
			losing = append(losing, p.Namespace+"/"+p.Name)
		}
	}
	if len(bare) > 0 {
		warnings = append(warnings, "nothing starts these pods again: "+listed(bare))
	}
	if len(losing) > 0 {
		warnings = append(warnings, "what these pods keep in an emptyDir is lost: "+listed(losing))
	}
	felt, err := c.feltBy(ctx, pods)
	return append(warnings, felt...), err
}

// feltBy tells what workloads, Services and budgets feel of it.
func (c *cluster) feltBy(ctx context.Context, pods []corev1.Pod) ([]string, error) {
	var warnings []string
	for namespace, taken := range byNamespace(pods) {
		around, err := c.surroundings(ctx, namespace)
		if err != nil {
			return nil, err
		}
		budgets, err := c.budgets(ctx, namespace)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, around.without(taken).warnings...)
		for i := range pods {
			if taken[pods[i].UID] {
				warnings = append(warnings, budgets.warn(&pods[i])...)
			}
		}
	}
	slices.Sort(warnings)
	return warnings, nil
}

func byNamespace(pods []corev1.Pod) map[string]map[types.UID]bool {
	by := map[string]map[types.UID]bool{}
	for _, p := range pods {
		if by[p.Namespace] == nil {
			by[p.Namespace] = map[types.UID]bool{}
		}
		by[p.Namespace][p.UID] = true
	}
	return by
}

func (drain) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	r, err := cordon.parse(request.Arguments)
	if err == nil && plan.Target.UID == "" {
		err = fmt.Errorf("%w: the plan names no uid, so nothing is changed", connectors.ErrInvalid)
	}
	if err != nil {
		return failed(err)
	}
	r.target.UID = plan.Target.UID
	changed, err := c.rewrite(ctx, r, nil)
	if err != nil {
		return failed(err)
	}
	pods, err := c.evictable(ctx, r.target.Name)
	if err != nil {
		return halfway(err, changed)
	}
	evicted, err := c.evictAll(ctx, pods)
	if err != nil {
		return halfway(err, true)
	}
	return succeeded("node %s is cordoned, %d pods are evicted", r.target.Name, evicted)
}

// evictAll evicts what may go now. The error says what holds the others.
func (c *cluster) evictAll(ctx context.Context, pods []corev1.Pod) (evicted int, err error) {
	var held []error
	for namespace := range byNamespace(pods) {
		budgets, err := c.budgets(ctx, namespace)
		if err != nil {
			return evicted, err
		}
		// Once, not for each pod: there may be ten thousand in the namespace.
		around, err := c.surroundings(ctx, namespace)
		if err != nil {
			return evicted, err
		}
		for i := range pods {
			if pods[i].Namespace != namespace {
				continue
			}
			switch err := c.evictInTurn(ctx, &pods[i], around, budgets); {
			case errors.Is(err, connectors.ErrBlocked), errors.Is(err, connectors.ErrConflict):
				held = append(held, err)
			case err != nil:
				return evicted, errors.Join(append(held, err)...)
			default:
				evicted++
			}
		}
	}
	return evicted, errors.Join(held...)
}

// evictInTurn evicts a pod unless too little of its workload would be left; its other
// pods have to be started elsewhere first.
func (c *cluster) evictInTurn(ctx context.Context, p *corev1.Pod, around surroundings, budgets budgets) error {
	for _, share := range around.shares(map[types.UID]bool{p.UID: true}) {
		if share.Excessive() {
			return fmt.Errorf("%w: pod %s/%s stays until more pods of %s serve: %d of %d do", connectors.ErrBlocked,
				p.Namespace, p.Name, name(share.Workload), share.Serving, share.Pods)
		}
	}
	err := c.evict(ctx, p, budgets)
	if err == nil {
		around.departs(p.UID, c.clock.Now())
	}
	return err
}

func (drain) observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	r, err := cordon.parse(request.Arguments)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	cordoned, err := c.observeRewrite(ctx, r, target)
	if err != nil || cordoned != connectors.EffectPresent {
		return cordoned, err
	}
	pods, err := c.evictable(ctx, target.Name)
	switch {
	case err != nil:
		return connectors.EffectUnknown, err
	case len(pods) > 0:
		return connectors.EffectPartial, nil
	}
	return connectors.EffectPresent, nil
}
