package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/detect"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/playbook"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// traffic are audit events: those of a cluster at work, and one that a rule looks
// for; answers are what connectors would say of that one.
//
//go:embed manifests/traffic.json
var traffic []byte

// sample of traffic. One event in Quiet+1 makes an alert.
type sample struct {
	Quiet   []json.RawMessage         `json:"quiet"`
	Alert   json.RawMessage           `json:"alert"`
	Answers map[string]map[string]any `json:"answers"`
}

const quietShare = 99

// engines measures what is pure, on one core and without a cluster.
func (b *bench) engines(ctx context.Context) error {
	var s sample
	if err := json.Unmarshal(traffic, &s); err != nil {
		return fmt.Errorf("manifests/traffic.json: %w", err)
	}
	alert, err := b.detection(s)
	if err != nil {
		return err
	}
	if err := b.verdict(s, alert); err != nil {
		return err
	}
	return b.decision(ctx)
}

// detection runs the shipped rules over events as ingest decodes them, and returns
// the alert of the one event that a rule looks for.
func (b *bench) detection(s sample) (*v1alpha1.Alert, error) {
	rules, err := shipped[v1alpha1.DetectionRule](b.lab.Root, "detections")
	if err != nil {
		return nil, err
	}
	var failed error
	engine := detect.NewEngine(time.Now, func(_, rule string, err error) { failed = fmt.Errorf("rule %s: %w", rule, err) })
	for i := range rules {
		compiled, err := detect.Compile(&rules[i])
		if err != nil {
			return nil, err
		}
		engine.Set(tenant, rules[i].Name, compiled)
	}
	decoder, err := decode.New(&v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatKubernetesAudit})
	if err != nil {
		return nil, err
	}
	var bodies [][]byte
	for i := range quietShare {
		bodies = append(bodies, eventList(s.Quiet[i%len(s.Quiet)]))
	}
	bodies = append(bodies, eventList(s.Alert))
	var found []v1alpha1.AlertSpec
	read := func(body []byte) map[string]any {
		return decoder.Decode(body, time.Now()).Events[0].Object
	}
	decoded := make([]map[string]any, len(bodies))
	for i, body := range bodies {
		decoded[i] = read(body)
	}
	b.figures.set("detect_events_per_s", perSecond(func(i int) { found = engine.Detect(tenant, decoded[i%len(decoded)]) }))
	b.figures.set("decode_and_detect_events_per_s", perSecond(func(i int) { found = engine.Detect(tenant, read(bodies[i%len(bodies)])) }))
	found = engine.Detect(tenant, read(bodies[quietShare]))
	if len(found) != 1 || failed != nil {
		return nil, fmt.Errorf("%d alerts of an event that one rule looks for: %w", len(found), failed)
	}
	alert := &v1alpha1.Alert{Spec: found[0]}
	alert.Name = "measured"
	return alert, nil
}

