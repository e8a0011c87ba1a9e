package trial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/controllers/investigation"
	"github.com/tocsin-dev/tocsin/hack/eval/scenario"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/correlate"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// Case is an investigation that came of a scenario.
type Case struct {
	Name   string
	Alerts []v1alpha1.Alert
	Status v1alpha1.InvestigationStatus
	// Escalated: a human has to look.
	Escalated bool
	Took      time.Duration
}

// Play plays a scenario and returns its cases, the most suspicious first. The error
// names the scenario, and the object or event that is wrong.
func (c *Court) Play(ctx context.Context, s *scenario.Scenario) (cases []Case, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("scenario %s: %w", s.Name, err)
		}
	}()
	c.broken = nil
	st, err := c.set(ctx, s)
	defer func() { err = errors.Join(err, st.strike(context.WithoutCancel(ctx))) }()
	if err != nil {
		return nil, err
	}
	began := time.Now().Add(-s.Length()).Truncate(time.Millisecond)
	w := &witness{memory: activity.New(activity.DefaultLimits), cases: correlate.NewIndex()}
	w.cases.SetAutomation(tenant, automation(s))
	for source := range formats { // as old as what is remembered
		w.memory.Connected(tenant, source, time.Time{})
	}
	if err := c.remember(w, s, began); err != nil {
		return nil, err
	}
	alerts, err := c.observe(w, s, began)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(c.broken...); err != nil {
		return nil, err
	}
	return c.investigate(ctx, s, w, alerts)
}

// automation are the users that the tenant declares as such.
func automation(s *scenario.Scenario) []string {
	var users []string
	if s.Analyst != nil {
		for _, known := range s.Analyst.KnownAutomation {
			users = append(users, known.User)
		}
	}
	return users
}

// witness is what sees every event, whether it makes an alert or not.
type witness struct {
	memory *activity.Memory
	cases  *correlate.Index
}

func (w *witness) see(source string, batch decode.Batch) {
	for _, event := range batch.Events {
		w.memory.Record(tenant, event.Object, event.At)
		w.cases.Observe(tenant, event.Object, event.At)
	}
	for i := range batch.Alerts {
		batch.Alerts[i].Source = source
		w.memory.RecordAlert(tenant, batch.Alerts[i])
	}
}

// past is one event of a series of the history.
type past struct {
	series int
	at     time.Time
}

// pasts are the events of the history in the order in which they came.
func pasts(s *scenario.Scenario, began time.Time) []past {
	var all []past
	for i, series := range s.History {
		for at := began.Add(-series.For.Duration); at.Before(began.Add(-series.Every.Duration / 2)); at = at.Add(series.Every.Duration) {
			all = append(all, past{series: i, at: at})
		}
	}
	slices.SortStableFunc(all, func(a, b past) int { return a.at.Compare(b.at) })
	return all
}

// remember lets the witness see what happened before.
func (c *Court) remember(w *witness, s *scenario.Scenario, began time.Time) error {
	for _, p := range pasts(s, began) {
		source, batch, err := c.decode(s.History[p.series].Observation, fmt.Sprintf("past-%d-%d", p.series, p.at.UnixNano()), p.at)
		if err != nil {
			return fmt.Errorf("history[%d]: %w", p.series, err)
		}
		w.see(source, batch)
		c.fired(w, source, p.at, &batch)
	}
	return nil
}

// observe takes the events in, in the order in which they come, as the pipeline does.
func (c *Court) observe(w *witness, s *scenario.Scenario, began time.Time) ([]v1alpha1.Alert, error) {
	var alerts []v1alpha1.Alert
	known := map[string]int{}
	for i, o := range s.Events {
		for n := range max(o.Times, 1) {
			at := began.Add(o.After.Duration + time.Duration(n)*o.Every.Duration)
			source, batch, err := c.decode(o.Observation, fmt.Sprintf("event-%d-%d", i, n), at)
			if err != nil {
				return nil, fmt.Errorf("events[%d]: %w", i, err)
			}
			w.see(source, batch)
			for _, spec := range c.fired(w, source, at, &batch) {
				if at, ok := known[spec.Fingerprint]; ok {
					alerts[at].Status.Count++
					alerts[at].Status.LastSeen = spec.FirstSeen
					continue
				}
				known[spec.Fingerprint] = len(alerts)
				alert := v1alpha1.Alert{
					ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: ingest.AlertName(spec)}, Spec: spec, Status: v1alpha1.AlertStatus{Count: 1},
				}
				name, _ := w.cases.Join(tenant, alert.Name, spec)
				alert.Labels = map[string]string{v1alpha1.LabelInvestigation: name}
				alerts = append(alerts, alert)
			}
		}
	}
	return alerts, nil
}

// fired are the alerts that come of what a sensor sent; memory sees each.
func (c *Court) fired(w *witness, source string, at time.Time, batch *decode.Batch) []v1alpha1.AlertSpec {
	specs := ingest.Specs(c.detections, tenant, source, at, batch)
	for _, spec := range specs {
		w.memory.RecordFiring(tenant, spec)
	}
	return specs
}

