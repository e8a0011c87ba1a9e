package responseaction

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// maxNote is what the API server accepts of an event's note, in bytes.
const maxNote = 1024

const (
	eventPlanChanged = "PlanChanged"
	eventApproved    = "Approved"
	eventReminder    = "Reminder"
	eventAction      = "Respond"
)

// quiet are the standings that nobody needs to be told of.
var quiet = map[string]bool{
	"": true, v1alpha1.ReasonPlanning: true, v1alpha1.ReasonAuthorized: true, v1alpha1.ReasonExecuting: true, v1alpha1.ReasonUnavailable: true,
}

// good are the standings that are no reason to look.
var good = map[string]bool{
	v1alpha1.ReasonWaitingForApproval: true, v1alpha1.ReasonSucceeded: true, v1alpha1.ReasonSkipped: true, v1alpha1.ReasonUndone: true,
	v1alpha1.ReasonConditionNotMet: true,
}

// loud are what the case is told of, too, before an action has ended.
var loud = map[string]bool{
	v1alpha1.ReasonWaitingForApproval: true, v1alpha1.ReasonEscalated: true, v1alpha1.ReasonBreakGlass: true, eventReminder: true,
	v1alpha1.ReasonNotCaptured: true,
}

// tell emits at most one event for what a write changed.
func tell(recorder events.EventRecorder, r *run) {
	kind, reason, note := story(r)
	if reason == "" {
		return
	}
	note = shorten.Bytes(note, maxNote)
	var related *v1alpha1.Investigation
	if r.investigation != nil && (response.Settled(r.action) || loud[reason]) {
		related = r.investigation
	}
	if related == nil {
		recorder.Eventf(r.action, nil, kind, reason, eventAction, "%s", note)
		return
	}
	recorder.Eventf(r.action, related, kind, reason, eventAction, "%s", note)
	recorder.Eventf(related, r.action, kind, reason, eventAction, "%s", shorten.Bytes(r.action.Name+": "+note, maxNote))
}

func story(r *run) (kind, reason, note string) {
	before, after := r.stored, r.action
	was, is := response.Standing(before), response.Standing(after)
	ready := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case glassBroken(before, after):
		return corev1.EventTypeWarning, v1alpha1.ReasonBreakGlass, fmt.Sprintf("run by %s, passing over %d of tier %s: %s",
			r.emergency, after.Status.Decision.Approvals, after.Status.Decision.Tier, after.Status.Plan.Summary)
	case givenUp(before, after):
		return corev1.EventTypeWarning, v1alpha1.ReasonNotCaptured, "goes on without evidence of all that it destroys: " +
			meta.FindStatusCondition(after.Status.Conditions, v1alpha1.ConditionEvidenceCaptured).Message
	case was == v1alpha1.ReasonWaitingForApproval && is == v1alpha1.ReasonExecuting:
		return corev1.EventTypeNormal, eventApproved, authority(&after.Status) + ": " + after.Status.Plan.Summary
	case replanned(before, after):
		return corev1.EventTypeWarning, eventPlanChanged, fmt.Sprintf("the target has changed, so the plan was made again and approvals of the old one do not count: %s", ready.Message)
	case escalated(before, after):
		return corev1.EventTypeWarning, v1alpha1.ReasonEscalated, fmt.Sprintf("for tier %s: %s", after.Status.Waiting.EscalatedTo, ready.Message)
	case reminded(before, after):
		return corev1.EventTypeWarning, eventReminder, fmt.Sprintf("since %s: %s", after.Status.Waiting.Since.UTC().Format(time.RFC3339), ready.Message)
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

// glassBroken: it becomes authorized by one person alone.
func glassBroken(before, after *v1alpha1.ResponseAction) bool {
	broken := func(a *v1alpha1.ResponseAction) bool {
		c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionAuthorized)
		return c != nil && c.Reason == v1alpha1.ReasonBreakGlass
	}
	return broken(after) && !broken(before)
}

// givenUp: what it destroys was not captured.
func givenUp(before, after *v1alpha1.ResponseAction) bool {
	missed := func(a *v1alpha1.ResponseAction) bool {
		c := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionEvidenceCaptured)
		return c != nil && c.Reason == v1alpha1.ReasonNotCaptured
	}
	return missed(after) && !missed(before)
}

func escalated(before, after *v1alpha1.ResponseAction) bool {
	is, was := ptr.Deref(after.Status.Waiting, v1alpha1.Waiting{}), ptr.Deref(before.Status.Waiting, v1alpha1.Waiting{})
	return is.EscalatedTo != was.EscalatedTo
}

func reminded(before, after *v1alpha1.ResponseAction) bool {
	is, was := ptr.Deref(after.Status.Waiting, v1alpha1.Waiting{}), ptr.Deref(before.Status.Waiting, v1alpha1.Waiting{})
	return is.Reminders > was.Reminders
}
