package kubernetes

import (
	"context"
	"fmt"
	"slices"

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
	secrets, gap, err := c.tokenSecrets(ctx, target)
	if err != nil {
		return plan, err
	}
	kept := keptAccount{Account: reusable(found).Object, UID: plan.Target.UID, TokenSecrets: secrets}
	if plan.Diff, err = kept.diff(found, request.Key); err != nil {
		return plan, err
	}
	if plan.Warnings, err = c.warnRevocation(ctx, target, kept, gap); err != nil {
		return plan, err
	}
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

// keptAccount is what undo needs: the account, and which Secrets held tokens, without the tokens.
type keptAccount struct {
	Account      map[string]any `json:"account"`
	UID          string         `json:"uid"`
	TokenSecrets []tokenSecret  `json:"tokenSecrets"`
}

type tokenSecret struct {
	Name        string            `json:"name"`
	UID         string            `json:"uid"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// account as it was, for the request with that key.
func (k keptAccount) account(key string) *unstructured.Unstructured {
	again := (&unstructured.Unstructured{Object: k.Account}).DeepCopy()
	if key != "" {
		annotations := again.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[annotationKey] = key
		again.SetAnnotations(annotations)
	}
	return again
}

func (k keptAccount) target() v1alpha1.TargetReference {
	target := reference(&unstructured.Unstructured{Object: k.Account})
	target.UID = k.UID
	return target
}

// secret without data: the control plane fills in a token.
func (k keptAccount) secret(s tokenSecret) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: k.target().Namespace, Name: s.Name, Labels: s.Labels, Annotations: s.Annotations},
		Type:       corev1.SecretTypeServiceAccountToken,
	}
}

// diff shows the account go and come, since what changes is its UID, and the Secrets go.
func (k keptAccount) diff(found *unstructured.Unstructured, key string) (string, error) {
	all, err := kube.Diff(found, nil)
	if err != nil {
		return "", err
	}
	for _, s := range k.TokenSecrets {
		gone, err := kube.Diff(k.secret(s), nil)
		if err != nil {
			return "", err
		}
		all += gone
	}
	back, err := kube.Diff(nil, k.account(key))
	return all + back, err
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

func (c *cluster) warnRevocation(ctx context.Context, account v1alpha1.TargetReference, kept keptAccount, gap string) ([]string, error) {
	warnings := []string{"a revoked token stays revoked: undo puts the account and its token Secrets back, with new tokens"}
	if gap != "" {
		warnings = append(warnings, gap)
	}
	holders, err := c.tokenHolders(ctx, account, kept.TokenSecrets)
	if err != nil {
		return nil, err
	}
	if len(holders) > 0 {
		warnings = append(warnings, fmt.Sprintf("%s a token of it: %s. What they ask of the API server is refused until their node renews the token, within the hour; "+
			"an intruder inside gets the new one as well: isolate or delete those pods", counted(len(holders), "pod holds", "pods hold"), listed(holders)))
	}
	if len(kept.TokenSecrets) > 0 {
		warnings = append(warnings, counted(len(kept.TokenSecrets), "token Secret is", "token Secrets are")+" deleted: what uses it outside the cluster needs a new one")
	}
	return warnings, nil
}

// tokenHolders are pods with a token of the account mounted, whoever they run as.
func (c *cluster) tokenHolders(ctx context.Context, account v1alpha1.TargetReference, secrets []tokenSecret) ([]string, error) {
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, client.InNamespace(account.Namespace)); err != nil {
		return nil, c.explain(err, "listing pods of "+account.Namespace)
	}
	isToken := func(named string) bool {
		return slices.ContainsFunc(secrets, func(s tokenSecret) bool { return s.Name == named })
	}
	var holders []string
	for _, p := range pods.Items {
		if slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
			return v.Secret != nil && isToken(v.Secret.SecretName) || p.Spec.ServiceAccountName == account.Name && projectsToken(v)
		}) {
			holders = append(holders, p.Name)
		}
	}
	slices.Sort(holders)
	return holders, nil
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

// remove deletes the account that was planned, as it was planned. Where it is gone
// or replaced, its tokens are invalid already.
func (k keptAccount) remove(ctx context.Context, c *cluster) (changed bool, err error) {
	target := k.target()
	found, err := c.get(ctx, target)
	switch {
	case gone(err):
		return false, nil
	case err != nil:
		return false, err
	case string(found.GetUID()) != target.UID:
		return false, nil
	case !equality.Semantic.DeepEqual(reusable(found).Object, k.Account):
		return false, fmt.Errorf("%w: %s was changed since it was planned; plan again", connectors.ErrConflict, name(target))
	}
	uid, version := found.GetUID(), found.GetResourceVersion()
	err = client.IgnoreNotFound(c.Delete(ctx, found, client.Preconditions{UID: &uid, ResourceVersion: &version}))
	return err == nil, c.explain(err, "deleting "+name(target))
}

// putBack makes the account again. One called default the control plane may have
// made first: it then gets what the old one had.
func (k keptAccount) putBack(ctx context.Context, c *cluster, key string) error {
	wanted := k.account(key)
	target := k.target()
	err := c.Create(ctx, wanted)
	if !apierrors.IsAlreadyExists(err) {
		return stillMissing(err, target)
	}
	found, err := c.get(ctx, target)
	if err != nil {
		return err
	}
	if string(found.GetUID()) == target.UID {
		return fmt.Errorf("%s is still there: its deletion is not done", name(target))
	}
	wanted.SetUID(found.GetUID())
	wanted.SetResourceVersion(found.GetResourceVersion())
	return stillMissing(c.Patch(ctx, wanted, client.MergeFromWithOptions(found, client.MergeFromWithOptimisticLock{})), target)
}

// stillMissing is none of the contract's errors: the account is gone already, so it is not true that nothing was done.
func stillMissing(err error, target v1alpha1.TargetReference) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s is deleted but not back as it was: %w", name(target), err)
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
