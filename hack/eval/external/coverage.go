package external

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// FalcoRule is what a rule of Falco says of itself.
type FalcoRule struct {
	Source   string   `json:"source"`
	Rule     string   `json:"rule"`
	Priority string   `json:"priority"`
	Tags     []string `json:"tags"`
}

// ReadRules reads a rule of Falco a line.
func ReadRules(lines io.Reader) ([]FalcoRule, error) {
	var rules []FalcoRule
	err := eachLine(lines, func(line []byte) error {
		var r FalcoRule
		err := json.Unmarshal(line, &r)
		rules = append(rules, r)
		return err
	})
	return rules, err
}

// Coverage is how many rules of Falco something looks into beyond the questions that
// every alert gets.
type Coverage struct {
	Rules int `json:"rules"`
	// Playbook matches what such a rule sends; Detection is a shipped rule that sees the same itself.
	Playbook  int `json:"playbook"`
	Detection int `json:"detection"`
	// Neither are those that get the universal questions only.
	Neither []string `json:"neither,omitempty"`
}

// Cover tries what each rule would send on playbooks. The mapping knows which rules have an equivalent.
func Cover(rules []FalcoRule, books []*playbook.Playbook, mapping Mapping) (Coverage, error) {
	decoder, err := decode.New(&v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco})
	if err != nil {
		return Coverage{}, err
	}
	c := Coverage{Rules: len(rules)}
	for _, r := range rules {
		body, err := json.Marshal(r.event())
		if err != nil {
			return c, err
		}
		batch := decoder.Decode(body, time.Unix(0, 0))
		for _, f := range batch.Failures {
			return c, fmt.Errorf("rule %s: %w", r.Rule, f.Err)
		}
		looked, err := looked(batch.Alerts, books)
		if err != nil {
			return c, fmt.Errorf("rule %s: %w", r.Rule, err)
		}
		equivalent := len(mapping.Rules[r.Rule].Shipped) > 0
		if looked {
			c.Playbook++
		}
		if equivalent {
			c.Detection++
		}
		if !looked && !equivalent {
			c.Neither = append(c.Neither, r.Source+": "+r.Rule)
		}
	}
	return c, nil
}

func looked(alerts []v1alpha1.AlertSpec, books []*playbook.Playbook) (bool, error) {
	for _, spec := range alerts {
		alert := playbook.NewAlert(&v1alpha1.Alert{Spec: spec}, v1alpha1.FormatFalco)
		for _, b := range books {
			if matches, err := b.Matches(alert); matches || err != nil {
				return matches, err
			}
		}
	}
	return false, nil
}

// event is the least that Falco sends of a rule: where it was seen, or who did it.
func (r FalcoRule) event() map[string]any {
	fields := map[string]any{"k8s.ns.name": "any", "k8s.pod.name": "pod"}
	switch {
	case r.Source == "k8s_audit":
		fields = map[string]any{"ka.user.name": "any", "ka.target.namespace": "any", "ka.target.name": "name"}
	case r.Source == "aws_cloudtrail":
		fields = map[string]any{"ct.user": "any"}
	case r.Source == "okta":
		fields = map[string]any{"okta.actor.alternateID": "any@example.com"}
	case slices.Contains(r.Tags, "host") && !slices.Contains(r.Tags, "container"):
		fields = map[string]any{"proc.name": "any"}
	}
	return map[string]any{
		"rule": r.Rule, "priority": r.Priority, "source": r.Source, "tags": r.Tags, "hostname": "node", "output": r.Rule, "output_fields": fields,
	}
}
