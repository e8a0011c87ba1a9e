package v1alpha1

import (
	"strings"
)

// Severity is an OCSF severity.
// +kubebuilder:validation:Enum=Informational;Low;Medium;High;Critical;Fatal
type Severity string

// The severities of OCSF, lowest first.
const (
	SeverityInformational Severity = "Informational"
	SeverityLow           Severity = "Low"
	SeverityMedium        Severity = "Medium"
	SeverityHigh          Severity = "High"
	SeverityCritical      Severity = "Critical"
	SeverityFatal         Severity = "Fatal"
)

// Severities lists every severity, lowest first.
var Severities = []Severity{
	SeverityInformational, SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical, SeverityFatal,
}

// Rank orders severities: 0 for Informational (and anything unknown) to 5 for Fatal.
func (s Severity) Rank() int {
	for i, other := range Severities {
		if s == other {
			return i
		}
	}
	return 0
}

// Verdict is what an investigation concluded, in the terms of Microsoft's incident grading.
// +kubebuilder:validation:Enum=TruePositive;BenignPositive;FalsePositive;Undetermined
type Verdict string

const (
	// TruePositive is a real attack.
	TruePositive Verdict = "TruePositive"
	// BenignPositive happened as reported, and was expected.
	BenignPositive Verdict = "BenignPositive"
	// FalsePositive did not happen as reported.
	FalsePositive Verdict = "FalsePositive"
	// Undetermined needs a human.
	Undetermined Verdict = "Undetermined"
)

// Verdicts are all verdicts, the worst first.
var Verdicts = []Verdict{TruePositive, BenignPositive, FalsePositive, Undetermined}

// Risk is the harm that an operation can do when it is wrong.
// +kubebuilder:validation:Enum=Low;Medium;High;Critical
type Risk string

// The risks, lowest first.
const (
	RiskLow      Risk = "Low"
	RiskMedium   Risk = "Medium"
	RiskHigh     Risk = "High"
	RiskCritical Risk = "Critical"
)

// Tier is the standing of an approver. A senior may approve whatever an analyst may.
// +kubebuilder:validation:Enum=analyst;senior;break-glass
type Tier string

const (
	// TierAnalyst is the on-call responder.
	TierAnalyst Tier = "analyst"
	// TierSenior is the highest tier that can be demanded.
	TierSenior Tier = "senior"
	// TierBreakGlass stands, where policies allow it, for as many approvals of any tier as
	// are demanded. It is for emergencies, and never demanded itself.
	TierBreakGlass Tier = "break-glass"
)

// Rank orders the tiers that can be demanded: 1 for analyst, 2 for senior, 0 for anything else.
func (t Tier) Rank() int {
	switch t {
	case TierAnalyst:
		return 1
	case TierSenior:
		return 2
	}
	return 0
}

// Technique is an ATT&CK technique or sub-technique id, such as T1552.007.
// +kubebuilder:validation:Pattern=`^T[0-9]{4}(\.[0-9]{3})?$`
// +kubebuilder:validation:MinLength=5
// +kubebuilder:validation:MaxLength=9
type Technique string

// EntityType is an OCSF observable type or one of Kubernetes' own.
// +kubebuilder:validation:Enum=Pod;Workload;ServiceAccount;Node;Namespace;User;Group;IP;Domain;URL;Process;File;FileHash;ContainerImage;CloudResource;Host;KubernetesObject
type EntityType string

// The entity types. KubernetesObject is any object without a type of its own.
const (
	EntityPod              EntityType = "Pod"
	EntityWorkload         EntityType = "Workload"
	EntityServiceAccount   EntityType = "ServiceAccount"
	EntityNode             EntityType = "Node"
	EntityNamespace        EntityType = "Namespace"
	EntityUser             EntityType = "User"
	EntityGroup            EntityType = "Group"
	EntityIP               EntityType = "IP"
	EntityDomain           EntityType = "Domain"
	EntityURL              EntityType = "URL"
	EntityProcess          EntityType = "Process"
	EntityFile             EntityType = "File"
	EntityFileHash         EntityType = "FileHash"
	EntityContainerImage   EntityType = "ContainerImage"
	EntityCloudResource    EntityType = "CloudResource"
	EntityHost             EntityType = "Host"
	EntityKubernetesObject EntityType = "KubernetesObject"
)

// EntityTypes lists every entity type.
var EntityTypes = []EntityType{
	EntityPod, EntityWorkload, EntityServiceAccount, EntityNode, EntityNamespace, EntityUser, EntityGroup,
	EntityIP, EntityDomain, EntityURL, EntityProcess, EntityFile, EntityFileHash, EntityContainerImage,
	EntityCloudResource, EntityHost, EntityKubernetesObject,
}

// EntityRole is the part an entity plays in an alert.
// +kubebuilder:validation:Enum=Actor;Target;Related
type EntityRole string

const (
	// RoleActor did what the alert reports.
	RoleActor EntityRole = "Actor"
	// RoleTarget is what it was done to.
	RoleTarget EntityRole = "Target"
	// RoleRelated is context only.
	RoleRelated EntityRole = "Related"
)

// Entity is something that an alert speaks of.
type Entity struct {
	// type of the entity.
	// +required
	Type EntityType `json:"type,omitempty"`

	// value names the entity: namespace/name for namespaced Kubernetes objects
	// (kind/namespace/name for Workload, resource.group/namespace/name for
	// KubernetesObject), the plain value for everything else.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Value string `json:"value,omitempty"`

	// role the entity plays in the alert.
	// +optional
	// +kubebuilder:default=Related
	Role EntityRole `json:"role,omitempty"`
}

// Key identifies the entity across alerts, whatever its role.
func (e Entity) Key() string { return string(e.Type) + ":" + e.Value }

// Field is the name of the entity in CEL: Pod is entities.pod, IP is entities.ip.
func (t EntityType) Field() string {
	if t == EntityIP || t == EntityURL {
		return strings.ToLower(string(t))
	}
	return strings.ToLower(string(t[:1])) + string(t[1:])
}
