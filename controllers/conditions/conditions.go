// Package conditions sets the Ready and Stalled conditions of an object as a
// pair, in the sense of kstatus, so that kubectl wait and GitOps tools agree on
// where the object stands. A lastTransitionTime changes only with its status.
package conditions

import (
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// maxMessage is the length that the API server accepts, in bytes.
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

func set(conditions *[]metav1.Condition, kind string, status metav1.ConditionStatus, generation int64, reason, message string) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type:               kind,
		Status:             status,
		ObservedGeneration: generation,
		Reason:             reason,
		Message:            cut(message),
	})
}

// cut shortens a message to what the API server accepts, between two characters.
func cut(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	end := maxMessage - len("...")
	for end > 0 && !utf8.RuneStart(message[end]) {
		end--
	}
	return message[:end] + "..."
}
