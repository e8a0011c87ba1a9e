package investigation

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// A flood of small cases must not push alerts out of the case that they merge into.
func TestACaseTakesNoMoreThanItCanList(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	older := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: "older"}}
	tests := map[string]struct {
		there, brings int
		want          bool
	}{
		"none is there":             {want: true},
		"the last one fits":         {there: maxMerged - 1, want: true},
		"it is full":                {there: maxMerged},
		"what comes brings several": {there: maxMerged - 2, brings: 2},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{older.DeepCopy()}
			for i := range tc.there {
				c := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: fmt.Sprint("younger-", i)}}
				c.Status.MergedInto = "older"
				objects = append(objects, c)
			}
			r := &Reconciler{Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
				WithIndex(&v1alpha1.Investigation{}, indexMergedInto, func(o client.Object) []string {
					return []string{o.(*v1alpha1.Investigation).Status.MergedInto}
				}).Build()}
			got, err := r.hasRoom(t.Context(), older, &caseFile{merged: make([]string, tc.brings)})
			if err != nil || got != tc.want {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
		})
	}
}
