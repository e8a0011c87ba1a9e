package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConnectorType is a kind of tool.
// +kubebuilder:validation:Enum=Kubernetes
type ConnectorType string

// ConnectorKubernetes is the API server of the cluster that the operator runs in.
const ConnectorKubernetes ConnectorType = "Kubernetes"

// ConnectorSpec configures one tool.
type ConnectorSpec struct {
	// type of the tool.
	// +required
	Type ConnectorType `json:"type,omitempty"`

	// serviceAccountName in the same namespace, as which the connector acts by impersonation.
	// A Role of that namespace must let the operator impersonate it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ServiceAccountName string `json:"serviceAccountName,omitempty"`

	// operations that are allowed; empty for all that the type has.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Operations []string `json:"operations,omitempty"`

	// rateLimit of calls to the tool. Without it: 200 a second, bursts of 400.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`
}

// OperationStatus describes an operation that the connector offers.
type OperationStatus struct {
	// name of the operation.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// mode is Read for questions and Write for actions.
	// +required
	Mode OperationMode `json:"mode,omitempty"`

	// risk of an action; empty for a question.
	// +optional
	Risk Risk `json:"risk,omitempty"`

	// undo says whether an action can be undone.
	// +optional
	Undo OperationUndo `json:"undo,omitempty"`
}

// OperationMode is whether an operation changes anything.
// +kubebuilder:validation:Enum=Read;Write
type OperationMode string

const (
	// OperationRead changes nothing.
	OperationRead OperationMode = "Read"
	// OperationWrite changes something.
	OperationWrite OperationMode = "Write"
)

// OperationUndo is whether an action can be undone.
// +kubebuilder:validation:Enum=Reversible;Irreversible
type OperationUndo string

const (
	// UndoReversible: what was there can be restored.
	UndoReversible OperationUndo = "Reversible"
	// UndoIrreversible: it cannot.
	UndoIrreversible OperationUndo = "Irreversible"
)

// ConnectorStatus is the health of a Connector.
type ConnectorStatus struct {
	ConfigurationStatus `json:",inline"`

	// operations that are offered and allowed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Operations []OperationStatus `json:"operations,omitempty"`
}

// Connector is a configured tool: what questions are asked of and what actions are executed with.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=conn,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="Acts As",type=string,JSONPath=`.spec.serviceAccountName`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Called",type=string,JSONPath=`.status.conditions[?(@.type=="CircuitClosed")].status`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`,priority=1
type Connector struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the tool.
	// +required
	Spec ConnectorSpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status ConnectorStatus `json:"status,omitempty,omitzero"`
}

// ConnectorList is a list of Connectors.
// +kubebuilder:object:root=true
type ConnectorList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Connector `json:"items"`
}
