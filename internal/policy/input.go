package policy

import (
	"encoding/json"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// Input is the document that policies decide on; docs/policy-input.md describes
// it for their authors. Fields are added, never changed or removed, within an
// API version. Lists and maps may be empty but are never null.
type Input struct {
	APIVersion    string        `json:"apiVersion"`
	Action        Action        `json:"action"`
	Plan          Plan          `json:"plan"`
	Investigation Investigation `json:"investigation"`
	Target        Target        `json:"target"`
	Time          Time          `json:"time"`
}

// Action is the ResponseAction that is decided on.
type Action struct {
	Name      string                 `json:"name"`
	Namespace string                 `json:"namespace"`
	Connector string                 `json:"connector"`
	Operation string                 `json:"operation"`
	Risk      v1alpha1.Risk          `json:"risk"`
	Undo      v1alpha1.OperationUndo `json:"undo"`
	// Arguments as the operation's schema allows them.
	Arguments   map[string]any `json:"arguments"`
	RequestedBy string         `json:"requestedBy"`
	Reason      string         `json:"reason"`
	// Investigation names the case; empty for an action outside one.
	Investigation string `json:"investigation"`
}

// Plan is what the action will change.
type Plan struct {
	Digest   string     `json:"digest"`
	Summary  string     `json:"summary"`
	Target   PlanTarget `json:"target"`
	Warnings []string   `json:"warnings"`
	Reach    Reach      `json:"reach"`
}

// Reach is how much of what serves the plan takes away; all 0 for nothing.
type Reach struct {
	// Pods of Workloads that serve and are taken away.
	Pods      int32 `json:"pods"`
	Workloads int32 `json:"workloads"`
	// Percent of its pods that the workload loses which loses the largest share.
	Percent int32 `json:"percent"`
}

// PlanTarget is the object that will be changed; Namespace is empty for cluster-scoped ones.
type PlanTarget struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace"`
	Name       string `json:"name"`
	UID        string `json:"uid"`
}

// within is the namespace that the target is in or is; empty for other cluster-scoped ones.
func (t PlanTarget) within() string { return response.NamespaceOf(v1alpha1.TargetReference(t)) }

// Investigation is the case that the action belongs to; all empty outside a case.
type Investigation struct {
	Name string `json:"name"`
	// Verdict is that of a human who graded the case, unless they ask for the action
	// themselves, or else the analyst's.
	Verdict v1alpha1.Verdict `json:"verdict"`
	// GradedBy is who gave the verdict; empty if it is the analyst's.
	GradedBy string `json:"gradedBy"`
	// ProbabilityPermille is 0 to 1000.
	ProbabilityPermille int32                `json:"probabilityPermille"`
	Severity            v1alpha1.Severity    `json:"severity"`
	Priority            v1alpha1.Priority    `json:"priority"`
	Techniques          []v1alpha1.Technique `json:"techniques"`
	Entities            []v1alpha1.Entity    `json:"entities"`
}

// Target is what is known of the target's surroundings.
type Target struct {
	// NamespaceLabels of the target's namespace.
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	// Criticality is low, medium, high, critical, or empty where nobody said.
	Criticality string `json:"criticality"`
}

// Time is when the decision is made, in UTC.
type Time struct {
	RFC3339 string `json:"rfc3339"`
	// Weekday is Monday to Sunday.
	Weekday string `json:"weekday"`
	// Hour is 0 to 23.
	Hour int `json:"hour"`
}

// NewTime tells policies the time, so that they need no clock.
func NewTime(now time.Time) Time {
	now = now.UTC()
	return Time{RFC3339: now.Format(time.RFC3339), Weekday: now.Weekday().String(), Hour: now.Hour()}
}

// Document is the input as policies get it, in plain JSON values.
func (in Input) Document() (map[string]any, error) {
	raw, err := json.Marshal(in.complete())
	if err != nil {
		return nil, err
	}
	var document map[string]any
	return document, json.Unmarshal(raw, &document)
}

// complete fills in the version and replaces null by empty, so that no policy
// goes undefined over a field that happens to be absent.
func (in Input) complete() Input {
	in.APIVersion = v1alpha1.GroupVersion.String()
	if in.Action.Arguments == nil {
		in.Action.Arguments = map[string]any{}
	}
	if in.Plan.Warnings == nil {
		in.Plan.Warnings = []string{}
	}
	if in.Investigation.Techniques == nil {
		in.Investigation.Techniques = []v1alpha1.Technique{}
	}
	if in.Investigation.Entities == nil {
		in.Investigation.Entities = []v1alpha1.Entity{}
	}
	if in.Target.NamespaceLabels == nil {
		in.Target.NamespaceLabels = map[string]string{}
	}
	return in
}
