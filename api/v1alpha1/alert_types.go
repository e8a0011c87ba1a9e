package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertSpec is what was reported, once, whatever the number of repeats.
type AlertSpec struct {
	// source names the AlertSource that received the alert.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Source string `json:"source,omitempty"`

	// rule is the sender's name of the rule that fired.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Rule string `json:"rule,omitempty"`

	// title says in one line what happened.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Title string `json:"title,omitempty"`

	// severity as the sender or the rule states it.
	// +required
	Severity Severity `json:"severity,omitempty"`

	// techniques are ATT&CK ids.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Techniques []Technique `json:"techniques,omitempty"`

	// entities that the alert speaks of.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Entities []Entity `json:"entities,omitempty"`

	// attributes are details of the event, by name. Their values may have been
	// written by an attacker and never lower suspicion.
	// +optional
	// +kubebuilder:validation:MaxProperties=48
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 64 && self[k].size() <= 1024)",message="an attribute's name has at most 64 and its value at most 1024 characters"
	Attributes map[string]string `json:"attributes,omitempty"`

	// fingerprint identifies repeats of this alert: hex SHA-256 over source, rule, actors and
	// targets, over what was done where a DetectionRule found it, and over how it looks.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	Fingerprint string `json:"fingerprint,omitempty"`

	// rawDigest is the hex SHA-256 of the first raw event, after redaction.
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	RawDigest string `json:"rawDigest,omitempty"`

	// firstSeen is when the first event happened, by the sender's clock.
	// +required
	FirstSeen metav1.MicroTime `json:"firstSeen,omitempty,omitzero"`
}

// StreamPosition is a place in the durable event stream.
type StreamPosition struct {
	// stream identifies the stream, so that a new stream's numbers are not taken for an old one's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Stream string `json:"stream,omitempty"`

	// sequence of the last message counted.
	// +required
	// +kubebuilder:validation:Minimum=1
	Sequence int64 `json:"sequence,omitempty"`
}

// AlertStatus is what became of the alert.
type AlertStatus struct {
	// conditions: Ready is True once the alert's Investigation has a verdict that counts it.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// count of events, repeats included.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Count int64 `json:"count,omitempty"`

	// lastSeen is when the latest repeat happened, by the sender's clock.
	// +optional
	LastSeen metav1.MicroTime `json:"lastSeen,omitempty,omitzero"`

	// counted is how far the event stream is included in count.
	// +optional
	Counted *StreamPosition `json:"counted,omitempty"`

	// investigation names the Investigation that holds this alert.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Investigation string `json:"investigation,omitempty"`

	// verdict of that Investigation.
	// +optional
	Verdict Verdict `json:"verdict,omitempty"`
}

// Alert is one deduplicated alert. It is written by ingest.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=al,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.rule`
// +kubebuilder:selectablefield:JSONPath=`.spec.source`
// +kubebuilder:selectablefield:JSONPath=`.spec.severity`
// +kubebuilder:selectablefield:JSONPath=`.status.investigation`
// +kubebuilder:selectablefield:JSONPath=`.status.verdict`
// +kubebuilder:printcolumn:name="Severity",type=string,JSONPath=`.spec.severity`
// +kubebuilder:printcolumn:name="Title",type=string,JSONPath=`.spec.title`
// +kubebuilder:printcolumn:name="Count",type=integer,JSONPath=`.status.count`
// +kubebuilder:printcolumn:name="Verdict",type=string,JSONPath=`.status.verdict`
// +kubebuilder:printcolumn:name="Investigation",type=string,JSONPath=`.status.investigation`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.spec.source`,priority=1
// +kubebuilder:printcolumn:name="Rule",type=string,JSONPath=`.spec.rule`,priority=1
type Alert struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an Alert's spec is immutable"
	Spec AlertSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status AlertStatus `json:"status,omitempty,omitzero"`
}

// AlertList is a list of Alerts.
// +kubebuilder:object:root=true
type AlertList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Alert `json:"items"`
}
