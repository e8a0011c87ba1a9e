package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// logged returns what the log says was decided on: of each action the last time.
func (r *replay) logged() ([]policy.Past, []skipped, error) {
	last, why := map[string]policy.Past{}, map[string]skipped{}
	for e, err := range audit.Entries(r.log) {
		if err != nil {
			return nil, nil, fmt.Errorf("--log: %s holds no audit log that can be read: %w", r.log, err)
		}
		if e.Type != audit.TypeDecision && e.Type != audit.TypeIntent || e.Time.Before(r.since) || !r.concerns(e.Namespace) {
			continue
		}
		key := fmt.Sprint(e.Namespace, "/", e.Action, "/", e.Data["uid"])
		if p, problem := pastOf(e); problem == "" {
			last[key] = p
		} else {
			why[key] = skipped{Namespace: e.Namespace, Action: e.Action, Why: problem}
		}
	}
	var found []policy.Past
	for key, p := range last {
		found = append(found, p)
		delete(why, key)
	}
	var left []skipped
	for _, key := range slices.Sorted(maps.Keys(why)) {
		left = append(left, why[key])
	}
	oldestFirst(found)
	return found, left, nil
}

// pastOf an entry, or why it does not tell.
func pastOf(e audit.Entry) (p policy.Past, problem string) {
	switch e.Data["input"].(type) {
	case map[string]any:
	case string:
		return p, "what was decided on was too large for the log, which has its digest only"
	default:
		return p, "its entry does not hold what was decided on"
	}
	p = policy.Past{Namespace: e.Namespace, Action: e.Action, Time: e.Time, Decided: &v1alpha1.Decision{}}
	if into(e.Data["input"], &p.Input) != nil {
		return p, "what was decided on cannot be read"
	}
	if into(e.Data["decision"], p.Decided) != nil {
		p.Decided = nil // too large for the log
	}
	return p, ""
}

func into(value, target any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, target)
}
