package response

import (
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// ended is what spec.after waits for where it does not say.
var ended = []v1alpha1.ActionEnd{v1alpha1.ActionEnd(v1alpha1.OutcomeSucceeded), v1alpha1.ActionEnd(v1alpha1.OutcomeSkipped)}

// Course is what becomes of an action that depends on how another one ends.
type Course int

const (
	// CourseWait: the other one has not ended.
	CourseWait Course = iota
	// CourseGo: it ended as was waited for.
	CourseGo
	// CourseGiveUp: it ended otherwise.
	CourseGiveUp
)

// After decides by how the other action stands. One that gets no further by itself counts as refused for
// whoever waits for that, but may still come to another end.
func After(wanted []v1alpha1.ActionEnd, other *v1alpha1.ResponseAction) Course {
	if len(wanted) == 0 {
		wanted = ended
	}
	switch {
	case (Settled(other) || Stalled(other)) && slices.Contains(wanted, End(other)):
		return CourseGo
	case Settled(other):
		return CourseGiveUp
	}
	return CourseWait
}

// End is how an action ended that has ended.
func End(action *v1alpha1.ResponseAction) v1alpha1.ActionEnd {
	if result := action.Status.Result; result != nil {
		return v1alpha1.ActionEnd(result.Outcome)
	}
	return v1alpha1.EndRefused
}
