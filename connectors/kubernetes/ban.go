package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// ban is a ValidatingAdmissionPolicy with the binding that puts it in force.
// Both have the same name.
type ban struct {
	// target is what is denied something, which need not be an object of the API server.
	target  v1alpha1.TargetReference
	name    string
	summary string
	// affects is as in a plan.
	affects []string
	spec    admissionregistrationv1.ValidatingAdmissionPolicySpec
}

// maxReadable bounds the part of a name that is for humans.
const maxReadable = 100

// banName is the same for every attempt, and tells people and machines what is denied.
func banName(prefix, what string) string {
	readable := strings.Trim(unfit.ReplaceAllString(strings.ToLower(what), "-"), "-")
	if len(readable) > maxReadable {
		readable = readable[len(readable)-maxReadable:]
	}
	return prefix + strings.Trim(readable, "-") + "-" + fingerprint(what)[:8]
}

var unfit = regexp.MustCompile(`[^a-z0-9]+`)

// fingerprint stands in for the UID of what is no object: its name is all that tells it from others.
func fingerprint(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:16])
}

// everyRequest of these operations and resources, in every group and version.
func everyRequest(group, version string, operations []admissionregistrationv1.OperationType, resources ...string) admissionregistrationv1.NamedRuleWithOperations {
	all := admissionregistrationv1.AllScopes
	return admissionregistrationv1.NamedRuleWithOperations{RuleWithOperations: admissionregistrationv1.RuleWithOperations{
		Operations: operations,
		Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{version}, Resources: resources, Scope: &all},
	}}
}

// matching says everything that the API server would fill in, so that what it keeps is the same.
func matching(namespaces *metav1.LabelSelector, rules ...admissionregistrationv1.NamedRuleWithOperations) *admissionregistrationv1.MatchResources {
	equivalent := admissionregistrationv1.Equivalent
	return &admissionregistrationv1.MatchResources{
		ResourceRules: rules, MatchPolicy: &equivalent, NamespaceSelector: namespaces, ObjectSelector: &metav1.LabelSelector{},
	}
}

func (d ban) meta(key string) metav1.ObjectMeta {
	m := metav1.ObjectMeta{Name: d.name, Labels: map[string]string{"app.kubernetes.io/managed-by": "tocsin"}}
	if key != "" {
		m.Annotations = map[string]string{annotationKey: key}
	}
	return m
}

func admissionType(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: admissionregistrationv1.SchemeGroupVersion.String(), Kind: kind}
}

func (d ban) policy(key string) *admissionregistrationv1.ValidatingAdmissionPolicy {
	return &admissionregistrationv1.ValidatingAdmissionPolicy{
		TypeMeta: admissionType("ValidatingAdmissionPolicy"), ObjectMeta: d.meta(key), Spec: d.spec,
	}
}

func (d ban) binding(key string) *admissionregistrationv1.ValidatingAdmissionPolicyBinding {
	return &admissionregistrationv1.ValidatingAdmissionPolicyBinding{
		TypeMeta: admissionType("ValidatingAdmissionPolicyBinding"), ObjectMeta: d.meta(key),
		Spec: admissionregistrationv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: d.name, ValidationActions: []admissionregistrationv1.ValidationAction{admissionregistrationv1.Deny},
		},
	}
}

// found are the two as far as they are there; nil for gone. One that does
// something else is a conflict: somebody wants to be in the way.
func (d ban) found(ctx context.Context, c *cluster) (*admissionregistrationv1.ValidatingAdmissionPolicy, *admissionregistrationv1.ValidatingAdmissionPolicyBinding, error) {
	policy, binding := &admissionregistrationv1.ValidatingAdmissionPolicy{}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
	there, err := c.there(ctx, d.name, policy)
	switch {
	case err != nil:
		return nil, nil, err
	case !there:
		policy = nil
	case !equality.Semantic.DeepEqual(policy.Spec, d.spec):
		return nil, nil, d.changed("ValidatingAdmissionPolicy")
	}
	there, err = c.there(ctx, d.name, binding)
	switch {
	case err != nil:
		return nil, nil, err
	case !there:
		binding = nil
	case !equality.Semantic.DeepEqual(binding.Spec, d.binding("").Spec):
		return nil, nil, d.changed("ValidatingAdmissionPolicyBinding")
	}
	return policy, binding, nil
}

func (d ban) changed(kind string) error {
	return fmt.Errorf("%w: %s %s does something else than Tocsin made it for: look who changed it, and delete it", connectors.ErrConflict, kind, d.name)
}

// there reads a cluster-scoped object; false for gone.
func (c *cluster) there(ctx context.Context, name string, into client.Object) (bool, error) {
	err := c.Get(ctx, client.ObjectKey{Name: name}, into)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, c.explain(err, fmt.Sprintf("reading %T %s", into, name))
}

// try has the API server create what is missing without keeping it; an empty diff says that nothing is.
func (d ban) try(ctx context.Context, c *cluster, key string) (diff string, err error) {
	policy, binding, err := d.found(ctx, c)
	if err != nil {
		return "", err
	}
	if policy == nil {
		if diff, err = c.tryCreate(ctx, d.policy(key)); err != nil {
			return "", err
		}
	}
	if binding == nil {
		more, err := c.tryCreate(ctx, d.binding(key))
		return diff + more, err
	}
	return diff, nil
}

// create makes what is missing. The policy comes first: alone it denies nothing,
// and is taken away again where the binding is refused.
func (d ban) create(ctx context.Context, c *cluster, key string) error {
	policy, binding, err := d.found(ctx, c)
	if err != nil {
		return err
	}
	var created *admissionregistrationv1.ValidatingAdmissionPolicy
	if policy == nil {
		created = d.policy(key)
		if err := c.Create(ctx, created); err != nil {
			return c.explain(err, "creating ValidatingAdmissionPolicy "+d.name)
		}
	}
	if binding != nil {
		return nil
	}
	err = c.explain(c.Create(ctx, d.binding(key)), "creating ValidatingAdmissionPolicyBinding "+d.name)
	if err == nil || created == nil || !definite(err) {
		return err
	}
	if left := c.Delete(ctx, created, exactly(created.UID)); left != nil {
		return errors.New(err.Error() + "; ValidatingAdmissionPolicy " + d.name + " is left behind, in force nowhere: " + left.Error())
	}
	return err
}

// effect counts the two.
func (d ban) effect(ctx context.Context, c *cluster) (connectors.Effect, error) {
	policy, binding, err := d.found(ctx, c)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	there := 0
	if policy != nil {
		there++
	}
	if binding != nil {
		there++
	}
	return effectOf(there, 2), nil
}
