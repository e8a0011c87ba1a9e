package responseaction

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// maxNote is what the API server accepts of an event's note, in bytes.
const maxNote = 1024

const (
	eventPlanChanged = "PlanChanged"
	eventApproved    = "Approved"
	eventAction      = "Respond"
)

// quiet are the standings that nobody needs to be told of.
var quiet = map[string]bool{
	"": true, v1alpha1.ReasonPlanning: true, v1alpha1.ReasonAuthorized: true, v1alpha1.ReasonExecuting: true, v1alpha1.ReasonUnavailable: true,
}

// good are the standings that are no reason to look.
var good = map[string]bool{
	v1alpha1.ReasonWaitingForApproval: true, v1alpha1.ReasonSucceeded: true, v1alpha1.ReasonSkipped: true, v1alpha1.ReasonUndone: true,
}

// tell emits at most one event for what a write changed.
func tell(recorder events.EventRecorder, r *run) {
	kind, reason, note := story(r.stored, r.action)
	if reason == "" {
		return
	}
	note = shorten.Bytes(note, maxNote)
	var related *v1alpha1.Investigation
	if r.investigation != nil && (response.Settled(r.action) || reason == v1alpha1.ReasonWaitingForApproval) {
		related = r.investigation
	}
	if related == nil {
		recorder.Eventf(r.action, nil, kind, reason, eventAction, "%s", note)
		return
	}
	recorder.Eventf(r.action, related, kind, reason, eventAction, "%s", note)
	recorder.Eventf(related, r.action, kind, reason, eventAction, "%s", shorten.Bytes(r.action.Name+": "+note, maxNote))
}

func story(before, after *v1alpha1.ResponseAction) (kind, reason, note string) {
	was, is := response.Standing(before), response.Standing(after)
	ready := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case was == v1alpha1.ReasonWaitingForApproval && is == v1alpha1.ReasonExecuting:
		return corev1.EventTypeNormal, eventApproved, authority(&after.Status) + ": " + after.Status.Plan.Summary
	case replanned(before, after):
		return corev1.EventTypeWarning, eventPlanChanged, fmt.Sprintf("the target has changed, so the plan was made again and approvals of the old one do not count: %s", ready.Message)
	case was == is || quiet[is]:
		return "", "", ""
	case good[is]:
		return corev1.EventTypeNormal, is, ready.Message
	}
	return corev1.EventTypeWarning, is, ready.Message
}

func replanned(before, after *v1alpha1.ResponseAction) bool {
	return before.Status.Plan != nil && after.Status.Plan != nil && !response.Settled(after) && before.Status.Plan.Digest != after.Status.Plan.Digest
}
