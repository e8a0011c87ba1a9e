package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

// milestones on the way from a POST to containment, in order. Each is the answer
// to a write of the operator, as the API server logged it, but the first and last.
var milestones = []string{"accepted", "alert", "case", "verdict", "action", "intent", "policy", "visible"}

// split tells where the time between POST and containment went, step by step.
func (b *bench) split(ctx context.Context, name string, seen map[string]*reaction, requests []lab.Request) error {
	trails, err := b.trails(ctx, seen, requests)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stderr, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "       step\tp50 ms\tp99 ms")
	for i, milestone := range milestones {
		var took []float64
		for pod, trail := range trails {
			before := seen[pod].posted
			if i > 0 {
				before = trail[i-1]
			}
			if !before.IsZero() && !trail[i].IsZero() {
				took = append(took, milliseconds(trail[i].Sub(before)))
			}
		}
		if len(took) == 0 {
			return fmt.Errorf("no request in the audit log led to %q", milestone)
		}
		fmt.Fprintf(w, "       %s\t%.1f\t%.1f\n", milestone, percentile(took, 50), percentile(took, 99))
		b.figures.set(name+milestone+"_p50_ms", percentile(took, 50))
	}
	return w.Flush()
}

// trails are the times of the milestones, by pod.
func (b *bench) trails(ctx context.Context, seen map[string]*reaction, requests []lab.Request) (map[string][]time.Time, error) {
	alerts, actions, err := b.chains(ctx)
	if err != nil {
		return nil, err
	}
	answered := map[string]time.Time{}
	for _, r := range requests {
		key := r.Verb + " " + r.Object.Resource + "/" + r.Object.Subresource + " " + r.Object.Name
		if _, known := answered[key]; !known && r.Write() && r.Status.Code < 300 {
			answered[key] = r.Answered.Time
		}
	}
	trails := map[string][]time.Time{}
	for pod, r := range seen {
		alert, action := alerts[pod], actions[pod]
		trails[pod] = []time.Time{
			r.accepted, answered["create alerts/ "+alert.name], answered["create investigations/ "+alert.investigation],
			answered["patch investigations/status "+alert.investigation], answered["create responseactions/ "+action.name],
			answered["update responseactions/status "+action.name], answered["create networkpolicies/ "+action.policy], r.policy,
		}
	}
	return trails, nil
}

type (
	alertOf  struct{ name, investigation string }
	actionOf struct{ name, policy string }
)

// chains are the objects that an event led to, by pod.
func (b *bench) chains(ctx context.Context) (map[string]alertOf, map[string]actionOf, error) {
	var alerts v1alpha1.AlertList
	if err := b.admin.List(ctx, &alerts, client.InNamespace(tenant)); err != nil {
		return nil, nil, err
	}
	alertByPod := map[string]alertOf{}
	for _, a := range alerts.Items {
		if a.Spec.Rule == miner.name {
			alertByPod[a.Spec.Attributes["k8s.pod.name"]] = alertOf{a.Name, a.Labels[v1alpha1.LabelInvestigation]}
		}
	}
	var actions v1alpha1.ResponseActionList
	if err := b.admin.List(ctx, &actions, client.InNamespace(tenant)); err != nil {
		return nil, nil, err
	}
	actionByPod := map[string]actionOf{}
	for _, a := range actions.Items {
		var inverse struct {
			Arguments struct {
				Policy string `json:"policy"`
			} `json:"arguments"`
		}
		if a.Status.Inverse == nil || a.Status.Plan == nil {
			continue
		}
		if err := json.Unmarshal(a.Status.Inverse.Raw, &inverse); err != nil {
			return nil, nil, fmt.Errorf("status.inverse of %s: %w", a.Name, err)
		}
		actionByPod[a.Status.Plan.Target.Name] = actionOf{a.Name, inverse.Arguments.Policy}
	}
	return alertByPod, actionByPod, nil
}
