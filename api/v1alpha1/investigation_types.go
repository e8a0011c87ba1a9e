package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// InvestigationState is what a human says of the case.
// +kubebuilder:validation:Enum=Open;Closed
type InvestigationState string

const (
	// StateOpen leaves closing to the analyst.
	StateOpen InvestigationState = "Open"
	// StateClosed closes the case.
	StateClosed InvestigationState = "Closed"
)

// Grade is a human's verdict on a case.
type Grade struct {
	// verdict of the human.
	// +required
	Verdict Verdict `json:"verdict,omitempty"`

	// by is the user name of the human, which admission proves.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	By string `json:"by,omitempty"`

	// reason of the human.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// Note is a remark of a human.
type Note struct {
	// by is the user name of the human.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	By string `json:"by,omitempty"`

	// text of the remark.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Text string `json:"text,omitempty"`
}

// InvestigationSpec holds what humans say. The operator never writes it after creation.
type InvestigationSpec struct {
	// state: Closed closes the case, whatever the verdict.
	// +optional
	// +kubebuilder:default=Open
	State InvestigationState `json:"state,omitempty"`

	// grade is a human's verdict; it becomes history for the next case.
	// +optional
	Grade *Grade `json:"grade,omitempty"`

	// assignee is the user name of who works on the case.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Assignee string `json:"assignee,omitempty"`

	// notes of humans.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Notes []Note `json:"notes,omitempty"`
}

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

// QuestionState is how a question ended.
// +kubebuilder:validation:Enum=Answered;Empty;Failed;TimedOut
type QuestionState string

const (
	// QuestionAnswered: there is an answer.
	QuestionAnswered QuestionState = "Answered"
	// QuestionEmpty: asked, and nothing was found.
	QuestionEmpty QuestionState = "Empty"
	// QuestionFailed: the tool refused, erred, or broke its own schema.
	QuestionFailed QuestionState = "Failed"
	// QuestionTimedOut: the tool did not answer in time.
	QuestionTimedOut QuestionState = "TimedOut"
)

// QuestionStatus is a question that was asked.
type QuestionStatus struct {
	// id of the question, unique within the case.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// ask is the question in words.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Ask string `json:"ask,omitempty"`

	// connector and operation that were asked, as connector/operation.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	Use string `json:"use,omitempty"`

	// from names the Playbook that asks, or "universal".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	From string `json:"from,omitempty"`

	// state is how the question ended.
	// +required
	State QuestionState `json:"state,omitempty"`

	// message says why there is no answer.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// answerDigest is the hex SHA-256 of the answer, under which the archive keeps it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AnswerDigest string `json:"answerDigest,omitempty"`
}

// Provenance is who could have written what a finding rests on.
// +kubebuilder:validation:Enum=Trusted;AttackerWritable
type Provenance string

const (
	// ProvenanceTrusted: the API server, the kernel, Git or a human vouches for it.
	ProvenanceTrusted Provenance = "Trusted"
	// ProvenanceAttackerWritable: the suspect may have written it, so it never lowers suspicion.
	ProvenanceAttackerWritable Provenance = "AttackerWritable"
)

// Evidence is one finding and its weight.
type Evidence struct {
	// id by which the narrative and the timeline cite the finding: E1, E2 ...
	// +required
	// +kubebuilder:validation:Pattern=`^E[0-9]{1,4}$`
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=5
	ID string `json:"id,omitempty"`

	// question whose answer it comes from, or "alert".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Question string `json:"question,omitempty"`

	// alert that the finding is about; empty if it is about the whole case.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Alert string `json:"alert,omitempty"`

	// finding in words.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Finding string `json:"finding,omitempty"`

	// provenance: who could have written what the finding rests on.
	// +required
	Provenance Provenance `json:"provenance,omitempty"`

	// group of findings that share a cause; the strongest of a group counts, the others weigh nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Group string `json:"group,omitempty"`

	// claimed weight in centibans (tenths of a deciban), before floor, cap and grouping.
	// +optional
	Claimed int32 `json:"claimed"`

	// weight in centibans (tenths of a deciban) that counts.
	// +optional
	Weight int32 `json:"weight"`

	// note says why weight differs from claimed.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Note string `json:"note,omitempty"`
}

// TimelineEntry is something that happened.
type TimelineEntry struct {
	// time when it happened first.
	// +required
	Time metav1.MicroTime `json:"time,omitempty,omitzero"`

	// until is when it happened last, if it happened more than once.
	// +optional
	Until *metav1.MicroTime `json:"until,omitempty"`

	// count of times.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Count int64 `json:"count,omitempty"`

	// what happened, in one line.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	What string `json:"what,omitempty"`

	// alert that reported it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Alert string `json:"alert,omitempty"`

	// severity that the alert states.
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// techniques are ATT&CK ids.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Techniques []Technique `json:"techniques,omitempty"`
}

// PathEdge is one step of the attack path: something that one entity did to another, or that
// happened to it where both are the same.
type PathEdge struct {
	// from is the key of the acting entity, as type:value.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=640
	From string `json:"from,omitempty"`

	// to is the key of the entity acted on.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=640
	To string `json:"to,omitempty"`

	// alert that drew the edge first.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Alert string `json:"alert,omitempty"`

	// repeats are further alerts that draw the same edge, the first few.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Repeats []string `json:"repeats,omitempty"`

	// time when it happened first.
	// +optional
	Time metav1.MicroTime `json:"time,omitempty,omitzero"`

	// what happened, in one line.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	What string `json:"what,omitempty"`

	// tactic of ATT&CK that orders the path, if the techniques tell.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Tactic string `json:"tactic,omitempty"`

	// evidence about these alerts that counts, by its id.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=2
	// +kubebuilder:validation:items:MaxLength=5
	Evidence []string `json:"evidence,omitempty"`
}

// BlastRadius is what the suspects' rights reach, from real RBAC.
type BlastRadius struct {
	// identities whose rights were evaluated.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=512
	Identities []string `json:"identities,omitempty"`

	// secrets that can be read.
	// +optional
	Secrets int32 `json:"secrets"`

	// namespaces in which something can be changed or a Secret read.
	// +optional
	Namespaces int32 `json:"namespaces"`

	// podsExec: pods that can be executed into.
	// +optional
	PodsExec int32 `json:"podsExec"`

	// nodes that can be reached, through pods on them or the nodes' own API.
	// +optional
	Nodes int32 `json:"nodes"`

	// worst names the worst few things that can be reached.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=512
	Worst []string `json:"worst,omitempty"`
}

// ActionSummary is an action of the case.
type ActionSummary struct {
	// name of the ResponseAction.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// operation it performs.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Operation string `json:"operation,omitempty"`

	// reason of the ResponseAction's Ready condition, such as WaitingForApproval or Succeeded.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
}

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

	// severity of the case.
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// priority of the case.
	// +optional
	Priority Priority `json:"priority,omitempty"`

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
