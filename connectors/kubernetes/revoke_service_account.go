package kubernetes

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// revokeServiceAccount makes every token of a ServiceAccount invalid. A token
// names the UID of its account, so the account is deleted and made again.
type revokeServiceAccount struct{}

type serviceAccountArguments struct {
	ServiceAccount string `json:"serviceAccount"`
}

func (a serviceAccountArguments) target() v1alpha1.TargetReference {
	namespace, account := split(a.ServiceAccount)
	return object{Kind: "ServiceAccount", Namespace: namespace, Name: account}.target()
}

func (revokeServiceAccount) describe() operation.Operation {
	return operation.Operation{
		Name: "revoke-service-account", Summary: "Make all tokens of a ServiceAccount invalid",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoIrreversible,
		Arguments: properties("serviceAccount", namespacedNameSchema), Result: noResult,
	}
}

func (revokeServiceAccount) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[serviceAccountArguments](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	target := a.target()
	plan := connectors.Plan{Target: target, Summary: "revoke all tokens of ServiceAccount " + a.ServiceAccount}
	found, err := c.get(ctx, target)
	if err != nil {
		return plan, err
	}
	plan.Target.UID = string(found.GetUID())
	if err := revocable(c, a, found); err != nil {
		return plan, err
	}
	if plan.Done = request.Key != "" && found.GetAnnotations()[annotationKey] == request.Key; plan.Done {
		return plan, nil
	}
	if err := c.Delete(ctx, found, exactly(found.GetUID()), client.DryRunAll); err != nil {
		return plan, c.explain(err, "planning to delete "+name(target))
	}
	if err := c.tryRecreate(ctx, found); err != nil {
		return plan, c.explain(err, "planning to put back "+name(target))
	}
	secrets, gap, err := c.tokenSecrets(ctx, target)
	if err != nil {
		return plan, err
	}
	kept := keptAccount{Account: reusable(found).Object, UID: plan.Target.UID, TokenSecrets: secrets}
	if plan.Diff, err = kept.diff(found, request.Key); err != nil {
		return plan, err
	}
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, client.InNamespace(target.Namespace)); err != nil {
		return plan, c.explain(err, "listing pods of "+target.Namespace)
	}
	holders, taken := tokenHolders(pods.Items, target, secrets)
	plan.Warnings = warnRevocation(holders, len(secrets), gap)
	// They go on serving, but maybe not without what they ask of the API server.
	plan.Shares = surroundings{pods: pods.Items}.without(taken).shares
	plan.Affects = []string{serviceAccountPrefix + target.Namespace + ":" + target.Name}
	plan.Inverse, err = inverse("restore-service-account", kept)
	return plan, err
}

// revocable refuses where deleting the account would go wrong halfway.
func revocable(c *cluster, a serviceAccountArguments, found *unstructured.Unstructured) error {
	switch {
	case a.ServiceAccount == c.account.String():
		return fmt.Errorf("%w: serviceAccount: Tocsin acts as %s itself here, and could not put it back", connectors.ErrInvalid, a.ServiceAccount)
	case found.GetDeletionTimestamp() != nil:
		return fmt.Errorf("%w: ServiceAccount %s is being deleted, and its tokens with it", connectors.ErrConflict, a.ServiceAccount)
	case len(found.GetFinalizers()) > 0:
		return fmt.Errorf("%w: ServiceAccount %s has finalizers %v: its deletion would wait for them, and its tokens stay valid meanwhile",
			connectors.ErrConflict, a.ServiceAccount, found.GetFinalizers())
	}
	return nil
}

