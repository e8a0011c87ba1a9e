// Package scenario holds situations whose right verdict is known: what a cluster
// looks like, what was usual in it, what is seen now, and what an analyst should say of it.
package scenario

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Scenario is one situation. docs/scenarios.md describes each field.
type Scenario struct {
	Name      string `json:"name"`
	About     string `json:"about"`
	Reference string `json:"reference,omitempty"`
	// Twin is the scenario that differs only in context, and has another answer.
	Twin string `json:"twin,omitempty"`
	// Cluster holds the objects that exist when the analyst asks.
	Cluster []map[string]any `json:"cluster,omitempty"`
	// Analyst is how the tenant configured its own.
	Analyst *v1alpha1.AnalystSpec `json:"analyst,omitempty"`
	// History is what Tocsin saw before, and Grades what humans said of earlier cases.
	History []Series `json:"history,omitempty"`
	Grades  []Grades `json:"grades,omitempty"`
	// Events are what happens.
	Events []Occurrence `json:"events"`
	Expect Expect       `json:"expect"`
	// AttackerNames are names of objects that the actor chose.
	AttackerNames []string `json:"attackerNames,omitempty"`
}

// Observation is one event of a sensor, as it sends it; one of the two is set.
type Observation struct {
	// Audit is an event of audit.k8s.io/v1; what is left out is filled in.
	Audit map[string]any `json:"audit,omitempty"`
	// Falco is an event of Falco's http_output; what is left out is filled in.
	Falco map[string]any `json:"falco,omitempty"`
}

// Series is an observation that came again and again, the last time one interval before the first of Events.
type Series struct {
	Observation `json:",inline"`
	Every       metav1.Duration `json:"every"`
	For         metav1.Duration `json:"for"`
}

// Occurrence is an observation some time after the start.
type Occurrence struct {
	Observation `json:",inline"`
	After       metav1.Duration `json:"after,omitempty"`
	// Times that it comes, each so long after the one before; 0 means once.
	Times int             `json:"times,omitempty"`
	Every metav1.Duration `json:"every,omitempty"`
}

// Grades of earlier cases of one rule.
type Grades struct {
	Rule            string `json:"rule"`
	TruePositives   int    `json:"truePositives,omitempty"`
	BenignPositives int    `json:"benignPositives,omitempty"`
	FalsePositives  int    `json:"falsePositives,omitempty"`
}

// Expect is the right answer.
type Expect struct {
	Verdict v1alpha1.Verdict `json:"verdict"`
	// Entities that the case must name, as Type:value.
	Entities []string `json:"entities,omitempty"`
	// Facts are regular expressions; each must match a line of the timeline, the evidence or the narrative.
	Facts []string `json:"facts,omitempty"`
}

// Attack says whether the right answer is that it is one.
func (s *Scenario) Attack() bool { return s.Expect.Verdict == v1alpha1.TruePositive }

// Length is how long after the start the last event comes.
func (s *Scenario) Length() time.Duration {
	var last time.Duration
	for _, o := range s.Events {
		last = max(last, o.After.Duration+time.Duration(max(o.Times-1, 0))*o.Every.Duration)
	}
	return last
}
