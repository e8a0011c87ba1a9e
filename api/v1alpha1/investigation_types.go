package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Priority orders the queue: P1 first.
// +kubebuilder:validation:Enum=P1;P2;P3;P4
type Priority string

// The priorities, most urgent first.
const (
	PriorityP1 Priority = "P1"
	PriorityP2 Priority = "P2"
	PriorityP3 Priority = "P3"
	PriorityP4 Priority = "P4"
)

// InvestigationStatus is what was concluded, why, and what is being done.
type InvestigationStatus struct {
	// conditions: Ready is True once there is a verdict on all alerts of the case; Concluded, Escalated and Closed tell how far it is.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// title says in one line what the case is about.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Title string `json:"title,omitempty"`

	// alerts of the case, oldest first.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Alerts []string `json:"alerts,omitempty"`

	// alertCount is the number of alerts, also where the list is cut.
	// +optional
	// +kubebuilder:validation:Minimum=0
	AlertCount int32 `json:"alertCount,omitempty"`

	// entities of the alerts.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Entities []Entity `json:"entities,omitempty"`

	// techniques of the alerts.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Techniques []Technique `json:"techniques,omitempty"`

	// severity of the case, which may be higher or lower than what its alerts state.
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// severityReason says what the severity follows from.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	SeverityReason string `json:"severityReason,omitempty"`

	// intent is how far the attack came and what it may lead to, in tactics of ATT&CK, such as
	// "Credential Access, towards Impact"; empty if it is not known, and for benign verdicts.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Intent string `json:"intent,omitempty"`

	// intentReason says what the intent follows from.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	IntentReason string `json:"intentReason,omitempty"`

	// priority of the case.
	// +optional
	Priority Priority `json:"priority,omitempty"`

	// priorityReason tells the probability, severity, criticality and reach that the priority follows from.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	PriorityReason string `json:"priorityReason,omitempty"`

	// verdict of the analyst, or of the human who graded the case.
	// +optional
	Verdict Verdict `json:"verdict,omitempty"`

	// analystVerdict is what the analyst concludes, also where a human's grade is the verdict.
	// +optional
	AnalystVerdict Verdict `json:"analystVerdict,omitempty"`

	// probability, in tenths of a percent, that this is an attack.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	ProbabilityPermille *int32 `json:"probabilityPermille,omitempty"`

	// score in centibans (tenths of a deciban): prior plus the weights of the evidence.
	// +optional
	Score *int32 `json:"score,omitempty"`

	// prior in centibans.
	// +optional
	Prior *int32 `json:"prior,omitempty"`

	// priorReason says where the prior comes from.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	PriorReason string `json:"priorReason,omitempty"`

	// questions that were asked.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=256
	Questions []QuestionStatus `json:"questions,omitempty"`

	// evidence that was found, with its weights; prior and weights add up to score.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=256
	Evidence []Evidence `json:"evidence,omitempty"`

	// timeline of what happened.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Timeline []TimelineEntry `json:"timeline,omitempty"`

	// attackPath is a graph: its edges, by time and then by tactic, tell what was done to what.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	AttackPath []PathEdge `json:"attackPath,omitempty"`

	// blastRadius of the identities in the case.
	// +optional
	BlastRadius *BlastRadius `json:"blastRadius,omitempty"`

	// narrative tells the case in plain sentences, each with its evidence.
	// +optional
	// +kubebuilder:validation:MaxLength=16384
	Narrative string `json:"narrative,omitempty"`

	// actions that were proposed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=128
	Actions []ActionSummary `json:"actions,omitempty"`

	// pendingApprovals is the number of actions that wait for a human.
	// +optional
	// +kubebuilder:validation:Minimum=0
	PendingApprovals int32 `json:"pendingApprovals,omitempty"`

	// analyst that concluded.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Analyst string `json:"analyst,omitempty"`

	// mergedInto names the older Investigation that this one's alerts belong to.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	MergedInto string `json:"mergedInto,omitempty"`

	// mergedFrom names younger Investigations whose alerts and actions this one holds as well.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	MergedFrom []string `json:"mergedFrom,omitempty"`

	// openedAt is when the first alert joined.
	// +optional
	OpenedAt *metav1.MicroTime `json:"openedAt,omitempty"`

	// concludedAt is when there was a verdict first.
	// +optional
	ConcludedAt *metav1.MicroTime `json:"concludedAt,omitempty"`

	// closedAt is when the case was closed.
	// +optional
	ClosedAt *metav1.MicroTime `json:"closedAt,omitempty"`
}

// Investigation is a case: alerts that belong together, and what was concluded of them.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=inv,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.state`
// +kubebuilder:selectablefield:JSONPath=`.status.verdict`
// +kubebuilder:selectablefield:JSONPath=`.status.priority`
// +kubebuilder:printcolumn:name="Priority",type=string,JSONPath=`.status.priority`
// +kubebuilder:printcolumn:name="Verdict",type=string,JSONPath=`.status.verdict`
// +kubebuilder:printcolumn:name="Title",type=string,JSONPath=`.status.title`
// +kubebuilder:printcolumn:name="Alerts",type=integer,JSONPath=`.status.alertCount`
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pendingApprovals`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[?(@.type=="Closed")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Severity",type=string,JSONPath=`.status.severity`,priority=1
// +kubebuilder:printcolumn:name="Permille",type=integer,JSONPath=`.status.probabilityPermille`,priority=1
// +kubebuilder:printcolumn:name="Assignee",type=string,JSONPath=`.spec.assignee`,priority=1
type Investigation struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec holds what humans say.
	// +optional
	Spec InvestigationSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status InvestigationStatus `json:"status,omitempty,omitzero"`
}

// InvestigationList is a list of Investigations.
// +kubebuilder:object:root=true
type InvestigationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Investigation `json:"items"`
}
