package trial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	yamlutil "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
)

func newReader(raw []byte) *yamlutil.YAMLReader {
	return yamlutil.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
}

var formats = map[string]v1alpha1.AlertFormat{
	scenario.SourceAudit: v1alpha1.FormatKubernetesAudit, scenario.SourceFalco: v1alpha1.FormatFalco,
}

// sources exist so that the Investigator knows what vouches for an alert.
func (c *Court) sources(ctx context.Context) error {
	for name, format := range formats {
		source := &v1alpha1.AlertSource{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: name}}
		source.Spec.Format = format
		source.Spec.Authentication.Bearer = &v1alpha1.BearerAuthentication{SecretRef: v1alpha1.SecretKeyReference{Name: name, Key: "token"}}
		if err := c.admin.Create(ctx, source); client.IgnoreAlreadyExists(err) != nil {
			return err
		}
	}
	return nil
}

// set puts the objects of a scenario into the API server, and returns what takes them away again.
func (c *Court) set(ctx context.Context, s *scenario.Scenario) (strike func(context.Context) error, err error) {
	var there []*unstructured.Unstructured
	strike = func(ctx context.Context) error {
		var errs []error
		for _, object := range slices.Backward(there) {
			err := c.admin.Delete(ctx, object, client.GracePeriodSeconds(0))
			errs = append(errs, client.IgnoreNotFound(err))
		}
		return errors.Join(errs...)
	}
	objects := s.Cluster
	if s.Analyst != nil {
		analyst, err := asObject(*s.Analyst)
		if err != nil {
			return strike, fmt.Errorf("analyst: %w", err)
		}
		objects = append([]map[string]any{analyst}, objects...)
	}
	for i, object := range objects {
		made, err := c.make(ctx, object)
		if err != nil {
			return strike, fmt.Errorf("object %d of the cluster: %w", i+1, err)
		}
		if made != nil {
			there = append(there, made)
		}
	}
	return strike, nil
}

// asObject is the Analyst of the tenant as the API server takes it.
func asObject(spec v1alpha1.AnalystSpec) (map[string]any, error) {
	analyst := &v1alpha1.Analyst{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "Analyst"},
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "default"}, Spec: spec,
	}
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(analyst)
	delete(object, "status")
	return object, err
}

// make creates an object, in a namespace that is made where there is none. It returns
// nil for a Namespace, which stays, since nothing here would end it.
func (c *Court) make(ctx context.Context, object map[string]any) (*unstructured.Unstructured, error) {
	u := (&unstructured.Unstructured{Object: object}).DeepCopy()
	if u.GetKind() == "Namespace" {
		return nil, c.namespace(ctx, u.GetName(), u.GetLabels())
	}
	if name := u.GetNamespace(); name != "" {
		var known corev1.Namespace
		err := c.admin.Get(ctx, client.ObjectKey{Name: name}, &known)
		if apierrors.IsNotFound(err) {
			err = c.namespace(ctx, name, nil)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := c.own(ctx, u); err != nil {
		return nil, err
	}
	if err := c.admin.Create(ctx, u); err != nil {
		return nil, fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), err)
	}
	return u, nil
}

// namespace makes the Namespace be there with these labels and no others.
func (c *Court) namespace(ctx context.Context, name string, labels map[string]string) error {
	var there corev1.Namespace
	err := c.admin.Get(ctx, client.ObjectKey{Name: name}, &there)
	if apierrors.IsNotFound(err) {
		return c.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	if err != nil {
		return err
	}
	there.Labels = labels
	return c.admin.Update(ctx, &there)
}

// own fills in the UIDs of owners, which a scenario names without.
func (c *Court) own(ctx context.Context, u *unstructured.Unstructured) error {
	owners := u.GetOwnerReferences()
	for i := range owners {
		o := &owners[i]
		if o.UID != "" {
			continue
		}
		owner := &unstructured.Unstructured{}
		owner.SetAPIVersion(o.APIVersion)
		owner.SetKind(o.Kind)
		if err := c.admin.Get(ctx, client.ObjectKey{Namespace: u.GetNamespace(), Name: o.Name}, owner); err != nil {
			return fmt.Errorf("metadata.ownerReferences[%d]: it must come earlier in the scenario: %w", i, err)
		}
		o.UID = owner.GetUID()
	}
	u.SetOwnerReferences(owners)
	return nil
}
