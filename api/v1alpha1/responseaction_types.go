package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ResponseActionSpec asks for one operation of one connector on one target. It is immutable.
// +kubebuilder:validation:ExactlyOneOf=use;undo
type ResponseActionSpec struct {
	// use names the operation and its arguments.
	// +optional
	Use *ActionUse `json:"use,omitempty"`

	// undo names the ResponseAction in the same namespace that this one takes back.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Undo string `json:"undo,omitempty"`

	// investigation that the action belongs to.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Investigation string `json:"investigation,omitempty"`

	// reason why the action is asked for.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`

	// requestedBy is the user name of who asks, which admission proves; the
	// operator itself writes playbook:<name>, undo:<name> or evidence:<name>.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	RequestedBy string `json:"requestedBy,omitempty"`

	// order within the investigation: higher ones wait until lower ones are done or refused.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Order int32 `json:"order,omitempty"`

	// after names actions that must have ended, and how, before this one begins. If one ended otherwise, this one is not done.
	// +optional
	// +listType=map
	// +listMapKey=action
	// +kubebuilder:validation:MaxItems=16
	After []Earlier `json:"after,omitempty"`

	// expiresAfter: an action not started this long after its creation is not started any more.
	// +optional
	// +kubebuilder:default="24h"
	ExpiresAfter *metav1.Duration `json:"expiresAfter,omitempty"`

	// undoAfter takes the action back this long after it succeeded.
	// +optional
	UndoAfter *metav1.Duration `json:"undoAfter,omitempty"`
}

// Earlier is an action whose end another one depends on.
type Earlier struct {
	// action names the ResponseAction in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Action string `json:"action,omitempty"`

	// ended lists the ends that are waited for; without it: Succeeded, Skipped.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	Ended []ActionEnd `json:"ended,omitempty"`
}

// ActionEnd is how an action ended: an ActionOutcome, or Refused.
// +kubebuilder:validation:Enum=Succeeded;Skipped;Failed;Unknown;Refused
type ActionEnd string

// EndRefused: it was denied, expired, was stopped by a guard rail, or what it depends on ended otherwise.
const EndRefused ActionEnd = "Refused"

// ActionUse names an operation of a connector and its arguments, resolved.
type ActionUse struct {
	// connector in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Connector string `json:"connector,omitempty"`

	// operation of the connector.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Operation string `json:"operation,omitempty"`

	// with holds the arguments, as the operation's schema demands.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	With *runtime.RawExtension `json:"with,omitempty"`
}

// TargetReference is the one object that an action is about.
type TargetReference struct {
	// apiVersion of the object.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	APIVersion string `json:"apiVersion,omitempty"`

	// kind of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind,omitempty"`

	// namespace of the object; empty for cluster-scoped ones.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the object: another object under the same name is not the target.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
}

// Plan is exactly what will change.
type Plan struct {
	// digest that approvals bind to: hex SHA-256 over the action's UID, connector, operation, arguments, target UID, diff and undo.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`

	// target of the action.
	// +required
	Target TargetReference `json:"target,omitempty,omitzero"`

	// summary of the change in one line.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Summary string `json:"summary,omitempty"`

	// diff is the change as the API server's dry run shows it, in unified form; cut where it is too long to show.
	// +optional
	// +kubebuilder:validation:MaxLength=32768
	Diff string `json:"diff,omitempty"`

	// warnings that an approver should read first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=512
	Warnings []string `json:"warnings,omitempty"`

	// risk of the operation.
	// +required
	Risk Risk `json:"risk,omitempty"`

	// undo says whether the action can be undone.
	// +required
	Undo OperationUndo `json:"undo,omitempty"`

	// reach is how much of what serves the plan takes away; absent where nothing is.
	// +optional
	Reach *PlanReach `json:"reach,omitempty"`

	// evidence says whose evidence is captured before the change destroys it; absent where it destroys none.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Evidence string `json:"evidence,omitempty"`

	// plannedAt is when the plan was made.
	// +required
	PlannedAt metav1.MicroTime `json:"plannedAt,omitempty,omitzero"`
}

// PlanReach is how much of what serves a plan takes away.
type PlanReach struct {
	// pods of workloads that serve and are taken away.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Pods int32 `json:"pods,omitempty"`

	// workloads that lose pods.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Workloads int32 `json:"workloads,omitempty"`

	// percent of its pods that the workload loses which loses the largest share.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent int32 `json:"percent,omitempty"`
}

// DecisionOutcome is what the policies say.
// +kubebuilder:validation:Enum=Allow;Require;Deny
type DecisionOutcome string

const (
	// DecisionAllow: the action runs.
	DecisionAllow DecisionOutcome = "Allow"
	// DecisionRequire: the action waits for approvals.
	DecisionRequire DecisionOutcome = "Require"
	// DecisionDeny: the action does not run.
	DecisionDeny DecisionOutcome = "Deny"
)

