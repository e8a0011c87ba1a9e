// Package v1alpha1 holds the kinds of the soc.tocsin.dev API group.
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +kubebuilder:ac:output:package=applyconfiguration
// +groupName=soc.tocsin.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Group is the API group of every kind of Tocsin.
const Group = "soc.tocsin.dev"

var (
	// GroupVersion identifies this version of the API.
	GroupVersion = schema.GroupVersion{Group: Group, Version: "v1alpha1"}

	// SchemeGroupVersion is the name under which generated apply configurations look for it.
	SchemeGroupVersion = GroupVersion

	schemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds every kind of this package to a scheme.
	AddToScheme = schemeBuilder.AddToScheme
)

func addKnownTypes(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&AlertSource{}, &AlertSourceList{},
		&DetectionRule{}, &DetectionRuleList{},
		&Alert{}, &AlertList{},
		&Investigation{}, &InvestigationList{},
		&Playbook{}, &PlaybookList{},
		&Analyst{}, &AnalystList{},
		&ResponseAction{}, &ResponseActionList{},
		&ApprovalPolicy{}, &ApprovalPolicyList{},
		&Approval{}, &ApprovalList{},
		&Connector{}, &ConnectorList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}
