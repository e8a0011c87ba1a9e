package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Use names an operation of a connector and its arguments.
type Use struct {
	// connector in the same namespace, or "memory" for what Tocsin itself remembers.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Connector string `json:"connector,omitempty"`

	// operation of the connector.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z]([a-z0-9-]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Operation string `json:"operation,omitempty"`

	// with holds the arguments. In strings, ${...} interpolates CEL; a string
	// that is one ${...} alone keeps the type of its value.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	With *runtime.RawExtension `json:"with,omitempty"`
}

// Variable is an expression with a name, so that conditions need not repeat it.
type Variable struct {
	// name of the variable, by which conditions use it: variables.<name>.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z][A-Za-z0-9]*$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// expression is CEL over alert, case, answers and the variables further up.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Expression string `json:"expression,omitempty"`
}

// Weigh is a weight that a finding carries when its condition holds.
type Weigh struct {
	// if is CEL over answer, answers, alert, case and variables.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	If string `json:"if,omitempty"`

	// decibans of the finding: 10 makes an attack ten times as likely, -10 a tenth. At most 20 either way count.
	// +required
	// +kubebuilder:validation:Minimum=-60
	// +kubebuilder:validation:Maximum=60
	Decibans int32 `json:"decibans"`

	// because is the finding in words; ${...} interpolates CEL.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Because string `json:"because,omitempty"`

	// group: of findings in the same group, across all questions of a case, only the strongest counts.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Group string `json:"group,omitempty"`

	// suggests which benign verdict an exculpatory finding speaks for.
	// +optional
	// +kubebuilder:validation:Enum=BenignPositive;FalsePositive
	Suggests Verdict `json:"suggests,omitempty"`
}

// Question is asked of a connector for each alert that the playbook matches.
type Question struct {
	// id of the question, by which conditions refer to its answer: answers.<id>.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z][A-Za-z0-9]*$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ID string `json:"id,omitempty"`

	// ask is the question in words.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Ask string `json:"ask,omitempty"`

	// when is CEL over alert; the question is asked only where it holds.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	When string `json:"when,omitempty"`

	// use names the read-only operation.
	// +required
	Use Use `json:"use,omitempty,omitzero"`

	// weigh says what the answer means.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Weigh []Weigh `json:"weigh,omitempty"`
}

// ProposedAction is an action that the playbook proposes.
type ProposedAction struct {
	// id of the action; it becomes part of the ResponseAction's name.
	// +required
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	ID string `json:"id,omitempty"`

	// when is CEL over verdict, probability, alert, case, answers and variables.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	When string `json:"when,omitempty"`

	// use names the operation.
	// +required
	Use Use `json:"use,omitempty,omitzero"`

	// order: actions with a higher order wait until those with a lower one are done or refused.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Order int32 `json:"order,omitempty"`

	// after names actions further up in this list that must have ended, and how, before this one begins. If one ended
	// otherwise or was not proposed, this one is not done.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=16
	After []EarlierProposal `json:"after,omitempty"`

	// undoAfter takes the action back after this time.
	// +optional
	UndoAfter *metav1.Duration `json:"undoAfter,omitempty"`
}

// EarlierProposal is an action of the same playbook whose end another one depends on.
type EarlierProposal struct {
	// id of the action.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	ID string `json:"id,omitempty"`

	// ended lists the ends that are waited for; without it: Succeeded, Skipped.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	Ended []ActionEnd `json:"ended,omitempty"`
}

// PlaybookMode is whether a playbook asks and acts.
// +kubebuilder:validation:Enum=Enabled;Shadow;Disabled
type PlaybookMode string

const (
	// PlaybookEnabled: its questions count and its actions are proposed.
	PlaybookEnabled PlaybookMode = "Enabled"
	// PlaybookShadow: its questions are asked and shown, but weigh nothing, and it proposes nothing.
	PlaybookShadow PlaybookMode = "Shadow"
	// PlaybookDisabled: it is checked only.
	PlaybookDisabled PlaybookMode = "Disabled"
)

// TestAlert is an alert as a playbook's test writes it.
type TestAlert struct {
	// rule of the alert.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Rule string `json:"rule,omitempty"`

	// title of the alert; without it the rule is the title.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Title string `json:"title,omitempty"`

	// severity of the alert; without it Medium.
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// techniques of the alert.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Techniques []Technique `json:"techniques,omitempty"`

	// entities by their name in CEL, such as pod: shop/web-0.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Entities map[string]string `json:"entities,omitempty"`

	// attributes of the alert.
	// +optional
	// +kubebuilder:validation:MaxProperties=48
	Attributes map[string]string `json:"attributes,omitempty"`
}

// PlaybookExpectation is what a test demands.
type PlaybookExpectation struct {
	// verdict that the playbook's questions alone lead to, with the default prior.
	// +optional
	Verdict Verdict `json:"verdict,omitempty"`

	// actions are the ids of the actions proposed, exactly.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=40
	Actions []string `json:"actions,omitempty"`
}

// PlaybookTest runs the playbook on an alert and given answers, without a cluster.
type PlaybookTest struct {
	// name of the test.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`

	// alert that is investigated.
	// +required
	Alert TestAlert `json:"alert,omitempty,omitzero"`

	// answers by the id of their question.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Answers *runtime.RawExtension `json:"answers,omitempty"`

	// expect is what must come out.
	// +required
	Expect PlaybookExpectation `json:"expect,omitempty,omitzero"`
}

// PlaybookSpec adds questions and actions to the cases of the alerts that it matches.
type PlaybookSpec struct {
	// match is CEL over alert.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Match string `json:"match,omitempty"`

	// mode of the playbook.
	// +optional
	// +kubebuilder:default=Enabled
	Mode PlaybookMode `json:"mode,omitempty"`

	// variables are named expressions for the conditions of weights and actions.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Variables []Variable `json:"variables,omitempty"`

	// questions to ask.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=32
	Questions []Question `json:"questions,omitempty"`

	// actions to propose.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=32
	Actions []ProposedAction `json:"actions,omitempty"`

	// tests must pass before the playbook is in force.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Tests []PlaybookTest `json:"tests,omitempty"`
}

// Playbook adds questions and actions to the cases of the alerts that it matches.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=pb,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.spec.mode`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type Playbook struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the playbook.
	// +required
	Spec PlaybookSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status ConfigurationStatus `json:"status,omitempty,omitzero"`
}

// PlaybookList is a list of Playbooks.
// +kubebuilder:object:root=true
type PlaybookList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Playbook `json:"items"`
}
