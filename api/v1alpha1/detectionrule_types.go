package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DetectionException leaves out events that are known to be harmless, until it expires.
type DetectionException struct {
	// when is CEL over event; events for which it is true do not match the rule.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	When string `json:"when,omitempty"`

	// reason why such events are harmless.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`

	// expires is when the exception ends.
	// +required
	Expires metav1.Time `json:"expires,omitempty,omitzero"`
}

// DetectionTest is an example event and whether the rule matches it.
type DetectionTest struct {
	// name of the test.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	Name string `json:"name,omitempty"`

	// event is a raw event of the source.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Type=object
	Event runtime.RawExtension `json:"event,omitempty,omitzero"`

	// expect is what the rule says of the event.
	// +required
	Expect DetectionExpectation `json:"expect,omitempty"`
}

// DetectionExpectation is whether a rule matches.
// +kubebuilder:validation:Enum=Match;NoMatch
type DetectionExpectation string

const (
	// ExpectMatch: the rule matches the event.
	ExpectMatch DetectionExpectation = "Match"
	// ExpectNoMatch: the rule does not match the event.
	ExpectNoMatch DetectionExpectation = "NoMatch"
)

// DetectionRuleSpec is a CEL expression over raw events, and the alert it makes.
type DetectionRuleSpec struct {
	// format of the sources whose events are looked at.
	// +optional
	// +kubebuilder:default=KubernetesAudit
	// +kubebuilder:validation:Enum=KubernetesAudit
	Format AlertFormat `json:"format,omitempty"`

	// verbs that are looked at; empty for all. They index the rule: events with other verbs cost nothing.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Verbs []string `json:"verbs,omitempty"`

	// resources that are looked at, as resource or resource/subresource in plural; empty for all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Resources []string `json:"resources,omitempty"`

	// when is CEL over event (the audit event as the API server sends it) that is true for a match.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=8192
	When string `json:"when,omitempty"`

	// title of the alert; ${...} interpolates CEL over event.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Title string `json:"title,omitempty"`

	// severity of the alert.
	// +required
	Severity Severity `json:"severity,omitempty"`

	// techniques are the ATT&CK ids of the alert.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Techniques []Technique `json:"techniques,omitempty"`

	// entities of the alert, beside those that every audit event yields: the user
	// (or ServiceAccount and its pod) as Actor, the object as Target, the source addresses as Related.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Entities []EntityMapping `json:"entities,omitempty"`

	// exceptions to the rule.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Exceptions []DetectionException `json:"exceptions,omitempty"`

	// tests must pass before the rule is in force.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Tests []DetectionTest `json:"tests,omitempty"`
}

// DetectionRule finds alerts in raw events.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=dr,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.severity`
// +kubebuilder:printcolumn:name="Severity",type=string,JSONPath=`.spec.severity`
// +kubebuilder:printcolumn:name="Techniques",type=string,JSONPath=`.spec.techniques`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type DetectionRule struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the rule.
	// +required
	Spec DetectionRuleSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status ConfigurationStatus `json:"status,omitempty,omitzero"`
}

// DetectionRuleList is a list of DetectionRules.
// +kubebuilder:object:root=true
type DetectionRuleList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []DetectionRule `json:"items"`
}
