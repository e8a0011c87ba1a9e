package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

	// clusterAdmin: they may do everything in the cluster, or can come to.
	// +optional
	ClusterAdmin bool `json:"clusterAdmin,omitempty"`

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
