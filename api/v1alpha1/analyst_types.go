package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AnalystEngine is what investigates.
// +kubebuilder:validation:Enum=BuiltIn
type AnalystEngine string

// EngineBuiltIn weighs evidence without a model and without a network.
const EngineBuiltIn AnalystEngine = "BuiltIn"

// Thresholds of the probability, in decibans: 10 is odds of ten to one.
type Thresholds struct {
	// confirm: at or above it the verdict is TruePositive.
	// +optional
	// +kubebuilder:default=13
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	Confirm int32 `json:"confirm,omitempty"`

	// dismiss: at or below minus it, and with trusted exculpatory evidence, the
	// verdict is BenignPositive or FalsePositive.
	// +optional
	// +kubebuilder:default=13
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	Dismiss int32 `json:"dismiss,omitempty"`
}

// KnownAutomation is an identity whose changes come out of reviewed automation.
// It lowers suspicion of what that identity is expected to do, never closes a case alone.
type KnownAutomation struct {
	// user as the API server authenticates it, such as system:serviceaccount:flux-system:kustomize-controller.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	User string `json:"user,omitempty"`

	// namespaces it is expected to change; "*" for all, "" within the list for cluster-scoped objects.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	Namespaces []string `json:"namespaces,omitempty"`

	// reason why it is known, such as where its changes are reviewed.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`
}

// AnalystSpec says who investigates the alerts of a namespace, and how.
type AnalystSpec struct {
	// engine that investigates.
	// +optional
	// +kubebuilder:default=BuiltIn
	Engine AnalystEngine `json:"engine,omitempty"`

	// connector is the Connector that the universal questions ask, beside Tocsin's own memory.
	// +optional
	// +kubebuilder:default=cluster
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Connector string `json:"connector,omitempty"`

	// thresholds of the verdict.
	// +optional
	// +kubebuilder:default={confirm: 13, dismiss: 13}
	Thresholds *Thresholds `json:"thresholds,omitempty"`

	// correlationWindow: alerts that share a strong entity within this time join one Investigation.
	// +optional
	// +kubebuilder:default="1h"
	CorrelationWindow *metav1.Duration `json:"correlationWindow,omitempty"`

	// questionTimeout of one question.
	// +optional
	// +kubebuilder:default="5s"
	QuestionTimeout *metav1.Duration `json:"questionTimeout,omitempty"`

	// knownAutomation lists identities whose changes come out of reviewed automation.
	// +optional
	// +listType=map
	// +listMapKey=user
	// +kubebuilder:validation:MaxItems=128
	KnownAutomation []KnownAutomation `json:"knownAutomation,omitempty"`
}

// Analyst says who investigates the alerts of its namespace. The one named
// "default" is used; without it the built-in engine works with its defaults.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=an,categories=soc
// +kubebuilder:printcolumn:name="Engine",type=string,JSONPath=`.spec.engine`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type Analyst struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the analyst.
	// +required
	Spec AnalystSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status ConfigurationStatus `json:"status,omitempty,omitzero"`
}

// AnalystList is a list of Analysts.
// +kubebuilder:object:root=true
type AnalystList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Analyst `json:"items"`
}
