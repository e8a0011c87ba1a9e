package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
)

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
