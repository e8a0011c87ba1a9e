package admission

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var (
	created = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	later   = created.Add(time.Hour)
)

func entry(subresource string, at time.Time, fields string) metav1.ManagedFieldsEntry {
	time := metav1.NewTime(at)
	return metav1.ManagedFieldsEntry{Manager: "kubectl", Subresource: subresource, Time: &time, FieldsV1: metav1.NewFieldsV1(fields)}
}

func TestLastChange(t *testing.T) {
	deleted := metav1.NewTime(later)
	undated := entry("", later, `{"f:spec":{}}`)
	undated.Time = nil
	tests := map[string]struct {
		meta    metav1.ObjectMeta
		want    time.Time
		wantErr string
	}{
		"never changed": {
			meta: metav1.ObjectMeta{Generation: 1},
			want: created,
		},
		"created and changed": {
			meta: metav1.ObjectMeta{Generation: 2, ManagedFields: []metav1.ManagedFieldsEntry{
				entry("", created, `{"f:spec":{"f:failurePolicy":{}}}`),
				entry("", later, `{"f:spec":{"f:validations":{}}}`),
			}},
			want: later,
		},
		"only labels and status written since": {
			meta: metav1.ObjectMeta{Generation: 1, ManagedFields: []metav1.ManagedFieldsEntry{
				entry("", created, `{"f:spec":{}}`),
				entry("", later, `{"f:metadata":{"f:labels":{}}}`),
				entry("status", later, `{"f:spec":{}}`),
			}},
			want: created,
		},
		"changed, and managedFields taken away": {
			meta:    metav1.ObjectMeta{Generation: 2},
			wantErr: "was changed, and its managedFields do not say when",
		},
		"changed, and managedFields without a time": {
			meta:    metav1.ObjectMeta{Generation: 2, ManagedFields: []metav1.ManagedFieldsEntry{undated}},
			wantErr: "was changed, and its managedFields do not say when",
		},
		"changed, and managedFields that are no JSON": {
			meta:    metav1.ObjectMeta{Generation: 2, ManagedFields: []metav1.ManagedFieldsEntry{entry("", later, `{`)}},
			wantErr: "was changed, and its managedFields do not say when",
		},
		"being deleted": {
			meta:    metav1.ObjectMeta{Generation: 1, DeletionTimestamp: &deleted},
			wantErr: "is being deleted",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.meta.CreationTimestamp = metav1.NewTime(created)
			got, err := lastChange(tc.meta)
			if diff := cmp.Diff(tc.wantErr, message(err)); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if !got.Equal(tc.want) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestCompareNamesEveryDifference(t *testing.T) {
	rules, err := Rules("tocsin-system")
	if err != nil {
		t.Fatal(err)
	}
	_, err = compare(rules[:2], nil, nil)
	if !errors.Is(err, ErrUnproven) {
		t.Fatalf("got %v, want ErrUnproven", err)
	}
	want := ErrUnproven.Error() +
		": ValidatingAdmissionPolicy tocsin-alerts is missing; ValidatingAdmissionPolicyBinding tocsin-alerts is missing" +
		"; ValidatingAdmissionPolicy tocsin-approvals is missing; ValidatingAdmissionPolicyBinding tocsin-approvals is missing"
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
