package memory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/activity"
)

const (
	relatedWindow = time.Hour
	rolloutSpan   = 10 * time.Minute
)

// ask answers one operation; the arguments fit its schema.
type ask func(ctx context.Context, m *Memory, arguments map[string]any) (map[string]any, error)

var asks = map[string]ask{
	"related-events":      relatedEvents,
	"novelty":             novelty,
	"recurrence":          recurrence,
	"unfamiliar":          unfamiliar,
	"origin":              origin,
	"departures":          departures,
	"process-novelty":     processNovelty,
	"destination-novelty": destinationNovelty,
	"image-novelty":       imageNovelty,
	"rate":                rate,
	"rule-history":        ruleHistory,
	"automation":          automation,
	"rollout":             rollout,
}

func relatedEvents(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	since := m.now().Add(-relatedWindow)
	if _, ok := arguments["since"]; ok {
		var err error
		if since, err = moment(arguments, "since"); err != nil {
			return nil, err
		}
	}
	s := m.activity.Related(m.namespace, texts(arguments["entities"]), since)
	events := make([]any, 0, len(s.Events))
	for _, b := range s.Events {
		events = append(events, brief(b))
	}
	return map[string]any{
		"count": int64(s.Count), "denied": int64(s.Denied), "alerts": int64(s.Alerts),
		"rules": orEmpty(s.Rules), "unusual": orEmpty(s.Unusual), "verbs": orEmpty(s.Verbs), "events": events,
	}, nil
}

func brief(b activity.Brief) map[string]any {
	return map[string]any{
		"at": stamp(b.At), "actor": b.Actor, "verb": b.Verb, "resource": b.Resource,
		"namespace": b.Namespace, "name": b.Name, "code": int64(b.Code), "rule": b.Rule,
	}
}

func novelty(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	before, err := moment(arguments, "before")
	if err != nil {
		return nil, err
	}
	n := m.activity.Novelty(m.namespace, text(arguments, "actor"), text(arguments, "verb"), text(arguments, "resource"), text(arguments, "namespace"), before)
	answer := familiarity(n.Familiarity)
	answer["actorSeenBefore"], answer["actorFirstSeen"] = n.ActorSeenBefore, stamp(n.ActorFirstSeen)
	answer["settled"] = n.Settled
	answer["refused"], answer["elsewhere"], answer["kindred"], answer["deployer"] = n.Refused, n.Elsewhere, n.Kindred, n.Deployer
	return answer, nil
}

func familiarity(f activity.Familiarity) map[string]any {
	return map[string]any{
		"seenBefore": f.SeenBefore, "count": int64(f.Count), "hours": int64(f.Hours), "firstSeen": stamp(f.FirstSeen),
		"knownHours": f.Known.Hours(), "baselineHours": f.BaselineAge.Hours(), "crowded": f.Crowded, "usual": f.Usual(),
	}
}

func processNovelty(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	before, err := moment(arguments, "before")
	if err != nil {
		return nil, err
	}
	found, ok := m.activity.Process(m.namespace, subject(arguments), text(arguments, "process"), before)
	return workloadAnswer(found, ok), nil
}

func destinationNovelty(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	before, err := moment(arguments, "before")
	if err != nil {
		return nil, err
	}
	found, ok := m.activity.Destination(m.namespace, subject(arguments), text(arguments, "destination"), before)
	answer := workloadAnswer(found, ok)
	if answer != nil {
		answer["outside"] = found.Outside
	}
	return answer, nil
}

func subject(arguments map[string]any) activity.Subject {
	return activity.Subject{Pod: text(arguments, "pod"), Workload: text(arguments, "workload")}
}

// workloadAnswer is none where memory knows nothing of the kind.
func workloadAnswer(found activity.OfWorkload, ok bool) map[string]any {
	if !ok {
		return nil
	}
	answer := familiarity(found.Familiarity)
	answer["workload"], answer["guessed"], answer["workloadSeenBefore"] = found.Workload, found.Guessed, found.WorkloadSeenBefore
	return answer
}

func imageNovelty(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	before, err := moment(arguments, "before")
	if err != nil {
		return nil, err
	}
	inNamespace := text(arguments, "namespace")
	found, ok := m.activity.Image(m.namespace, inNamespace, text(arguments, "image"), before)
	if !ok {
		return nil, nil
	}
	answer := familiarity(found.Familiarity)
	answer["namespace"], answer["image"], answer["registry"] = inNamespace, found.Repository, found.RegistryName
	answer["namespaceNew"] = found.NamespaceNew
	answer["registrySeenBefore"], answer["registryKnownHours"] = found.Registry.SeenBefore, found.Registry.Known.Hours()
	return answer, nil
}

func rate(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	at, err := moment(arguments, "at")
	if err != nil {
		return nil, err
	}
	r, ok := m.activity.Rate(m.namespace, text(arguments, "actor"), at)
	if !ok {
		return nil, nil
	}
	return map[string]any{
		"requests": int64(r.Requests), "denied": int64(r.Denied),
		"usual": r.Usual, "peak": r.Peak, "peakDenied": r.PeakDenied, "spans": r.Spans,
	}, nil
}

func automation(ctx context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	declared, err := m.automation.KnownAutomation(ctx, m.namespace)
	if err != nil {
		return nil, fmt.Errorf("known automation of namespace %s: %w", m.namespace, err)
	}
	for _, known := range declared {
		if known.User != text(arguments, "actor") {
			continue
		}
		namespace := text(arguments, "namespace")
		expected := slices.Contains(known.Namespaces, "*") || slices.Contains(known.Namespaces, namespace)
		return map[string]any{"declared": true, "expectedNamespace": expected, "reason": known.Reason}, nil
	}
	return map[string]any{"declared": false, "expectedNamespace": false, "reason": ""}, nil
}

func rollout(_ context.Context, m *Memory, arguments map[string]any) (map[string]any, error) {
	at, err := moment(arguments, "at")
	if err != nil {
		return nil, err
	}
	r := m.activity.Rollout(m.namespace, text(arguments, "actor"), text(arguments, "namespace"), at, rolloutSpan)
	return map[string]any{"found": len(r.Workloads) > 0, "workloads": orEmpty(r.Workloads), "alsoSteady": r.Steady}, nil
}

func text(arguments map[string]any, name string) string {
	s, _ := arguments[name].(string)
	return s
}

func texts(value any) []string {
	if list, ok := value.([]string); ok {
		return list
	}
	var found []string
	items, _ := value.([]any)
	for _, item := range items {
		if s, ok := item.(string); ok {
			found = append(found, s)
		}
	}
	return found
}

func moment(arguments map[string]any, name string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, text(arguments, name))
	if err != nil {
		return t, fmt.Errorf("%w: argument %s: must be a time such as 2006-01-02T15:04:05Z, not %q", connectors.ErrInvalid, name, text(arguments, name))
	}
	return t, nil
}

// stamp is a time as text, and empty for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func orEmpty(list []string) []any {
	items := make([]any, 0, len(list))
	for _, s := range list {
		items = append(items, s)
	}
	return items
}
