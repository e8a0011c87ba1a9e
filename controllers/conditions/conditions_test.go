package conditions

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func condition(kind string, status metav1.ConditionStatus, generation int64, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, ObservedGeneration: generation, Reason: reason, Message: message}
}

func TestPairs(t *testing.T) {
	tests := map[string]struct {
		set  func(*[]metav1.Condition, int64, string, string)
		want []metav1.Condition
	}{
		"ready": {Ready, []metav1.Condition{
			condition("Ready", metav1.ConditionTrue, 3, "Because", "text"),
			condition("Stalled", metav1.ConditionFalse, 3, "Because", ""),
		}},
		"not ready": {NotReady, []metav1.Condition{
			condition("Ready", metav1.ConditionFalse, 3, "Because", "text"),
			condition("Stalled", metav1.ConditionFalse, 3, "Because", ""),
		}},
		"stalled": {Stalled, []metav1.Condition{
			condition("Ready", metav1.ConditionFalse, 3, "Because", "text"),
			condition("Stalled", metav1.ConditionTrue, 3, "Because", "text"),
		}},
	}
	ignoreTime := cmpopts.IgnoreFields(metav1.Condition{}, "LastTransitionTime")
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var fresh []metav1.Condition
			tt.set(&fresh, 3, "Because", "text")
			if diff := cmp.Diff(tt.want, fresh, ignoreTime); diff != "" {
				t.Errorf("set on nothing (-want +got):\n%s", diff)
			}

			changed := []metav1.Condition{
				condition("Closed", metav1.ConditionFalse, 1, "Open", ""),
				condition("Stalled", metav1.ConditionUnknown, 1, "Old", "old"),
				condition("Ready", metav1.ConditionUnknown, 1, "Old", "old"),
			}
			tt.set(&changed, 3, "Because", "text")
			want := []metav1.Condition{condition("Closed", metav1.ConditionFalse, 1, "Open", ""), tt.want[1], tt.want[0]}
			if diff := cmp.Diff(want, changed, ignoreTime); diff != "" {
				t.Errorf("set over old ones (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSettingTheSameChangesNothing(t *testing.T) {
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	var conditions []metav1.Condition
	Stalled(&conditions, 1, "InvalidSpec", "spec.match: must be a condition")
	for i := range conditions {
		conditions[i].LastTransitionTime = metav1.NewTime(long)
	}
	before := append([]metav1.Condition(nil), conditions...)
	Stalled(&conditions, 1, "InvalidSpec", "spec.match: must be a condition")
	if diff := cmp.Diff(before, conditions); diff != "" {
		t.Errorf("the same again changed (-before +after):\n%s", diff)
	}
	Ready(&conditions, 2, "Accepted", "")
	for _, c := range conditions {
		if !c.LastTransitionTime.After(long) {
			t.Errorf("%s changed its status but not its lastTransitionTime", c.Type)
		}
	}
}

func TestLongMessagesAreCutBetweenCharacters(t *testing.T) {
	for _, message := range []string{strings.Repeat("a", maxMessage+1), "a" + strings.Repeat("é", maxMessage)} {
		var conditions []metav1.Condition
		NotReady(&conditions, 1, "Unavailable", message)
		got := conditions[0].Message
		if utf8.RuneCountInString(got) != maxMessage || !utf8.ValidString(got) || !strings.HasSuffix(got, "…") {
			t.Errorf("message of %d bytes became %d characters, valid %v", len(message), utf8.RuneCountInString(got), utf8.ValidString(got))
		}
	}
	var conditions []metav1.Condition
	Ready(&conditions, 1, "Accepted", strings.Repeat("a", maxMessage))
	if got := len(conditions[0].Message); got != maxMessage {
		t.Errorf("a message that just fits was cut to %d", got)
	}
}
