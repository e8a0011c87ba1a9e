package v1alpha1

// Condition types. Ready and Stalled follow kstatus: Ready=True is done, and
// Ready=False with Stalled=True will not get further without a change by a human.
const (
	ConditionReady   = "Ready"
	ConditionStalled = "Stalled"

	// ConditionConcluded is True on an Investigation whose verdict rests on all its alerts.
	ConditionConcluded = "Concluded"
	// ConditionEscalated is True on an Investigation that waits for a human, and on a
	// ResponseAction that nobody approved in time, so that the next tier was told.
	ConditionEscalated = "Escalated"
	// ConditionClosed is True on an Investigation that takes no further alerts.
	ConditionClosed = "Closed"

	// ConditionPlanned is True on a ResponseAction whose plan is made.
	ConditionPlanned = "Planned"
	// ConditionAuthorized is True on a ResponseAction that may be executed as planned.
	ConditionAuthorized = "Authorized"
	// ConditionEvidenceCaptured is True on a ResponseAction for which all evidence was captured that it destroys;
	// absent where it destroys none.
	ConditionEvidenceCaptured = "EvidenceCaptured"
	// ConditionExecuted is True on a ResponseAction whose effect was observed.
	ConditionExecuted = "Executed"
	// ConditionUndone is True on a ResponseAction whose effect was taken back.
	ConditionUndone = "Undone"

	// ConditionCircuitClosed is False on a Connector that is not called for a while, since its tool failed too often in a row.
	ConditionCircuitClosed = "CircuitClosed"

	// ConditionCounted is True on an Approval that counts towards its action.
	ConditionCounted = "Counted"
)

// Reasons of configuration kinds (AlertSource, DetectionRule, Playbook, Analyst, ApprovalPolicy, Connector).
const (
	// ReasonAccepted: compiled, checked and in force.
	ReasonAccepted = "Accepted"
	// ReasonInvalidSpec: a field is wrong; the message names it and what was expected.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonCompileFailed: a CEL expression or Rego module does not compile.
	ReasonCompileFailed = "CompileFailed"
	// ReasonTestsFailed: the object's own tests do not pass.
	ReasonTestsFailed = "TestsFailed"
	// ReasonUnknownOperation: a connector or operation that is named does not exist.
	ReasonUnknownOperation = "UnknownOperation"
	// ReasonSecretMissing: the Secret or key that is pointed to cannot be read.
	ReasonSecretMissing = "SecretMissing"
	// ReasonUnavailable: the tool behind a Connector does not answer or refuses.
	ReasonUnavailable = "Unavailable"
	// ReasonForbidden: a permission is missing; the message says which.
	ReasonForbidden = "Forbidden"
	// ReasonAnswering: the tool behind a Connector is called.
	ReasonAnswering = "Answering"
	// ReasonTooManyFailures: it is not called for a while.
	ReasonTooManyFailures = "TooManyFailures"
	// ReasonUnsupported: this build cannot do what the spec asks.
	ReasonUnsupported = "Unsupported"
)

// Reasons of Alerts and Investigations.
const (
	// ReasonConcluded: there is a verdict.
	ReasonConcluded = "Concluded"
	// ReasonEscalated: the verdict is a human's to give or confirm.
	ReasonEscalated = "Escalated"
	// ReasonNotEscalated: no human is needed.
	ReasonNotEscalated = "NotEscalated"
	// ReasonClosedByAnalyst: closed by itself on trusted exculpatory evidence.
	ReasonClosedByAnalyst = "ClosedByAnalyst"
	// ReasonClosedByHuman: closed by spec.state.
	ReasonClosedByHuman = "ClosedByHuman"
	// ReasonMerged: its alerts belong to an older case, which status.mergedInto names.
	ReasonMerged = "Merged"
	// ReasonOpen: still open.
	ReasonOpen = "Open"
)

