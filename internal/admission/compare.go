package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// compare returns when the newest of the wanted rules was last changed. Its
// error names every difference.
func compare(
	rules []Rule,
	policies []admissionv1.ValidatingAdmissionPolicy,
	bindings []admissionv1.ValidatingAdmissionPolicyBinding,
) (time.Time, error) {
	var newest time.Time
	var wrong []string
	check := func(what string, changed time.Time, err error) {
		if err != nil {
			wrong = append(wrong, what+" "+err.Error())
		}
		if changed.After(newest) {
			newest = changed
		}
	}
	for _, rule := range rules {
		name := rule.Policy.Name
		changed, err := comparePolicy(rule.Policy, policies)
		check("ValidatingAdmissionPolicy "+name, changed, err)
		changed, err = compareBinding(rule.Binding, bindings)
		check("ValidatingAdmissionPolicyBinding "+name, changed, err)
	}
	if len(wrong) > 0 {
		return time.Time{}, fmt.Errorf("%w: %s", ErrUnproven, strings.Join(wrong, "; "))
	}
	return newest, nil
}

var errMissing = errors.New("is missing")

func comparePolicy(want admissionv1.ValidatingAdmissionPolicy, installed []admissionv1.ValidatingAdmissionPolicy) (time.Time, error) {
	i := slices.IndexFunc(installed, func(p admissionv1.ValidatingAdmissionPolicy) bool { return p.Name == want.Name })
	if i < 0 {
		return time.Time{}, errMissing
	}
	got := &installed[i]
	if err := compareSpec(&want.Spec, &got.Spec); err != nil {
		return time.Time{}, err
	}
	// A policy whose expressions do not fit the installed CRDs was not made for them.
	if typing := got.Status.TypeChecking; typing != nil && len(typing.ExpressionWarnings) > 0 {
		first := typing.ExpressionWarnings[0]
		return time.Time{}, fmt.Errorf("does not fit the installed CRDs: %s: %s", first.FieldRef, first.Warning)
	}
	return lastChange(got.ObjectMeta)
}

func compareBinding(want admissionv1.ValidatingAdmissionPolicyBinding, installed []admissionv1.ValidatingAdmissionPolicyBinding) (time.Time, error) {
	i := slices.IndexFunc(installed, func(b admissionv1.ValidatingAdmissionPolicyBinding) bool { return b.Name == want.Name })
	if i < 0 {
		return time.Time{}, errMissing
	}
	got := &installed[i]
	if err := compareSpec(&want.Spec, &got.Spec); err != nil {
		return time.Time{}, err
	}
	return lastChange(got.ObjectMeta)
}

// compareSpec names the fields of two specs that differ. The manifests state
// what the API server would default, so there is nothing to default here.
func compareSpec(want, got any) error {
	if equality.Semantic.DeepEqual(want, got) {
		return nil
	}
	wantFields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(want)
	if err != nil {
		return err
	}
	gotFields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(got)
	if err != nil {
		return err
	}
	var fields []string
	for field, value := range wantFields {
		if !equality.Semantic.DeepEqual(value, gotFields[field]) {
			fields = append(fields, "spec."+field)
		}
	}
	for field := range gotFields {
		if _, wanted := wantFields[field]; !wanted {
			fields = append(fields, "spec."+field)
		}
	}
	slices.Sort(fields)
	return fmt.Errorf("differs from this build's in %s", strings.Join(fields, ", "))
}

// lastChange returns when a spec was written last. The API server keeps that
// time for each writer; the generation tells that there was one.
func lastChange(meta metav1.ObjectMeta) (time.Time, error) {
	if meta.DeletionTimestamp != nil {
		return time.Time{}, errors.New("is being deleted")
	}
	changed, known := meta.CreationTimestamp.Time, meta.Generation <= 1
	for _, entry := range meta.ManagedFields {
		if entry.Subresource != "" || entry.Time == nil || !touchesSpec(entry.FieldsV1) {
			continue
		}
		known = true
		if entry.Time.After(changed) {
			changed = entry.Time.Time
		}
	}
	if !known {
		return time.Time{}, errors.New("was changed, and its managedFields do not say when")
	}
	return changed, nil
}

func touchesSpec(fields *metav1.FieldsV1) bool {
	if fields == nil {
		return false
	}
	var top map[string]json.RawMessage
	if err := json.Unmarshal(fields.GetRawBytes(), &top); err != nil {
		return false
	}
	_, spec := top["f:spec"]
	return spec
}
