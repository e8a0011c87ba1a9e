package investigation

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/conditions"
	"github.com/tocsin-dev/tocsin/controllers/urgency"
)

// Limits of the schema.
const (
	maxAlerts  = 256
	maxActions = 128
)

// caseFile is a case with everything that belongs to it, in memory.
type caseFile struct {
	investigation *v1alpha1.Investigation
	alerts        []v1alpha1.Alert // oldest first
	actions       []v1alpha1.ResponseAction
	merged        []string // cases whose alerts and actions are among these
}

// names of all alerts.
func (f *caseFile) names() []string {
	names := make([]string, 0, len(f.alerts))
	for _, a := range f.alerts {
		names = append(names, a.Name)
	}
	return names
}

// listed are the names that the status has room for.
func (f *caseFile) listed() []string { return f.names()[:min(len(f.alerts), maxAlerts)] }

// subject identifies what an inquiry is about: these alerts, and what humans said.
func (f *caseFile) subject() string {
	sum := sha256.Sum256(fmt.Append(nil, f.names(), f.investigation.Generation))
	return hex.EncodeToString(sum[:])
}

// level is how urgent the case is: by its priority, and by the alerts that it does not speak of yet.
func (f *caseFile) level() urgency.Level {
	status := &f.investigation.Status
	level, judged := urgency.OfPriority(status.Priority), map[string]bool{}
	for _, name := range status.Alerts {
		judged[name] = true
	}
	for i := range f.alerts {
		if a := &f.alerts[i]; !judged[a.Name] {
			level = max(level, urgency.OfAlert(a))
		}
	}
	return level
}

func (f *caseFile) closed() bool {
	return meta.IsStatusConditionTrue(f.investigation.Status.Conditions, v1alpha1.ConditionClosed)
}

// closedBy is the reason of the Closed condition.
func closedBy(investigation *v1alpha1.Investigation) string {
	if c := meta.FindStatusCondition(investigation.Status.Conditions, v1alpha1.ConditionClosed); c != nil {
		return c.Reason
	}
	return ""
}

// spokenOf: a human graded or closed the case, and spoke of the alerts that were
// there, not of those to come.
func (f *caseFile) spokenOf() bool {
	spec := &f.investigation.Spec
	return spec.Grade != nil || spec.State == v1alpha1.StateClosed
}

// current says whether the conclusion stands on all alerts and on what humans said,
// and every action that it led to was created.
func (f *caseFile) current() bool {
	status := &f.investigation.Status
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionConcluded) || !f.complete() {
		return false
	}
	return !slices.ContainsFunc(status.Actions, func(a v1alpha1.ActionSummary) bool { return a.Reason == "" && !f.has(a.Name) })
}

// complete says whether the status speaks of all alerts and of what humans said.
func (f *caseFile) complete() bool {
	status := &f.investigation.Status
	return status.ObservedGeneration == f.investigation.Generation && int(status.AlertCount) == len(f.alerts) && slices.Equal(status.Alerts, f.listed())
}

func (f *caseFile) has(action string) bool {
	return slices.ContainsFunc(f.actions, func(a v1alpha1.ResponseAction) bool { return a.Name == action })
}

// conclude puts what an inquiry found into the status. A human's grade is the verdict.
// What was found about fewer alerts says so by their count.
func (f *caseFile) conclude(found outcome, now time.Time) {
	before := f.investigation.Status
	status := found.status
	status.Conditions, status.Actions = before.Conditions, before.Actions
	if found.subject == f.subject() {
		status.ObservedGeneration = f.investigation.Generation
		status.Alerts, status.AlertCount = f.listed(), int32(len(f.alerts))
	}
	status.OpenedAt, status.ConcludedAt, status.ClosedAt = before.OpenedAt, before.ConcludedAt, before.ClosedAt
	if status.OpenedAt == nil {
		status.OpenedAt = &metav1.MicroTime{Time: f.investigation.CreationTimestamp.Time}
	}
	if status.ConcludedAt == nil {
		status.ConcludedAt = &metav1.MicroTime{Time: now}
	}
	f.investigation.Status = status
	f.set(v1alpha1.ConditionConcluded, true, v1alpha1.ReasonConcluded, string(status.Verdict))
	if found.escalateReason == "" {
		f.set(v1alpha1.ConditionEscalated, false, v1alpha1.ReasonNotEscalated, "closed by itself on trusted evidence")
	} else {
		f.set(v1alpha1.ConditionEscalated, true, v1alpha1.ReasonEscalated, found.escalateReason)
	}
}