// Decision is what the policies say of a plan.
type Decision struct {
	// outcome of all policies together.
	// +required
	Outcome DecisionOutcome `json:"outcome,omitempty"`

	// tier that must approve, with outcome Require.
	// +optional
	Tier Tier `json:"tier,omitempty"`

	// approvals that are needed at that tier.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10
	Approvals int32 `json:"approvals,omitempty"`

	// reasons that the policies give.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=1024
	Reasons []string `json:"reasons,omitempty"`

	// policies that were asked, by name; those of the operator's namespace as namespace/name.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=317
	Policies []string `json:"policies,omitempty"`

	// skipEvidence lists why no evidence is captured before the action destroys it; absent where it is.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=1024
	SkipEvidence []string `json:"skipEvidence,omitempty"`

	// approvalTTL: approvals older than this do not count.
	// +optional
	ApprovalTTL *metav1.Duration `json:"approvalTTL,omitempty"`

	// remindAfter: people are reminded each time the action has waited this long for them.
	// +optional
	RemindAfter *metav1.Duration `json:"remindAfter,omitempty"`

	// escalateAfter: the next tier is told each time the action has waited this long.
	// +optional
	EscalateAfter *metav1.Duration `json:"escalateAfter,omitempty"`

	// breakGlass is Allowed where one approval of tier break-glass is enough.
	// +optional
	BreakGlass BreakGlass `json:"breakGlass,omitempty"`
}

// Waiting is how people were waited for.
type Waiting struct {
	// since when the action first waited for people.
	// +required
	Since metav1.MicroTime `json:"since,omitempty,omitzero"`

	// reminders that were due so far.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Reminders int32 `json:"reminders,omitempty"`

	// escalatedTo is the highest tier that was told because nobody approved in time.
	// +optional
	EscalatedTo Tier `json:"escalatedTo,omitempty"`
}

// CountedApproval is an Approval that counted when the action was authorized or refused.
type CountedApproval struct {
	// name of the Approval.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// approver as admission proved it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Approver string `json:"approver,omitempty"`

	// tier at which it was given.
	// +required
	Tier Tier `json:"tier,omitempty"`

	// decision it states.
	// +required
	Decision ApprovalDecision `json:"decision,omitempty"`
}

// Execution is the intent: written, and in the audit log, before anything is changed.
type Execution struct {
	// key by which a repeated execution is recognised.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Key string `json:"key,omitempty"`

	// intentIndex is the entry of the audit log that holds the intent.
	// +required
	// +kubebuilder:validation:Minimum=0
	IntentIndex int64 `json:"intentIndex"`

	// startedAt is when the intent was written.
	// +required
	StartedAt metav1.MicroTime `json:"startedAt,omitempty,omitzero"`
}

// ActionOutcome is how an execution ended.
// +kubebuilder:validation:Enum=Succeeded;Skipped;Failed;Unknown
type ActionOutcome string

const (
	// OutcomeSucceeded: the effect was observed.
	OutcomeSucceeded ActionOutcome = "Succeeded"
	// OutcomeSkipped: there was nothing to do.
	OutcomeSkipped ActionOutcome = "Skipped"
	// OutcomeFailed: it was not done.
	OutcomeFailed ActionOutcome = "Failed"
	// OutcomeUnknown: it may have been done; a human must look.
	OutcomeUnknown ActionOutcome = "Unknown"
)

// ActionResult is how an execution ended.
type ActionResult struct {
	// outcome of the execution.
	// +required
	Outcome ActionOutcome `json:"outcome,omitempty"`

	// message says what was done, or why not.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// finishedAt is when the effect was observed or the attempt given up.
	// +required
	FinishedAt metav1.MicroTime `json:"finishedAt,omitempty,omitzero"`

	// logIndex is the entry of the audit log that holds the result.
	// +optional
	// +kubebuilder:validation:Minimum=0
	LogIndex *int64 `json:"logIndex,omitempty"`
}

// ResponseActionStatus is how far the action is.
type ResponseActionStatus struct {
	// conditions: Ready is True once the action is done; its reason tells where the action stands.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=12
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// plan that approvals bind to.
	// +optional
	Plan *Plan `json:"plan,omitempty"`

	// decision of the policies on that plan.
	// +optional
	Decision *Decision `json:"decision,omitempty"`

	// waiting tells how long people were waited for; absent where the action never waited for anybody.
	// +optional
	Waiting *Waiting `json:"waiting,omitempty"`

	// approvals that counted.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Approvals []CountedApproval `json:"approvals,omitempty"`

	// inverse is what the connector needs to take the action back, kept before it acts.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Inverse *runtime.RawExtension `json:"inverse,omitempty"`

	// execution is the intent.
	// +optional
	Execution *Execution `json:"execution,omitempty"`

	// result of the execution.
	// +optional
	Result *ActionResult `json:"result,omitempty"`

	// undoneBy names the ResponseAction that took this one back.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	UndoneBy string `json:"undoneBy,omitempty"`
}

// ResponseAction is one operation of one connector on one target.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ra,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.investigation`
// +kubebuilder:selectablefield:JSONPath=`.spec.requestedBy`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.status.plan.summary`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.status.decision.tier`
// +kubebuilder:printcolumn:name="Investigation",type=string,JSONPath=`.spec.investigation`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Waits Since",type=date,JSONPath=`.status.waiting.since`,priority=1
// +kubebuilder:printcolumn:name="Escalated To",type=string,JSONPath=`.status.waiting.escalatedTo`,priority=1
// +kubebuilder:printcolumn:name="Requested By",type=string,JSONPath=`.spec.requestedBy`,priority=1
// +kubebuilder:printcolumn:name="Digest",type=string,JSONPath=`.status.plan.digest`,priority=1
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type ResponseAction struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a ResponseAction's spec is immutable"
	Spec ResponseActionSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status ResponseActionStatus `json:"status,omitempty,omitzero"`
}

// ResponseActionList is a list of ResponseActions.
// +kubebuilder:object:root=true
type ResponseActionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ResponseAction `json:"items"`
}
