package responseaction

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const fieldAfter = "spec.after"

// after lets an action wait for those that it depends on, and gives it up where one ended otherwise.
type after struct{ reader client.Reader }

func (s after) take(ctx context.Context, r *run) (next, error) {
	for i, earlier := range r.action.Spec.After {
		field := fmt.Sprintf("spec.after[%d]", i)
		if earlier.Action == r.action.Name {
			r.stall(v1alpha1.ReasonInvalidSpec, field+".action: names this action itself; name one that ends before it")
			return halt, nil
		}
		other := &v1alpha1.ResponseAction{}
		err := s.reader.Get(ctx, types.NamespacedName{Namespace: r.action.Namespace, Name: earlier.Action}, other)
		if apierrors.IsNotFound(err) {
			r.wait(v1alpha1.ReasonPlanning, fmt.Sprintf("%s.action: waits for a ResponseAction %s in namespace %s, and there is none", field, earlier.Action, r.action.Namespace))
			return halt, nil
		}
		if err != nil {
			return halt, fmt.Errorf("%s.action: %w", field, err)
		}
		switch response.After(earlier.Ended, other) {
		case response.CourseWait:
			r.wait(v1alpha1.ReasonPlanning, fmt.Sprintf("%s: waits for %s to end (%s)", field, other.Name, response.Standing(other)))
			return halt, nil
		case response.CourseGiveUp:
			r.stall(v1alpha1.ReasonConditionNotMet, fmt.Sprintf("not done: %s ended %s, and %s waits for %s", other.Name, response.End(other), field, wanted(earlier)))
			return halt, nil
		}
	}
	return proceed, nil
}

func wanted(earlier v1alpha1.Earlier) string {
	if len(earlier.Ended) == 0 {
		return "Succeeded or Skipped"
	}
	var names []string
	for _, end := range earlier.Ended {
		names = append(names, string(end))
	}
	return strings.Join(names, " or ")
}
