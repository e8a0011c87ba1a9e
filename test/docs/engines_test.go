package docs

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/internal/detect"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/lint"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/playbook"
	"github.com/tocsin-dev/tocsin/internal/policy"
)

// TestExamplesCompile: the engines accept what the API server does, and the
// examples' own tests pass.
func TestExamplesCompile(t *testing.T) {
	for _, e := range examples(t) {
		t.Run(e.String(), func(t *testing.T) {
			if err := compile(t, e); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestExamplesLintClean: what the pages show passes what they advise.
func TestExamplesLintClean(t *testing.T) {
	options := lint.Options{
		Factories: connectors.Factories{v1alpha1.ConnectorKubernetes: kubernetes.Factory(nowhere, nil)},
		Memory:    func(namespace string) connectors.Asker { return memory.New(namespace, nil, nil, nil, nil) },
		Now:       time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC), // the day that the pages tell of
	}
	for _, e := range examples(t) {
		report := lint.Lint(t.Context(), []lint.File{{Name: e.page, Data: e.raw}}, options)
		for _, f := range report.Findings {
			t.Errorf("%s: %s: %s: %s", e, f.Level, f.Path, f.Message)
		}
	}
}

func compile(t *testing.T, e example) error {
	t.Helper()
	switch e.GetKind() {
	case "AlertSource":
		var source v1alpha1.AlertSource
		e.into(t, &source)
		_, err := ingest.Compile(&source, []byte("secret"))
		return err
	case "DetectionRule":
		var rule v1alpha1.DetectionRule
		e.into(t, &rule)
		compiled, err := detect.Compile(&rule)
		if err != nil {
			return err
		}
		return compiled.RunTests()
	case "Playbook":
		var book v1alpha1.Playbook
		e.into(t, &book)
		compiled, err := playbook.Compile(book.Name, book.Spec, offered(t))
		if err != nil {
			return err
		}
		return compiled.RunTests()
	case "ApprovalPolicy":
		var p v1alpha1.ApprovalPolicy
		e.into(t, &p)
		_, err := policy.Compile(t.Context(), p.Name, p.Spec)
		return err
	case "Connector":
		var c v1alpha1.Connector
		e.into(t, &c)
		_, err := kubernetes.Factory(nowhere, nil)(t.Context(), &c)
		return err
	case "ResponseAction":
		var action v1alpha1.ResponseAction
		e.into(t, &action)
		return offers(t, action.Spec.Use)
	}
	return nil
}

// nowhere is where no API server is: compiling asks nothing.
var nowhere = &rest.Config{Host: "https://127.0.0.1:1"}

// catalog is what a tenant with the connector "cluster" has.
type catalog map[string]connectors.Connector

func offered(t *testing.T) catalog {
	t.Helper()
	cluster, err := kubernetes.New(nowhere, "soc", "responder", kubernetes.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return catalog{"cluster": cluster, connectors.MemoryName: memory.New("soc", nil, nil, nil, nil)}
}

func (c catalog) Operation(connector, name string) (operation.Operation, error) {
	found, ok := c[connector]
	if !ok {
		return operation.Operation{}, fmt.Errorf("no connector %q", connector)
	}
	return connectors.Find(found, name)
}

// offers says whether an action could be planned as it is written.
func offers(t *testing.T, use *v1alpha1.ActionUse) error {
	t.Helper()
	if use == nil {
		return nil // an undo
	}
	o, err := offered(t).Operation(use.Connector, use.Operation)
	if err != nil {
		return err
	}
	return o.ValidateArguments(arguments(t, use.With.Raw))
}

// TestGenericExample maps what the example on the page of AlertSource is written for.
func TestGenericExample(t *testing.T) {
	const body = `{"findings": [
		{"status": "open", "level": "high", "check": {"id": "cve-in-use", "title": "exploited CVE"}, "namespace": "shop", "pod": "web-0",
		 "detectedAt": "2026-03-05T09:02:19Z", "remote": "203.0.113.7", "evidence": "libexample 1.2"},
		{"status": "closed", "level": "low", "check": {"id": "old", "title": "old"}, "namespace": "shop", "pod": "web-1",
		 "detectedAt": "2026-03-05T09:02:19Z", "evidence": ""}]}`
	var source v1alpha1.AlertSource
	for _, e := range examples(t) {
		if e.GetKind() == "AlertSource" && e.page == "docs/spec/v1alpha1/alertsource.md" {
			e.into(t, &source)
		}
	}
	decoder, err := decode.New(&source.Spec)
	if err != nil {
		t.Fatal(err)
	}
	batch := decoder.Decode([]byte(body), time.Unix(0, 0))
	for _, failure := range batch.Failures {
		t.Error(failure.Err)
	}
	if len(batch.Alerts) != 1 {
		t.Fatalf("got %d alerts, want the open finding only", len(batch.Alerts))
	}
	got := batch.Alerts[0]
	want := []v1alpha1.Entity{
		{Type: v1alpha1.EntityPod, Value: "shop/web-0", Role: v1alpha1.RoleTarget},
		{Type: v1alpha1.EntityIP, Value: "203.0.113.7", Role: v1alpha1.RoleRelated},
	}
	if diff := cmp.Diff(want, got.Entities); diff != "" {
		t.Errorf("entities (-want +got):\n%s", diff)
	}
	if got.Rule != "cve-in-use" || got.Severity != v1alpha1.SeverityHigh || got.Title != "scanner: exploited CVE" {
		t.Errorf("rule %q, severity %s, title %q", got.Rule, got.Severity, got.Title)
	}
}
