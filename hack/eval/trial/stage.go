package trial

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
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

// stage is what of a scenario stands in the API server.
type stage struct {
	admin client.Client
	there []*unstructured.Unstructured
	// namespaces that this scenario uses; their labels are its own.
	namespaces map[string]bool
}

// set puts the objects of a scenario into the API server. What it returns takes them away again.
func (c *Court) set(ctx context.Context, s *scenario.Scenario) (*stage, error) {
	st := &stage{admin: c.admin, namespaces: map[string]bool{}}
	if s.Analyst != nil {
		analyst, err := asObject(*s.Analyst)
		if err == nil {
			err = st.make(ctx, analyst)
		}
		if err != nil {
			return st, fmt.Errorf("analyst: %w", err)
		}
	}
	for i, object := range s.Cluster {
		if err := st.make(ctx, object); err != nil {
			u := &unstructured.Unstructured{Object: object}
			return st, fmt.Errorf("cluster[%d], %s %s: %w", i, u.GetKind(), strings.TrimPrefix(client.ObjectKeyFromObject(u).String(), "/"), err)
		}
	}
	return st, nil
}

// strike takes away what make made, but for Namespaces, which nothing here would end.
// No controller runs that would take off a finalizer or care for dependents.
func (st *stage) strike(ctx context.Context) error {
	var errs []error
	for _, object := range slices.Backward(st.there) {
		err := st.admin.Delete(ctx, object, client.GracePeriodSeconds(0), client.PropagationPolicy(metav1.DeletePropagationBackground))
		if err == nil && len(object.GetFinalizers()) > 0 {
			err = st.admin.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
		}
		errs = append(errs, client.IgnoreNotFound(err))
	}
	return errors.Join(errs...)
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

// make creates an object with its status, in a namespace that is made where there is none.
func (st *stage) make(ctx context.Context, object map[string]any) error {
	u := (&unstructured.Unstructured{Object: object}).DeepCopy()
	if u.GetKind() == "Namespace" {
		return st.namespace(ctx, u.GetName(), u)
	}
	if name := u.GetNamespace(); name != "" && !st.namespaces[name] {
		if err := st.namespace(ctx, name, &unstructured.Unstructured{}); err != nil {
			return err
		}
	}
	if u.GetKind() == "Pod" {
		if err := st.account(ctx, u); err != nil {
			return err
		}
	}
	if err := st.own(ctx, u); err != nil {
		return err
	}
	status := u.Object["status"]
	if err := st.admin.Create(ctx, u); err != nil {
		return err
	}
	st.there = append(st.there, u)
	if status == nil {
		return nil
	}
	shown := u.DeepCopy()
	shown.Object["status"] = status
	if err := st.admin.Status().Update(ctx, shown); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("status: %w", err)
	}
	return nil
}

// account makes the ServiceAccount that every namespace has, for a pod that names no other.
func (st *stage) account(ctx context.Context, pod *unstructured.Unstructured) error {
	name, _, _ := unstructured.NestedString(pod.Object, "spec", "serviceAccountName")
	if name != "" && name != "default" {
		return nil
	}
	account := &unstructured.Unstructured{}
	account.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ServiceAccount"))
	account.SetNamespace(pod.GetNamespace())
	account.SetName("default")
	err := st.admin.Create(ctx, account)
	if err == nil {
		st.there = append(st.there, account)
	}
	return client.IgnoreAlreadyExists(err)
}

// namespace makes the Namespace be there with the labels and annotations of one, and no others.
func (st *stage) namespace(ctx context.Context, name string, like *unstructured.Unstructured) error {
	st.namespaces[name] = true
	var there corev1.Namespace
	err := st.admin.Get(ctx, client.ObjectKey{Name: name}, &there)
	if apierrors.IsNotFound(err) {
		return st.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: like.GetLabels(), Annotations: like.GetAnnotations()}})
	}
	if err != nil {
		return err
	}
	there.Labels, there.Annotations = like.GetLabels(), like.GetAnnotations()
	return st.admin.Update(ctx, &there)
}

// own fills in the UIDs of owners, which a scenario names without.
func (st *stage) own(ctx context.Context, u *unstructured.Unstructured) error {
	owners := u.GetOwnerReferences()
	for i := range owners {
		o := &owners[i]
		if o.UID != "" {
			continue
		}
		owner := &unstructured.Unstructured{}
		owner.SetAPIVersion(o.APIVersion)
		owner.SetKind(o.Kind)
		if err := st.admin.Get(ctx, client.ObjectKey{Namespace: u.GetNamespace(), Name: o.Name}, owner); err != nil {
			return fmt.Errorf("metadata.ownerReferences[%d]: it must come earlier in the scenario: %w", i, err)
		}
		o.UID = owner.GetUID()
	}
	u.SetOwnerReferences(owners)
	return nil
}