// summarise lists the actions that exist and those that are about to be created.
func (f *caseFile) summarise(proposals []*v1alpha1.ResponseAction) {
	summaries := map[string]v1alpha1.ActionSummary{}
	for _, s := range f.investigation.Status.Actions {
		summaries[s.Name] = s
	}
	for _, p := range proposals {
		if _, known := summaries[p.Name]; !known {
			summaries[p.Name] = v1alpha1.ActionSummary{Name: p.Name, Operation: operationOf(p)}
		}
	}
	pending := int32(0)
	for i := range f.actions {
		a := &f.actions[i]
		// Until it says where it stands, nothing is worth a write of the case.
		summary := v1alpha1.ActionSummary{Name: a.Name, Operation: operationOf(a)}
		if ready := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			summary.Reason = ready.Reason
		}
		if summary.Reason == v1alpha1.ReasonWaitingForApproval {
			pending++
		}
		summaries[a.Name] = summary
	}
	f.investigation.Status.MergedFrom = f.merged[:min(len(f.merged), maxMerged)] // several may merge at once
	f.investigation.Status.PendingApprovals = pending
	f.investigation.Status.Actions = sortedSummaries(summaries)
}

func sortedSummaries(byName map[string]v1alpha1.ActionSummary) []v1alpha1.ActionSummary {
	var list []v1alpha1.ActionSummary
	for _, s := range byName {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b v1alpha1.ActionSummary) int { return strings.Compare(a.Name, b.Name) })
	return list[:min(len(list), maxActions)]
}

func operationOf(a *v1alpha1.ResponseAction) string {
	if a.Spec.Use == nil {
		return "undo"
	}
	return a.Spec.Use.Operation
}

// judge decides whether the case is closed, and by whom.
func (f *caseFile) judge(now time.Time) {
	status := &f.investigation.Status
	if status.Verdict == "" {
		return
	}
	if grade := f.investigation.Spec.Grade; grade != nil {
		status.Verdict = grade.Verdict
	}
	escalated := meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionEscalated)
	switch {
	case f.closed() && (!escalated || closedBy(f.investigation) != v1alpha1.ReasonClosedByAnalyst):
		// What is closed stays closed, unless an alert that joined at the last
		// moment shows that the analyst was wrong.
	case f.investigation.Spec.State == v1alpha1.StateClosed:
		f.close(now, v1alpha1.ReasonClosedByHuman, "closed by spec.state")
	case !escalated && f.investigation.Spec.Grade == nil && f.complete():
		f.close(now, v1alpha1.ReasonClosedByAnalyst, "closed by itself on trusted evidence")
	default:
		f.set(v1alpha1.ConditionClosed, false, v1alpha1.ReasonOpen, "waits for a human: kubectl soc case "+f.investigation.Name)
	}
	conditions.Ready(&status.Conditions, f.investigation.Generation, v1alpha1.ReasonConcluded, string(status.Verdict)+": "+status.Title)
}

func (f *caseFile) close(now time.Time, reason, message string) {
	f.investigation.Status.ClosedAt = &metav1.MicroTime{Time: now}
	f.set(v1alpha1.ConditionClosed, true, reason, message)
	if reason == v1alpha1.ReasonClosedByHuman {
		f.set(v1alpha1.ConditionEscalated, false, v1alpha1.ReasonNotEscalated, message)
	}
}

func (f *caseFile) set(kind string, holds bool, reason, message string) {
	conditions.Set(&f.investigation.Status.Conditions, kind, holds, f.investigation.Generation, reason, message)
}
