// Package alertsource puts AlertSources in force.
package alertsource

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/internal/ingest"
)

// secretsEvery is how soon a changed Secret takes effect: the operator may get
// the Secrets it is pointed to, not watch them.
const secretsEvery = time.Minute

// Checker compiles a source with its secret.
type Checker struct {
	// Secrets reads from the API server, not from a cache.
	Secrets client.Reader
	Sources *ingest.Sources
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alertsources,verbs=get;list;watch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alertsources/status,verbs=patch

// SetupWithManager registers the controller.
//
// It runs on every replica, since every replica receives.
func SetupWithManager(mgr ctrl.Manager, checker *Checker) error {
	return ctrl.NewControllerManagedBy(mgr).Named("alertsource").
		For(&v1alpha1.AlertSource{}, configuration.SpecChanges()).
		WithOptions(controller.Options{NeedLeaderElection: ptr.To(false)}).
		Complete(&configuration.Reconciler[*v1alpha1.AlertSource]{
			Client: mgr.GetClient(), Checker: checker, Every: secretsEvery,
			New: func() *v1alpha1.AlertSource { return &v1alpha1.AlertSource{} },
		})
}

// Check implements configuration.Checker.
func (c *Checker) Check(ctx context.Context, source *v1alpha1.AlertSource) (string, error) {
	key := client.ObjectKeyFromObject(source)
	secret, err := c.secret(ctx, source)
	if err != nil {
		c.Forget(key)
		return "", err
	}
	compiled, err := ingest.Compile(source, secret)
	if err != nil {
		c.Forget(key)
		return "", configuration.Reject(v1alpha1.ReasonInvalidSpec, err)
	}
	c.Sources.Set(compiled)
	return fmt.Sprintf("receives %s at /v1/sources/%s/%s", source.Spec.Format, source.Namespace, source.Name), nil
}

// Forget implements configuration.Checker.
func (c *Checker) Forget(key types.NamespacedName) { c.Sources.Delete(key.Namespace, key.Name) }

// secret reads the one key that the source points to.
func (c *Checker) secret(ctx context.Context, source *v1alpha1.AlertSource) ([]byte, error) {
	field, ref := reference(source.Spec.Authentication)
	var secret corev1.Secret
	err := c.Secrets.Get(ctx, types.NamespacedName{Namespace: source.Namespace, Name: ref.Name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, missing("%s.name: there is no Secret %q in namespace %s", field, ref.Name, source.Namespace)
	case apierrors.IsForbidden(err):
		return nil, missing("%s.name: the operator may not get Secret %q; a Role in namespace %s must let it: "+
			"kubectl -n %s create role tocsin-%s --verb=get --resource=secrets --resource-name=%s, bound to serviceaccount tocsin-system:tocsin",
			field, ref.Name, source.Namespace, source.Namespace, source.Name, ref.Name)
	case err != nil:
		return nil, err
	}
	value := secret.Data[ref.Key]
	if len(value) == 0 {
		return nil, missing("%s.key: Secret %q has no key %q", field, ref.Name, ref.Key)
	}
	return value, nil
}

// missing is not a Rejection: the Secret may come any moment.
func missing(format string, args ...any) error {
	return configuration.Await(v1alpha1.ReasonSecretMissing, fmt.Errorf(format, args...))
}

func reference(a v1alpha1.SourceAuthentication) (field string, ref v1alpha1.SecretKeyReference) {
	if a.HMAC != nil {
		return "spec.authentication.hmac.secretRef", a.HMAC.SecretRef
	}
	return "spec.authentication.bearer.secretRef", a.Bearer.SecretRef
}
