package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertFormat is the shape of the bodies that a source receives.
// +kubebuilder:validation:Enum=Falco;KubernetesAudit;Generic
type AlertFormat string

const (
	// FormatFalco is Falco's JSON output, as its http_output and falcosidekick's webhook output send it.
	FormatFalco AlertFormat = "Falco"
	// FormatKubernetesAudit is an audit.k8s.io/v1 EventList, as the API server's audit webhook sends it.
	FormatKubernetesAudit AlertFormat = "KubernetesAudit"
	// FormatGeneric is any JSON, mapped by CEL.
	FormatGeneric AlertFormat = "Generic"
)

// SecretKeyReference points to one key of a Secret in the same namespace.
// The operator reads it only where a Role of that namespace lets it.
type SecretKeyReference struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key in the Secret's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// BearerAuthentication demands "Authorization: Bearer <token>", or the token as the
// password of "Authorization: Basic", which senders make of http://<any name>:<token>@...
type BearerAuthentication struct {
	// secretRef points to the token.
	// +required
	SecretRef SecretKeyReference `json:"secretRef,omitempty,omitzero"`
}

// HMACAuthentication demands the hex HMAC-SHA256 of the body in a header, with or without a "sha256=" prefix.
type HMACAuthentication struct {
	// secretRef points to the shared key.
	// +required
	SecretRef SecretKeyReference `json:"secretRef,omitempty,omitzero"`

	// header that carries the signature.
	// +optional
	// +kubebuilder:default=X-Signature-256
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9-]{1,64}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Header string `json:"header,omitempty"`
}

// SourceAuthentication says how a sender proves itself.
// +kubebuilder:validation:ExactlyOneOf=bearer;hmac
type SourceAuthentication struct {
	// bearer is a token in the Authorization header.
	// +optional
	Bearer *BearerAuthentication `json:"bearer,omitempty"`

	// hmac is a signature over the body.
	// +optional
	HMAC *HMACAuthentication `json:"hmac,omitempty"`
}

// EntityMapping yields entities of one type.
type EntityMapping struct {
	// type of the entities.
	// +required
	Type EntityType `json:"type,omitempty"`

	// role of the entities in the alert.
	// +optional
	// +kubebuilder:default=Related
	Role EntityRole `json:"role,omitempty"`

	// value is CEL over event that yields a string or a list of strings; empty strings are left out.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Value string `json:"value,omitempty"`
}

// GenericMapping maps any JSON to alerts by CEL over the variable event.
type GenericMapping struct {
	// items is CEL over body that yields the list of events in it. Without it the body is one event.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Items string `json:"items,omitempty"`

	// when is CEL over event; events for which it is false are not alerts.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	When string `json:"when,omitempty"`

	// rule is CEL over event that yields the sender's name of the rule.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=2048
	Rule string `json:"rule,omitempty"`

	// title is CEL over event that yields one line. Without it the rule's name is the title.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Title string `json:"title,omitempty"`

	// severity is CEL over event that yields a severity of OCSF, in any case. Without it: Medium.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Severity string `json:"severity,omitempty"`

	// techniques is CEL over event that yields a list of ATT&CK ids.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Techniques string `json:"techniques,omitempty"`

	// time is CEL over event that yields a timestamp or an RFC 3339 string. Without it: the time of arrival.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Time string `json:"time,omitempty"`

	// entities that the event speaks of.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Entities []EntityMapping `json:"entities,omitempty"`

	// attributes are CEL over event, by name, that yield strings.
	// +optional
	// +kubebuilder:validation:MaxProperties=48
	Attributes map[string]string `json:"attributes,omitempty"`
}

// RateLimit bounds events or requests.
type RateLimit struct {
	// perSecond is the sustained rate.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	PerSecond int32 `json:"perSecond,omitempty"`

	// burst above it.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	Burst int32 `json:"burst,omitempty"`
}

// AlertSourceSpec configures one inbound webhook at /v1/sources/<namespace>/<name>.
// +kubebuilder:validation:XValidation:rule="(self.format == 'Generic') == has(self.mapping)",message="mapping is for format Generic, and Generic needs it"
type AlertSourceSpec struct {
	// format of the bodies.
	// +required
	Format AlertFormat `json:"format,omitempty"`

	// authentication of the sender.
	// +required
	Authentication SourceAuthentication `json:"authentication,omitempty,omitzero"`

	// mapping from JSON to alerts, for format Generic.
	// +optional
	Mapping *GenericMapping `json:"mapping,omitempty"`

	// deduplicationWindow: events with the same fingerprint within this time of the last one are repeats.
	// +optional
	// +kubebuilder:default="1h"
	DeduplicationWindow *metav1.Duration `json:"deduplicationWindow,omitempty"`

	// rateLimit of events, each of a batch; above it the answer is 429. A batch larger than the burst
	// passes when the whole burst is there. Without it: 2000 a second, bursts of 20000.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

	// maxBodyBytes of a request; above it the answer is 413.
	// +optional
	// +kubebuilder:default=8388608
	// +kubebuilder:validation:Minimum=1024
	// +kubebuilder:validation:Maximum=33554432
	MaxBodyBytes int64 `json:"maxBodyBytes,omitempty"`
}

// ConfigurationStatus is the status of a kind that people write and the operator checks.
type ConfigurationStatus struct {
	// conditions: Ready is True when the object is in force; otherwise its message names what is wrong.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation that this status speaks of.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// AlertSource is one inbound webhook.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=als,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.format`
// +kubebuilder:printcolumn:name="Format",type=string,JSONPath=`.spec.format`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type AlertSource struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the webhook.
	// +required
	Spec AlertSourceSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status ConfigurationStatus `json:"status,omitempty,omitzero"`
}

// AlertSourceList is a list of AlertSources.
// +kubebuilder:object:root=true
type AlertSourceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AlertSource `json:"items"`
}
