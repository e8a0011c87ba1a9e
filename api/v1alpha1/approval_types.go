package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PolicyScope bounds the actions that a policy speaks of; what is empty bounds nothing.
type PolicyScope struct {
	// connectors by name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=253
	Connectors []string `json:"connectors,omitempty"`

	// operations by name.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Operations []string `json:"operations,omitempty"`

	// targetNamespaces by name; a Namespace is in itself, other cluster-scoped targets are in none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	TargetNamespaces []string `json:"targetNamespaces,omitempty"`

	// tenants are the namespaces whose actions the policy speaks of besides those of its own;
	// "*" stands for all. Only a policy in the operator's namespace may have them: elsewhere it
	// is refused. To the actions of others it only adds denials and requirements.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern=`^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$`
	Tenants []string `json:"tenants,omitempty"`
}

// ApprovalPolicySpec is a Rego module that decides which actions wait for whom.
type ApprovalPolicySpec struct {
	// module is Rego v1 in package tocsin.approval with the partial rules deny, require, allow and skip_evidence.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	Module string `json:"module,omitempty"`

	// tests is Rego v1 with test_ rules, which must pass before the policy is in force.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=65536
	Tests string `json:"tests,omitempty"`

	// scope of the policy; without it: every action of the namespace.
	// +optional
	Scope *PolicyScope `json:"scope,omitempty"`

	// approvalTTL: approvals older than this do not count; the shortest of all policies asked holds.
	// +optional
	// +kubebuilder:default="1h"
	ApprovalTTL *metav1.Duration `json:"approvalTTL,omitempty"`

	// remindAfter: people are reminded each time an action has waited this long for them, at least 1m. The shortest
	// of all policies asked holds; where none says so, 1h.
	// +optional
	RemindAfter *metav1.Duration `json:"remindAfter,omitempty"`

	// escalateAfter: once an action has waited this long for people, at least 1m, the next tier is told. The shortest
	// of all policies asked holds; where none says so, 2h.
	// +optional
	EscalateAfter *metav1.Duration `json:"escalateAfter,omitempty"`

	// breakGlass: Allowed lets one approval of tier break-glass run what waits for any number of people. It holds
	// only where every policy asked allows it and can be asked.
	// +optional
	// +kubebuilder:default=Forbidden
	BreakGlass BreakGlass `json:"breakGlass,omitempty"`
}

// BreakGlass is whether one person may run an action alone in an emergency.
// +kubebuilder:validation:Enum=Forbidden;Allowed
type BreakGlass string

const (
	// BreakGlassForbidden: an approval of tier break-glass does not count.
	BreakGlassForbidden BreakGlass = "Forbidden"
	// BreakGlassAllowed: one approval of tier break-glass is enough, unless somebody denies.
	BreakGlassAllowed BreakGlass = "Allowed"
)

// ApprovalPolicy decides which actions wait for whom. While one that speaks of an
// action is not Ready, that action waits for a human at the highest tier.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ap,categories=soc
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ApprovalPolicy struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the policy.
	// +required
	Spec ApprovalPolicySpec `json:"spec,omitempty,omitzero"`

	// status is written by the operator only.
	// +optional
	Status ConfigurationStatus `json:"status,omitempty,omitzero"`
}

// ApprovalPolicyList is a list of ApprovalPolicies.
// +kubebuilder:object:root=true
type ApprovalPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ApprovalPolicy `json:"items"`
}

// ApprovalDecision is what an approver says.
// +kubebuilder:validation:Enum=Approve;Deny
type ApprovalDecision string

const (
	// Approve lets the plan run.
	Approve ApprovalDecision = "Approve"
	// Deny refuses the action for good; it wins over any number of approvals.
	Deny ApprovalDecision = "Deny"
)

// ApprovalSpec approves or denies one plan. It is immutable.
// +kubebuilder:validation:XValidation:rule="self.tier != 'break-glass' || size(self.reason.trim()) >= 20",message="spec.reason must say in at least 20 characters what the emergency is: tier break-glass passes over the people that the policies demand",fieldPath=".reason"
type ApprovalSpec struct {
	// action names the ResponseAction in the same namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Action string `json:"action,omitempty"`

	// planDigest is the digest of the plan that was looked at: status.plan.digest of the action.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	PlanDigest string `json:"planDigest,omitempty"`

	// decision on the plan.
	// +required
	Decision ApprovalDecision `json:"decision,omitempty"`

	// tier at which the approver decides: needs the verb approve on approvaltiers/<tier>.
	// +required
	Tier Tier `json:"tier,omitempty"`

	// approver is the user name of who creates this object; the API server refuses any other, and every ServiceAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Approver string `json:"approver,omitempty"`

	// reason of the approver.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Reason string `json:"reason,omitempty"`
}

// Approval approves or denies one plan of one ResponseAction.
// +genclient
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=apv,categories=soc
// +kubebuilder:selectablefield:JSONPath=`.spec.action`
// +kubebuilder:selectablefield:JSONPath=`.spec.approver`
// +kubebuilder:printcolumn:name="Action",type=string,JSONPath=`.spec.action`
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="Tier",type=string,JSONPath=`.spec.tier`
// +kubebuilder:printcolumn:name="Approver",type=string,JSONPath=`.spec.approver`
// +kubebuilder:printcolumn:name="Counted",type=string,JSONPath=`.status.conditions[?(@.type=="Counted")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.spec.reason`,priority=1
type Approval struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec is immutable.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an Approval's spec is immutable"
	Spec ApprovalSpec `json:"spec,omitempty,omitzero"`

	// status says whether the approval counts, and why not.
	// +optional
	Status ConfigurationStatus `json:"status,omitempty,omitzero"`
}

// ApprovalList is a list of Approvals.
// +kubebuilder:object:root=true
type ApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Approval `json:"items"`
}
