// Package conditions sets the Ready and Stalled conditions of an object as a
// pair, in the sense of kstatus, so that kubectl wait and GitOps tools agree on
// where the object stands. A lastTransitionTime changes only with its status.
package conditions

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// maxMessage is the length that the API server accepts, in characters.
const maxMessage = 32768

// Ready says that the object is done or in force at this generation.
func Ready(conditions *[]metav1.Condition, generation int64, reason, message string) {
	set(conditions, v1alpha1.ConditionReady, metav1.ConditionTrue, generation, reason, message)
	set(conditions, v1alpha1.ConditionStalled, metav1.ConditionFalse, generation, reason, "")
}

// NotReady says that the object is not there yet, and that it may get there by itself.
func NotReady(conditions *[]metav1.Condition, generation int64, reason, message string) {
	set(conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, generation, reason, message)
	set(conditions, v1alpha1.ConditionStalled, metav1.ConditionFalse, generation, reason, "")
}

// Stalled says that the object gets no further until a human changes something.
func Stalled(conditions *[]metav1.Condition, generation int64, reason, message string) {
	set(conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, generation, reason, message)
	set(conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, generation, reason, message)
}

// Set sets a condition beside Ready and Stalled, one that the kind has of its own.
func Set(conditions *[]metav1.Condition, kind string, holds bool, generation int64, reason, message string) {
	status := metav1.ConditionFalse
	if holds {
		status = metav1.ConditionTrue
	}
	set(conditions, kind, status, generation, reason, message)
}

func set(conditions *[]metav1.Condition, kind string, status metav1.ConditionStatus, generation int64, reason, message string) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type:               kind,
		Status:             status,
		ObservedGeneration: generation,
		Reason:             reason,
		Message:            shorten.Characters(message, maxMessage),
	})
}