// perSecond of processor time, so that what else the machine does counts less.
func perSecond(do func(i int)) float64 {
	const atLeast = time.Second
	began, n := processorTime(), 0
	for processorTime()-began < atLeast {
		for range 100 {
			do(n)
			n++
		}
	}
	return float64(n) / (processorTime() - began).Seconds()
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // its arguments are constant
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// verdict weighs the answers about one alert, with the shipped playbooks.
func (b *bench) verdict(s sample, alert *v1alpha1.Alert) error {
	books, err := b.playbooks()
	if err != nil {
		return err
	}
	conclude := func() (analyst.Conclusion, []playbook.Proposal, error) { return conclude(books, alert, s.Answers) }
	conclusion, proposals, err := conclude()
	if err != nil {
		return err
	}
	if conclusion.Verdict != v1alpha1.TruePositive || len(proposals) == 0 {
		return fmt.Errorf("verdict %s with %d proposals, expected TruePositive with some", conclusion.Verdict, len(proposals))
	}
	b.figures.set("verdict_us", median(2000, func() { _, _, err = conclude() }))
	return err
}

func (b *bench) playbooks() ([]*playbook.Playbook, error) {
	registry := connectors.NewRegistry(func(namespace string) connectors.Asker {
		return memory.New(namespace, activity.New(activity.DefaultLimits), nil, nil, time.Now)
	})
	cluster, err := kubernetes.New(&rest.Config{Host: "127.0.0.1"}, tenant, "responder", kubernetes.Options{})
	if err != nil {
		return nil, err
	}
	registry.Set(tenant, "cluster", cluster)
	universal, err := playbook.Universal("cluster", registry.Catalog(tenant))
	if err != nil {
		return nil, err
	}
	specs, err := shipped[v1alpha1.Playbook](b.lab.Root, "playbooks")
	if err != nil {
		return nil, err
	}
	books := []*playbook.Playbook{universal}
	for _, p := range specs {
		compiled, err := playbook.Compile(p.Name, p.Spec, registry.Catalog(tenant))
		if err != nil {
			return nil, err
		}
		books = append(books, compiled)
	}
	return books, nil
}

// conclude does what an investigation does between its answers and its verdict,
// from choosing the questions to the status and the proposals.
func conclude(books []*playbook.Playbook, alert *v1alpha1.Alert, known map[string]map[string]any) (analyst.Conclusion, []playbook.Proposal, error) {
	at := playbook.Context{Alert: playbook.NewAlert(alert, v1alpha1.FormatKubernetesAudit), Case: playbook.NewCase([]v1alpha1.AlertSpec{alert.Spec})}
	belief := analyst.Believe(alert.Name, analyst.NewRuleHistory(alert.Spec.Rule, alert.Spec.Severity, known[playbook.QuestionHistory]))
	facts := analyst.Facts{Alerts: []analyst.Belief{belief}, Injection: analyst.Injection(alert.Spec.Attributes)}
	var states []v1alpha1.QuestionStatus
	contexts := map[*playbook.Playbook]playbook.Context{}
	for _, p := range books {
		matches, err := p.Matches(at.Alert)
		if err != nil {
			return analyst.Conclusion{}, nil, err
		}
		if !matches {
			continue
		}
		asks, errs := p.Questions(at.Alert)
		context := at
		context.Answers = playbook.Answers{}
		for _, ask := range asks {
			if known[ask.Question] == nil {
				return analyst.Conclusion{}, nil, fmt.Errorf("manifests/traffic.json: no answer to %s", ask.ID)
			}
			context.Answers[ask.Question] = known[ask.Question]
		}
		for _, ask := range asks {
			findings, wrong := p.Weigh(ask, context)
			facts.Findings, errs = append(facts.Findings, findings...), append(errs, wrong...)
			states = append(states, v1alpha1.QuestionStatus{ID: ask.ID, Ask: ask.Ask, State: v1alpha1.QuestionAnswered})
		}
		if len(errs) > 0 {
			return analyst.Conclusion{}, nil, errs[0]
		}
		contexts[p] = context
	}
	conclusion := analyst.Weigh(facts)
	status := analyst.Assemble(analyst.Dossier{
		Alerts: []v1alpha1.Alert{*alert}, Questions: states, Conclusion: conclusion,
		Known:  analyst.Known([]map[string]any{known["vulnerabilities"]}, []map[string]any{known["policies"]}, []map[string]any{known["network"]}),
		Stakes: analyst.Stakes{Reach: analyst.Reach([]map[string]any{known[playbook.QuestionPermissions]})}, Analyst: "built-in",
	})
	var proposals []playbook.Proposal
	for p, context := range contexts {
		context.Verdict, context.Probability = status.Verdict, float64(*status.ProbabilityPermille)/1000
		found, errs := p.Propose(context)
		if len(errs) > 0 {
			return conclusion, nil, errs[0]
		}
		proposals = append(proposals, found...)
	}
	return conclusion, proposals, nil
}

// decision asks the shipped policy about an isolation.
func (b *bench) decision(ctx context.Context) error {
	policies, err := shipped[v1alpha1.ApprovalPolicy](b.lab.Root, "policies")
	if err != nil {
		return err
	}
	var candidates []policy.Candidate
	for _, p := range policies {
		compiled, err := policy.Compile(ctx, p.Name, p.Spec)
		if err != nil {
			return err
		}
		candidates = append(candidates, policy.NewCandidate(p.Name, p.Spec, compiled, nil))
	}
	in := policy.Input{
		Action: policy.Action{
			Name: "isolate-x2k", Namespace: tenant, Connector: "cluster", Operation: "isolate-pod", Risk: v1alpha1.RiskMedium,
			Arguments: map[string]any{"pod": "shop/web-0"}, RequestedBy: "playbook:shell-in-container",
		},
		Plan:          policy.Plan{Summary: "isolate pod shop/web-0", Target: policy.PlanTarget{Kind: "Pod", Namespace: "shop", Name: "web-0"}},
		Investigation: policy.Investigation{Techniques: []v1alpha1.Technique{"T1059", "T1611"}, Entities: make([]v1alpha1.Entity, 16)},
		Time:          policy.NewTime(time.Now()),
	}
	if d := policy.Decide(ctx, candidates, in); d.Outcome != v1alpha1.DecisionRequire {
		return fmt.Errorf("the shipped policy says %s of an isolation: %v", d.Outcome, d.Reasons)
	}
	b.figures.set("policy_decision_us", median(5000, func() { policy.Decide(ctx, candidates, in) }))
	return nil
}

// median time of one call, in microseconds.
func median(n int, do func()) float64 {
	took := make([]float64, n)
	for i := range took {
		began := time.Now()
		do()
		took[i] = float64(time.Since(began)) / float64(time.Microsecond)
	}
	return percentile(took, 50)
}

// shipped objects of one kind, from a folder of config.
func shipped[T any](root, folder string) ([]T, error) {
	files, err := filepath.Glob(filepath.Join(root, "config", folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(file string) bool { return filepath.Base(file) == "kustomization.yaml" })
	if len(files) == 0 {
		return nil, fmt.Errorf("config/%s: nothing is shipped", folder)
	}
	var all []T
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var object T
		if err := yaml.UnmarshalStrict(raw, &object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, object)
	}
	return all, nil
}

func eventList(event json.RawMessage) []byte {
	return slices.Concat([]byte(`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[`), event, []byte(`]}`))
}
