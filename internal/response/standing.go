package response

import (
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Standing is the reason of an action's Ready condition, which tells where it stands.
func Standing(action *v1alpha1.ResponseAction) string {
	if c := meta.FindStatusCondition(action.Status.Conditions, v1alpha1.ConditionReady); c != nil {
		return c.Reason
	}
	return ""
}

// Stalled says that an action gets no further until somebody changes something.
func Stalled(action *v1alpha1.ResponseAction) bool {
	return meta.IsStatusConditionTrue(action.Status.Conditions, v1alpha1.ConditionStalled)
}

// Settled says that nothing will be executed for an action any more.
func Settled(action *v1alpha1.ResponseAction) bool {
	if action.Status.Result != nil {
		return true
	}
	switch Standing(action) {
	case v1alpha1.ReasonDenied, v1alpha1.ReasonExpired, v1alpha1.ReasonGuardRail, v1alpha1.ReasonConditionNotMet:
		return Stalled(action)
	}
	return false
}

// MayHaveDone says that an action changed something, or part of it, or that nobody knows. Its
// inverse takes back what it finds, and nothing that somebody else made of it since.
func MayHaveDone(action *v1alpha1.ResponseAction) bool {
	result := action.Status.Result
	return result != nil && (result.Outcome == v1alpha1.OutcomeSucceeded || result.Outcome == v1alpha1.OutcomeUnknown)
}
