package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
	"github.com/tocsin-dev/tocsin/internal/audit"
)

// told is what Tocsin's log says of an action's execution.
type told struct {
	intents, results int
	outcomes         map[any]bool
}

// once checks that the isolation and the removal were done once each, however often
// the operator was killed: Tocsin's log says so, and so does the API server's.
func (p *play) once(ctx context.Context, log string) error {
	said := map[string]*told{}
	for _, operation := range []string{opIsolate, opRemoveBinding} {
		said[p.contain[operation].Name] = &told{outcomes: map[any]bool{}}
	}
	for e, err := range audit.Entries(log) {
		if err != nil {
			return err
		}
		switch of := said[e.Action]; {
		case of == nil:
		case e.Type == audit.TypeIntent:
			of.intents++
		case e.Type == audit.TypeResult:
			of.results++
			of.outcomes[e.Data["outcome"]] = true
		}
	}
	for name, s := range said {
		if err := s.contradicts(p.operator.died()); err != nil {
			return fmt.Errorf("the log of %s: %w", name, err)
		}
	}
	return p.didOnce(ctx)
}

// contradicts: who is killed after it logged something, and before it wrote down
// that it did, logs the same again.
func (t *told) contradicts(deaths int) error {
	if t.intents == 0 || t.results == 0 || t.intents > 1+deaths || t.results > 1+deaths || len(t.outcomes) != 1 || !t.outcomes["Succeeded"] {
		return fmt.Errorf("%d intents and %d results %v; there must be one each, with the outcome Succeeded", t.intents, t.results, t.outcomes)
	}
	return nil
}

// didOnce asks a witness that knows nothing of Tocsin.
func (p *play) didOnce(ctx context.Context) error {
	err := lab.Eventually(ctx, 30*time.Second, "the API server to have logged one isolation and one removal", func(context.Context) (bool, string, error) {
		requests, err := p.requests.Since()
		if err != nil {
			return false, "", err
		}
		isolated, removed := 0, 0
		for _, r := range requests {
			switch {
			case !r.Write() || r.Status.Code >= http.StatusBadRequest:
			case r.Verb == "create" && r.Object.Resource == "networkpolicies" && r.Object.Namespace == "shop":
				isolated++
			case r.Verb == "delete" && r.Object.Resource == "clusterrolebindings" && r.Object.Name == attackersBinding:
				removed++
			}
		}
		return isolated == 1 && removed == 1, fmt.Sprintf("%d NetworkPolicies created in shop, ClusterRoleBinding %s deleted %d times", isolated, attackersBinding, removed), nil
	})
	if err != nil {
		return err
	}
	p.say("the isolation and the removal have their intent and their result in the log, and the API server's own log has one creation and one deletion")
	return nil
}
