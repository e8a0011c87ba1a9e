package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// session is a connection with the caller's own rights. It caches nothing.
type session struct {
	client.WithWatch
	// namespace that names are looked up in.
	namespace string
	// patience is how long the operator is waited for.
	patience time.Duration
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme))
}

func (c *cli) connect() (*session, error) {
	namespace, _, err := c.flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, err
	}
	config, err := c.flags.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	// As kubectl has it: client-go's own defaults make people wait.
	config.QPS, config.Burst = 50, 300
	config.WarningHandler = rest.NewWarningWriter(c.ErrOut, rest.WarningWriterOptions{Deduplicate: true})
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	cl, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	return &session{WithWatch: cl, namespace: namespace, patience: c.patience}, nil
}

// whoAmI is the caller's user name, as the API server sees it.
func (s *session) whoAmI(ctx context.Context) (string, error) {
	review := &authenticationv1.SelfSubjectReview{}
	if err := s.Create(ctx, review); err != nil {
		return "", fmt.Errorf("asking the API server who you are: %w", plainly(err))
	}
	return review.Status.UserInfo.Username, nil
}

// get reads an object by name. One that does not exist is an error that names similar ones.
func (s *session) get(ctx context.Context, object client.Object, list client.ObjectList, what, name string) error {
	err := s.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: name}, object)
	if !apierrors.IsNotFound(err) {
		return plainly(err)
	}
	missing := fmt.Sprintf("there is no %s %s in namespace %s", what, name, s.namespace)
	if err := s.List(ctx, list, client.InNamespace(s.namespace)); err != nil {
		return errors.New(missing)
	}
	return errors.New(missing + didYouMean(name, namesOf(list)))
}

func (s *session) action(ctx context.Context, name string) (*v1alpha1.ResponseAction, error) {
	action := &v1alpha1.ResponseAction{}
	return action, s.get(ctx, action, &v1alpha1.ResponseActionList{}, "ResponseAction", name)
}

func (s *session) investigation(ctx context.Context, name string) (*v1alpha1.Investigation, error) {
	found := &v1alpha1.Investigation{}
	return found, s.get(ctx, found, &v1alpha1.InvestigationList{}, "case", name)
}

// caseOf is the case that an action belongs to, or nil.
func (s *session) caseOf(ctx context.Context, a *v1alpha1.ResponseAction) (*v1alpha1.Investigation, error) {
	if a.Spec.Investigation == "" {
		return nil, nil
	}
	found := &v1alpha1.Investigation{}
	err := s.Get(ctx, types.NamespacedName{Namespace: a.Namespace, Name: a.Spec.Investigation}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return found, plainly(err)
}

// actionsOf a case, and of those that were merged into it.
func (s *session) actionsOf(ctx context.Context, found *v1alpha1.Investigation) ([]v1alpha1.ResponseAction, error) {
	var actions v1alpha1.ResponseActionList
	err := s.list(ctx, &actions, false)
	// Not by a field selector: an API server of Kubernetes 1.30 knows none for custom resources.
	return slices.DeleteFunc(actions.Items, func(a v1alpha1.ResponseAction) bool {
		return a.Spec.Investigation != found.Name && !slices.Contains(found.Status.MergedFrom, a.Spec.Investigation)
	}), err
}

func (s *session) list(ctx context.Context, list client.ObjectList, allNamespaces bool) error {
	var opts []client.ListOption
	if !allNamespaces {
		opts = append(opts, client.InNamespace(s.namespace))
	}
	return plainly(s.List(ctx, list, opts...))
}

func namesOf(list client.ObjectList) []string {
	var names []string
	_ = meta.EachListItem(list, func(o runtime.Object) error { // the function errs for nothing
		if object, ok := o.(client.Object); ok {
			names = append(names, object.GetName())
		}
		return nil
	})
	return names
}

// plainly is an API server's refusal in its own words, and says what to do where
// Tocsin is not installed.
func plainly(err error) error {
	var status apierrors.APIStatus
	var unreachable *url.Error
	switch {
	case err == nil:
		return nil
	case meta.IsNoMatchError(err):
		return fmt.Errorf("this cluster does not know Tocsin's kinds: install config/default, or choose another with --context (%w)", err)
	case errors.As(err, &status):
		return errors.New(status.Status().Message)
	case errors.As(err, &unreachable):
		return fmt.Errorf("%w; is the cluster the right one? (KUBECONFIG, --kubeconfig, --context)", err)
	}
	return err
}