// tokenSecrets lists metadata only, and what may be deleted. Where that is not
// allowed it returns what will become of them instead.
func (c *cluster) tokenSecrets(ctx context.Context, account v1alpha1.TargetReference) (found []tokenSecret, gap string, err error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err = c.List(ctx, list, client.InNamespace(account.Namespace), client.MatchingFields{"type": string(corev1.SecretTypeServiceAccountToken)})
	found = []tokenSecret{}
	for i := range list.Items {
		s := &list.Items[i]
		if err != nil || s.Annotations[corev1.ServiceAccountNameKey] != account.Name {
			continue
		}
		annotations := withoutLastApplied(s.Annotations)
		delete(annotations, corev1.ServiceAccountUIDKey)
		found = append(found, tokenSecret{Name: s.Name, UID: string(s.UID), Labels: s.Labels, Annotations: annotations})
		err = c.Delete(ctx, s, exactly(s.UID), client.DryRunAll)
	}
	if apierrors.IsForbidden(err) {
		return []tokenSecret{}, fmt.Sprintf("ServiceAccount %s may not list and delete secrets (ClusterRole tocsin-connector-token-secrets): token Secrets of the account are "+
			"invalid too, but the control plane deletes them, and undo cannot put them back", c.account), nil
	}
	return found, "", c.explain(err, "planning to delete token Secrets of "+account.Namespace)
}

func warnRevocation(holders []string, tokenSecrets int, gap string) []string {
	warnings := []string{"a revoked token stays revoked: undo puts the account and its token Secrets back, with new tokens"}
	if gap != "" {
		warnings = append(warnings, gap)
	}
	if len(holders) > 0 {
		warnings = append(warnings, fmt.Sprintf("%s a token of it: %s. What they ask of the API server is refused until their node renews the token, within the hour; "+
			"an intruder inside gets the new one as well: isolate or delete those pods", counted(len(holders), "pod holds", "pods hold"), listed(holders)))
	}
	if tokenSecrets > 0 {
		warnings = append(warnings, counted(tokenSecrets, "token Secret is", "token Secrets are")+" deleted: what uses it outside the cluster needs a new one")
	}
	return warnings
}

// tokenHolders are pods with a token of the account mounted, whoever they run as, by name and by UID.
func tokenHolders(pods []corev1.Pod, account v1alpha1.TargetReference, secrets []tokenSecret) ([]string, map[types.UID]bool) {
	taken := map[types.UID]bool{}
	isToken := func(named string) bool {
		return slices.ContainsFunc(secrets, func(s tokenSecret) bool { return s.Name == named })
	}
	var holders []string
	for _, p := range pods {
		if slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
			return v.Secret != nil && isToken(v.Secret.SecretName) || p.Spec.ServiceAccountName == account.Name && projectsToken(v)
		}) {
			holders = append(holders, p.Name)
			taken[p.UID] = true
		}
	}
	slices.Sort(holders)
	return holders, taken
}

func projectsToken(v corev1.Volume) bool {
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool { return s.ServiceAccountToken != nil })
}

func (revokeServiceAccount) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	kept, err := plannedInverse[keptAccount](plan)
	if err != nil {
		return failed(err)
	}
	target := kept.target()
	if plan.Target.UID != target.UID {
		return failed(fmt.Errorf("%w: the plan is for a ServiceAccount with uid %q, and keeps one with %s; plan again", connectors.ErrNotFound, plan.Target.UID, target.UID))
	}
	changed, err := kept.remove(ctx, c)
	if err != nil {
		return failed(err)
	}
	if err := kept.putBack(ctx, c, request.Key); err != nil {
		return connectors.Result{Outcome: v1alpha1.OutcomeUnknown}, err
	}
	for _, s := range kept.TokenSecrets {
		err := c.Delete(ctx, kept.secret(s), exactly(types.UID(s.UID)))
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return halfway(c.explain(err, "deleting Secret "+s.Name), changed)
		}
	}
	return succeeded("all tokens of ServiceAccount %s/%s that were there are invalid", target.Namespace, target.Name)
}

func (revokeServiceAccount) observe(ctx context.Context, c *cluster, _ connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	found, err := c.get(ctx, target)
	switch {
	case gone(err):
		return connectors.EffectPartial, nil
	case err != nil:
		return connectors.EffectUnknown, err
	case string(found.GetUID()) == target.UID:
		return connectors.EffectAbsent, nil
	}
	return connectors.EffectPresent, nil
}
