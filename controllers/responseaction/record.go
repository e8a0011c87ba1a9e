package responseaction

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/redact"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

const (
	// actor of what this controller does.
	actor = "tocsin/responseaction"
	// maxLogged bounds each part of an entry, in bytes: the log holds digests of what is larger.
	maxLogged = 8192
)

// entryFor returns the entry that must be in the log before the status of the run
// is written. A decision that lets an action run at once is part of its intent.
func entryFor(r *run) (audit.Entry, bool) {
	before, after := r.stored.Status, r.status()
	switch {
	case after.Result != nil && after.Result.LogIndex == nil:
		return resultEntry(r), true
	case after.Result != nil:
		return audit.Entry{}, false
	case response.Settled(r.action):
		return decisionEntry(r), !response.Settled(r.stored)
	case after.Execution != nil || after.Plan == nil || after.Decision == nil:
		return audit.Entry{}, false
	}
	changed := escalated(r.stored, r.action) || before.Plan == nil || before.Plan.Digest != after.Plan.Digest || !equality.Semantic.DeepEqual(before.Decision, after.Decision)
	return decisionEntry(r), changed
}

// decisionEntry says what was planned and what was decided on it.
func decisionEntry(r *run) audit.Entry {
	e := newEntry(r, audit.TypeDecision)
	if ready := meta.FindStatusCondition(r.status().Conditions, v1alpha1.ConditionReady); ready != nil {
		e.Summary = shorten.Characters(ready.Reason+": "+ready.Message, maxMessage)
	}
	logInput(&e, r.input)
	return e
}

// intentEntry says what is about to be done, and with whose authority.
func intentEntry(r *run) audit.Entry {
	e := newEntry(r, audit.TypeIntent)
	e.Summary = r.status().Plan.Summary
	e.Data["authority"] = shorten.Characters(authority(r.status()), maxMessage)
	e.Data["key"] = r.job.request.Key
	logInput(&e, r.input)
	if captured := meta.FindStatusCondition(r.status().Conditions, v1alpha1.ConditionEvidenceCaptured); captured != nil {
		e.Data["evidenceBefore"] = captured.Reason + ": " + captured.Message
	}
	if r.emergency != "" {
		e.Data["breakGlass"] = r.emergency
	}
	return e
}

// logInput keeps the document that the policies decided on, so that others can be asked
// later what they would have said. It says where a secret was taken out of it.
func logInput(e *audit.Entry, in *policy.Input) {
	if in == nil {
		return
	}
	document, err := in.Document()
	if err != nil {
		return // what is no JSON no policy was asked about
	}
	shown := redact.JSON(document)
	e.Data["input"] = bounded(shown)
	if !equality.Semantic.DeepEqual(shown, any(document)) {
		e.Data["inputRedacted"] = true
	}
}

// resultEntry says how it ended; an action that took another back is an undo.
func resultEntry(r *run) audit.Entry {
	e := newEntry(r, audit.TypeResult)
	if r.action.Spec.Undo != "" && done(r.action) {
		e.Type = audit.TypeUndo
	}
	result := r.status().Result
	e.Summary = string(result.Outcome) + ": " + result.Message
	e.Data["outcome"] = string(result.Outcome)
	if r.evidence != "" {
		e.Data["evidence"] = r.evidence
	}
	if r.status().Execution != nil {
		e.Data["intent"] = r.status().Execution.IntentIndex
		e.Data["key"] = r.status().Execution.Key
	}
	return e
}

func newEntry(r *run, kind audit.Type) audit.Entry {
	spec, status := r.action.Spec, r.status()
	e := audit.Entry{
		Time: r.now, Type: kind, Namespace: r.action.Namespace, Case: spec.Investigation, Action: r.action.Name, Actor: actor,
		Data: map[string]any{"uid": string(r.action.UID), "requestedBy": spec.RequestedBy, "reason": redact.String(spec.Reason)},
	}
	if spec.Undo != "" {
		e.Data["undo"] = spec.Undo
	}
	if r.job.request.Operation != "" {
		e.Data["connector"], e.Data["operation"] = r.job.connector, r.job.request.Operation
		e.Data["arguments"] = bounded(redact.JSON(map[string]any(r.job.request.Arguments)))
	}
	if status.Plan != nil {
		e.Digest = status.Plan.Digest
		e.Data["target"], e.Data["plannedAt"] = status.Plan.Target, status.Plan.PlannedAt.Time.UTC().Format(time.RFC3339Nano)
		e.Data["summary"], e.Data["diff"] = status.Plan.Summary, bounded(status.Plan.Diff)
	}
	if status.Decision != nil {
		e.Data["decision"] = bounded(status.Decision)
	}
	if status.Waiting != nil && status.Waiting.EscalatedTo != "" {
		e.Data["escalatedTo"] = string(status.Waiting.EscalatedTo)
	}
	if len(status.Approvals) > 0 {
		e.Data["approvals"] = status.Approvals
	}
	return e
}

// bounded is a value as it is logged: itself, or its digest if it is too large.
func bounded(value any) any {
	raw, err := json.Marshal(value)
	if err != nil || len(raw) <= maxLogged {
		return value
	}
	sum := sha256.Sum256(raw)
	return "sha256:" + hex.EncodeToString(sum[:])
}
