package v1alpha1

// Condition types. Ready and Stalled follow kstatus: Ready=True is done, and
// Ready=False with Stalled=True will not get further without a change by a human.
const (
	ConditionReady   = "Ready"
	ConditionStalled = "Stalled"

	// ConditionConcluded is True on an Investigation whose verdict rests on all its alerts.
	ConditionConcluded = "Concluded"
	// ConditionEscalated is True on an Investigation that waits for a human.
	ConditionEscalated = "Escalated"
	// ConditionClosed is True on an Investigation that takes no further alerts.
	ConditionClosed = "Closed"

	// ConditionPlanned is True on a ResponseAction whose plan is made.
	ConditionPlanned = "Planned"
	// ConditionAuthorized is True on a ResponseAction that may be executed as planned.
	ConditionAuthorized = "Authorized"
	// ConditionExecuted is True on a ResponseAction whose effect was observed.
	ConditionExecuted = "Executed"
	// ConditionUndone is True on a ResponseAction whose effect was taken back.
	ConditionUndone = "Undone"

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
	// ReasonUnsupported: this build cannot do what the spec asks.
	ReasonUnsupported = "Unsupported"
	// ReasonDisabled: switched off by its spec.
	ReasonDisabled = "Disabled"
)

// Reasons of Alerts and Investigations.
const (
	// ReasonInvestigating: questions are being asked.
	ReasonInvestigating = "Investigating"
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
	// ReasonOpen: still open.
	ReasonOpen = "Open"
)

// Reasons of ResponseActions, in the order in which an action passes them.
const (
	ReasonPlanning           = "Planning"
	ReasonPlanned            = "Planned"
	ReasonPlanFailed         = "PlanFailed"
	ReasonWaitingForApproval = "WaitingForApproval"
	ReasonAuthorized         = "Authorized"
	ReasonDenied             = "Denied"
	ReasonGuardRail          = "GuardRail"
	ReasonStopped            = "Stopped"
	ReasonExpired            = "Expired"
	ReasonAuditUnavailable   = "AuditUnavailable"
	ReasonExecuting          = "Executing"
	ReasonSucceeded          = "Succeeded"
	ReasonSkipped            = "Skipped"
	ReasonFailed             = "Failed"
	ReasonUnknown            = "Unknown"
	ReasonUndone             = "Undone"
)

// Reasons why an Approval does not count.
const (
	ReasonCounted           = "Counted"
	ReasonActionNotFound    = "ActionNotFound"
	ReasonStalePlan         = "StalePlan"
	ReasonSelfApproval      = "SelfApproval"
	ReasonDuplicate         = "Duplicate"
	ReasonTierTooLow        = "TierTooLow"
	ReasonClockSkew         = "ClockSkew"
	ReasonAdmissionUnproven = "AdmissionUnproven"
	ReasonNotAwaited        = "NotAwaited"
)

const (
	// LabelInvestigation names the Investigation of an Alert or a ResponseAction.
	LabelInvestigation = Group + "/investigation"
	// LabelQuarantine marks a pod that a ResponseAction isolated; its value is the name of the NetworkPolicy.
	LabelQuarantine = Group + "/quarantine"
	// LabelCriticality on a Namespace says how much its workloads matter: low, medium, high or critical.
	LabelCriticality = Group + "/criticality"
	// AnnotationStop on a Namespace stops all actions on what it holds; on the
	// operator's own Namespace it stops all actions. Any value but "false" counts.
	AnnotationStop = Group + "/stop"
	// FieldOwner is the server-side apply field manager of the operator.
	FieldOwner = "tocsin"
)