// Reasons of ResponseActions, in the order in which an action passes them.
const (
	// ReasonPlanning: no plan yet, such as while an action of a lower order is not done.
	ReasonPlanning = "Planning"
	// ReasonPlanned: the plan is in the status.
	ReasonPlanned = "Planned"
	// ReasonPlanFailed: the connector could make no plan; the message says why.
	ReasonPlanFailed = "PlanFailed"
	// ReasonWaitingForApproval: the policies demand more approvals than there are.
	ReasonWaitingForApproval = "WaitingForApproval"
	// ReasonAuthorized: it may run, and does as soon as its target is free.
	ReasonAuthorized = "Authorized"
	// ReasonBreakGlass: it may run because somebody of tier break-glass said so alone.
	ReasonBreakGlass = "BreakGlass"
	// ReasonConditionNotMet: an action that spec.after names ended otherwise; the message says how.
	ReasonConditionNotMet = "ConditionNotMet"
	// ReasonDenied: a policy or a human refused it.
	ReasonDenied = "Denied"
	// ReasonGuardRail: the target is never touched, too much of a workload would be taken away at once, or the
	// namespace has used up its actions of this hour.
	ReasonGuardRail = "GuardRail"
	// ReasonBlocked: something is in the way for now, such as a disruption budget; the message says what.
	ReasonBlocked = "Blocked"
	// ReasonStopped: a stop switch is set; the message names the Namespace.
	ReasonStopped = "Stopped"
	// ReasonExpired: not started in time.
	ReasonExpired = "Expired"
	// ReasonAuditUnavailable: the audit log takes no entries, so nothing is done.
	ReasonAuditUnavailable = "AuditUnavailable"
	// ReasonExecuting: the intent is logged, and the outcome not known yet.
	ReasonExecuting = "Executing"
	// ReasonSucceeded: the effect was observed.
	ReasonSucceeded = string(OutcomeSucceeded)
	// ReasonSkipped: there was nothing to do.
	ReasonSkipped = string(OutcomeSkipped)
	// ReasonFailed: it was not done.
	ReasonFailed = string(OutcomeFailed)
	// ReasonUnknown: it may have been done; a human must look.
	ReasonUnknown = string(OutcomeUnknown)
	// ReasonUndone: another ResponseAction took it back.
	ReasonUndone = "Undone"
)

// Reasons of the condition EvidenceCaptured.
const (
	// ReasonCapturing: captures are on their way, and are waited for.
	ReasonCapturing = "Capturing"
	// ReasonCaptured: the evidence is kept.
	ReasonCaptured = "Captured"
	// ReasonNotCaptured: the action goes on without; the message says why.
	ReasonNotCaptured = "NotCaptured"
	// ReasonSkippedByPolicy: a policy says that none is captured.
	ReasonSkippedByPolicy = "SkippedByPolicy"
)

// Reasons of Approvals: Counted, or why one does not count. Expired and InvalidSpec are among them.
const (
	// ReasonCounted: it counts.
	ReasonCounted = "Counted"
	// ReasonActionNotFound: there is no ResponseAction of that name.
	ReasonActionNotFound = "ActionNotFound"
	// ReasonStalePlan: it is for another plan than the one that waits.
	ReasonStalePlan = "StalePlan"
	// ReasonSelfApproval: the approver asked for the action.
	ReasonSelfApproval = "SelfApproval"
	// ReasonDuplicate: the approver counts already.
	ReasonDuplicate = "Duplicate"
	// ReasonTierTooLow: a higher tier is needed.
	ReasonTierTooLow = "TierTooLow"
	// ReasonBreakGlassForbidden: the policies do not allow tier break-glass here.
	ReasonBreakGlassForbidden = "BreakGlassForbidden"
	// ReasonClockSkew: it was created later than now by the operator's clock.
	ReasonClockSkew = "ClockSkew"
	// ReasonAdmissionUnproven: nothing proves who its approver is.
	ReasonAdmissionUnproven = "AdmissionUnproven"
	// ReasonNotAwaited: the action waits for no approval, or not any more.
	ReasonNotAwaited = "NotAwaited"
)

const (
	// LabelInvestigation names the Investigation of an Alert or a ResponseAction.
	LabelInvestigation = Group + "/investigation"
	// LabelEvidenceOf on a ResponseAction that captures evidence before another one destroys it is the UID
	// of the object that it is about.
	LabelEvidenceOf = Group + "/evidence-of"
	// AnnotationJoins on an Alert names further Investigations that it belongs to, separated by
	// commas: all but the oldest merge into that one.
	AnnotationJoins = Group + "/joins"
	// LabelQuarantine marks a pod that a ResponseAction isolated; its value is the name of the NetworkPolicy.
	LabelQuarantine = Group + "/quarantine"
	// LabelCriticality on a Namespace says how much its workloads matter: low, medium, high or critical.
	LabelCriticality = Group + "/criticality"
	// AnnotationStop on a Namespace stops all actions on what it holds; on the
	// operator's own Namespace it stops all actions. Any value but "false" counts.
	AnnotationStop = Group + "/stop"
)
