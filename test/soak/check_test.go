package soak_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// figures of a soak.
type figures struct {
	standings map[string]int
	// again: done again since somebody had taken it back before the operator saw it.
	intents, writes, again int
	// captured before a pod was deleted.
	captured int
}

// check counts what must never happen, from the log and what reached the API server.
func (s *soak) check(kills int) {
	s.watched = s.cluster.Client // what counts is what is stored
	for _, name := range s.open(context.Background()) {
		s.t.Errorf("lost: %s", name)
	}
	f := figures{standings: map[string]int{}}
	ballots := s.ballots()
	all := map[string]v1alpha1.ResponseAction{}
	for _, a := range s.actions(context.Background()) {
		all[a.Name] = a
	}
	for _, a := range all {
		f.standings[response.Standing(&a)]++
		if response.Standing(&a) == v1alpha1.ReasonUnknown {
			s.t.Logf("%s is left to a human: %s", a.Name, a.Status.Result.Message)
		}
		s.checkLogged(&a)
		intents, steps := s.ledger.intents(string(a.UID))
		f.intents += len(intents)
		for i := range intents {
			s.checkAuthority(&a, &intents[i], ballots)
		}
		writes := s.writesOf(string(a.UID))
		f.writes += len(writes)
		f.again += s.checkOnce(&a, writes, steps)
		s.checkTold(&a, writes)
		if s.checkEvidence(&a, intents, all) {
			f.captured++
		}
	}
	s.t.Logf("%d actions, %d kills, %d edits, %d entries, %d intents, %d writes, %d made again after somebody had taken them back, %d pods deleted after their evidence was kept; %v",
		len(all), kills, len(s.ledger.edits), len(s.ledger.entries), f.intents, f.writes, f.again, f.captured, f.standings)
	each := 1 / float64(len(all))
	s.t.Logf("an action: %.1f reads and %.1f other requests, those of every start included; %.2f s",
		each*float64(s.ledger.reads), each*float64(s.ledger.others), each*time.Since(s.began).Seconds())
}

func (s *soak) writesOf(key string) []write {
	return slices.DeleteFunc(slices.Clone(s.ledger.writes), func(w write) bool { return w.key != key })
}

// checkLogged: what ended is in the log.
func (s *soak) checkLogged(a *v1alpha1.ResponseAction) {
	result := a.Status.Result
	if result == nil || result.LogIndex == nil {
		return // open says so
	}
	e := s.ledger.entries[*result.LogIndex]
	if e.Data["uid"] != string(a.UID) || e.Type != audit.TypeResult && e.Type != audit.TypeUndo {
		s.t.Errorf("%s: its result is not in the log, but %+v", a.Name, e)
	}
}

// ballots are the people who approved a plan, by action and digest.
func (s *soak) ballots() map[string]map[string]bool {
	var list v1alpha1.ApprovalList
	s.must(s.cluster.Client.List(context.Background(), &list, client.InNamespace(s.namespace)))
	by := map[string]map[string]bool{}
	for _, a := range list.Items {
		if a.Spec.Decision == v1alpha1.Approve {
			key := a.Spec.Action + a.Spec.PlanDigest
			if by[key] == nil {
				by[key] = map[string]bool{}
			}
			by[key][a.Spec.Approver] = true
		}
	}
	return by
}

// checkAuthority: the plan that is about to be executed has the approvals that it needs, and no denial.
func (s *soak) checkAuthority(a *v1alpha1.ResponseAction, intent *audit.Entry, ballots map[string]map[string]bool) {
	d := demanded(a.Name)
	if d.Outcome == v1alpha1.DecisionDeny || len(ballots[a.Name+intent.Digest]) < int(d.Approvals) {
		s.t.Errorf("%s: executed without authority: %s by %v", a.Name, d.Outcome, slices.Collect(maps.Keys(ballots[a.Name+intent.Digest])))
	}
	for _, denial := range s.ledger.denials {
		if d.Approvals > 0 && denial.action == a.Name && denial.digest == intent.Digest && denial.at.Before(intent.Time) {
			s.t.Errorf("%s: executed although it was denied", a.Name)
		}
	}
}

// checkOnce: each write came after an intent, and was made once. It returns how often one was
// made again because a person had changed the object in between.
func (s *soak) checkOnce(a *v1alpha1.ResponseAction, writes []write, intents []int) (again int) {
	made := map[string]int{}
	for _, w := range writes {
		if !slices.ContainsFunc(intents, func(step int) bool { return step < w.step }) {
			s.t.Errorf("%s: %s %s without an intent before", a.Name, w.method, w.path)
		}
		what := w.method + " " + w.path
		if before, twice := made[what]; twice {
			if s.ledger.touched(w.path, before, w.step) {
				again++
			} else {
				s.t.Errorf("%s: %s was done twice, at %d and %d: %s", a.Name, what, before, w.step, s.history(string(a.UID), w.path))
			}
		}
		made[what] = w.step
	}
	return again
}

// history of an object and an action, for whoever looks into a failure.
func (s *soak) history(key, path string) string {
	var b strings.Builder
	_, steps := s.ledger.intents(key)
	fmt.Fprintf(&b, "intents at %v;", steps)
	for _, w := range s.ledger.writes {
		if w.path == path {
			fmt.Fprintf(&b, " %s by %s at %d;", w.method, w.key, w.step)
		}
	}
	return b.String()
}

// checkTold: what is said not to have been done left nothing behind.
func (s *soak) checkTold(a *v1alpha1.ResponseAction, writes []write) {
	if a.Status.Result == nil || a.Status.Result.Outcome != v1alpha1.OutcomeFailed && a.Status.Result.Outcome != v1alpha1.OutcomeSkipped {
		return
	}
	left := 0
	for _, w := range writes {
		if w.method == "DELETE" && left > 0 {
			left-- // what it had made
			continue
		}
		left++
	}
	if left > 0 {
		s.t.Errorf("%s: %s (%s) after %+v", a.Name, a.Status.Result.Outcome, a.Status.Result.Message, writes)
	}
}