func (c *Court) decode(o scenario.Observation, id string, at time.Time) (string, decode.Batch, error) {
	source, body, err := o.Body(id, at)
	if err != nil {
		return source, decode.Batch{}, err
	}
	clean, err := ingest.Clean(body)
	if err != nil {
		return source, decode.Batch{}, err
	}
	batch := c.decoders[formats[source]].Decode(clean, at)
	for _, f := range batch.Failures {
		return source, batch, f.Err
	}
	return source, batch, nil
}

// investigate has each case investigated.
func (c *Court) investigate(ctx context.Context, s *scenario.Scenario, w *witness, alerts []v1alpha1.Alert) ([]Case, error) {
	byCase := map[string][]v1alpha1.Alert{}
	var order []string
	for _, a := range alerts {
		name := w.cases.Root(tenant, a.Labels[v1alpha1.LabelInvestigation])
		if byCase[name] == nil {
			order = append(order, name)
		}
		byCase[name] = append(byCase[name], a)
	}
	investigator, err := c.investigator(s, w.memory)
	if err != nil {
		return nil, err
	}
	var cases []Case
	for _, name := range order {
		subject := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: name, UID: types.UID(name)}}
		began := time.Now()
		status, reason, err := investigator.Investigate(ctx, subject, byCase[name])
		if err != nil {
			return nil, fmt.Errorf("case %s: %w", name, err)
		}
		cases = append(cases, Case{Name: name, Alerts: byCase[name], Status: status, Escalated: reason != "", Took: time.Since(began)})
	}
	return worstFirst(cases), nil
}

func (c *Court) investigator(s *scenario.Scenario, remembered *activity.Memory) (*investigation.Investigator, error) {
	answers := records{scenario: s}
	registry := connectors.NewRegistry(func(namespace string) connectors.Asker {
		return memory.New(namespace, remembered, answers, answers, time.Now)
	})
	registry.Set(tenant, "cluster", c.cluster)
	books, err := c.books(registry)
	if err != nil {
		return nil, err
	}
	return &investigation.Investigator{
		Reader: c.admin, Registry: registry, Playbooks: books, Log: nowhere{}, Archive: nowhere{}, Now: time.Now,
		Ready: func(context.Context) error { return nil },
	}, nil
}

func (c *Court) books(registry *connectors.Registry) (shelf, error) {
	var books shelf
	for _, p := range c.playbooks {
		compiled, err := playbook.Compile(p.Name, p.Spec, registry.Catalog(tenant))
		if err != nil {
			return nil, fmt.Errorf("playbook %s: %w", p.Name, err)
		}
		books = append(books, compiled)
	}
	return books, nil
}

// Playbooks that ship, ready to be matched.
func (c *Court) Playbooks() ([]*playbook.Playbook, error) {
	registry := connectors.NewRegistry(func(namespace string) connectors.Asker {
		return memory.New(namespace, nil, nil, nil, time.Now)
	})
	registry.Set(tenant, "cluster", c.cluster)
	return c.books(registry)
}

// shelf holds the playbooks in force.
type shelf []*playbook.Playbook

func (s shelf) For(string) []*playbook.Playbook { return s }

// nowhere stands in for the audit log and the archive: a trial leaves nothing behind.
type nowhere struct{}

func (nowhere) Append(context.Context, audit.Entry) (int64, error) { return 0, nil }

func (nowhere) PutBlobs(context.Context, ...[]byte) error { return nil }

func (nowhere) PutCase(context.Context, archive.Case, []string) (bool, error) { return false, nil }

func (nowhere) Agreement(context.Context) ([]archive.Agreement, error) { return nil, nil }

// records answers from the scenario what the operator answers from its objects.
type records struct{ scenario *scenario.Scenario }

func (r records) RuleHistory(_ context.Context, _, rule, _ string) (archive.RuleHistory, error) {
	var h archive.RuleHistory
	today := time.Now().UTC().Truncate(24 * time.Hour)
	for _, g := range r.scenario.Grades {
		if g.Rule != rule {
			continue
		}
		h.Grades = []archive.Grades{
			{Day: today, Verdict: v1alpha1.TruePositive, Cases: int64(g.TruePositives)},
			{Day: today, Verdict: v1alpha1.BenignPositive, Cases: int64(g.BenignPositives)},
			{Day: today, Verdict: v1alpha1.FalsePositive, Cases: int64(g.FalsePositives)},
		}
		h.Fired = int64(g.TruePositives + g.BenignPositives + g.FalsePositives)
	}
	return h, nil
}

func (r records) KnownAutomation(context.Context, string) ([]v1alpha1.KnownAutomation, error) {
	if r.scenario.Analyst == nil {
		return nil, nil
	}
	return r.scenario.Analyst.KnownAutomation, nil
}

// worstFirst orders cases by how suspicious they are.
func worstFirst(cases []Case) []Case {
	slices.SortStableFunc(cases, func(a, b Case) int { return cmp.Compare(*b.Status.Score, *a.Status.Score) })
	return cases
}
