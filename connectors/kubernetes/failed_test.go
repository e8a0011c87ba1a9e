package kubernetes

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

func TestFailedIsOnlyWhatStaysSo(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	tests := map[string]struct {
		err  error
		want v1alpha1.ActionOutcome
	}{
		"a conflict":       {connectors.ErrConflict, v1alpha1.OutcomeFailed},
		"forbidden":        {apierrors.NewForbidden(pods, "web-0", errors.New("no")), v1alpha1.OutcomeFailed},
		"too much to do":   {apierrors.NewTooManyRequests("later", 1), v1alpha1.OutcomeUnknown},
		"a request's time": {apierrors.NewTimeoutError("slow", 1), v1alpha1.OutcomeUnknown},
		"its own fault":    {apierrors.NewInternalError(errors.New("etcd")), v1alpha1.OutcomeUnknown},
		"no answer":        {errors.New("connection reset"), v1alpha1.OutcomeUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := failed(test.err)
			if got.Outcome != test.want || (err != nil) != (test.want == v1alpha1.OutcomeUnknown) {
				t.Errorf("got %+v, %v; want %s", got, err, test.want)
			}
		})
	}
}
