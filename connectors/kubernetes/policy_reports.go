package kubernetes

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
	"github.com/tocsin-dev/tocsin/internal/shorten"
)

// policyReports tells what engines such as Kyverno reported of a pod and its workload.
type policyReports struct{}

func (policyReports) describe() operation.Operation {
	const text, count = `{"type": "string"}`, `{"type": "integer", "minimum": 0}`
	return operation.Operation{
		Name: "policy-reports", Summary: "Policies that a pod or its workload breaks, by PolicyReports",
		Mode:      v1alpha1.OperationRead,
		Arguments: properties("pod", namespacedNameSchema),
		Result: properties("found", `{"type": "boolean"}`, "pod", text, "fails", count, "failsHigh", count, "warns", count, "errors", count, "passes", count,
			"results", `{"type": "array", "items": `+properties("result", text, "severity", text, "policy", text, "rule", text, "source", text,
				"about", text, "message", text)+`}`,
			"gaps", `{"type": "array", "items": `+text+`}`),
		// Whoever may edit the namespace writes reports too, and whoever creates the pod
		// says whose it is.
		Untrusted: []string{"pod", "fails", "failsHigh", "warns", "errors", "passes", "results", "gaps"},
	}
}

type reported struct {
	Found bool   `json:"found"`
	Pod   string `json:"pod"`
	Fails int64  `json:"fails"`
	// FailsHigh are those of severity high or critical.
	FailsHigh int64          `json:"failsHigh"`
	Warns     int64          `json:"warns"`
	Errors    int64          `json:"errors"`
	Passes    int64          `json:"passes"`
	Results   []policyResult `json:"results"`
	Gaps      []string       `json:"gaps"`
}

type policyResult struct {
	Result   string `json:"result"`
	Severity string `json:"severity"`
	Policy   string `json:"policy"`
	Rule     string `json:"rule"`
	Source   string `json:"source"`
	About    string `json:"about"`
	Message  string `json:"message"`
}

// policyReport is what counts of a PolicyReport, and of a Report of openreports.io. A
// result that names no resources is about the scope of its report.
type policyReport struct {
	Source  string                  `json:"source"`
	Scope   *corev1.ObjectReference `json:"scope"`
	Results []struct {
		policyResult
		Resources []corev1.ObjectReference `json:"resources"`
	} `json:"results"`
}

const maxResults = 10

func (policyReports) ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error) {
	a, err := decode[podArguments](arguments)
	if err != nil {
		return nil, err
	}
	reports, err := c.extras(ctx)
	if err != nil || !reports.has(policyReportKinds) {
		return nil, err
	}
	p, err := c.workload(ctx, a.Pod, "")
	if err != nil || p == nil {
		return nil, err
	}
	about, err := c.subjects(ctx, p)
	if err != nil {
		return nil, err
	}
	said := reported{Pod: a.Pod, Results: []policyResult{}}
	reports.read(ctx, policyReportKinds, p.Namespace, func(found unstructured.Unstructured) {
		if err := said.add(found, p.Namespace, about); err != nil {
			reports.gap("%s %s is not what its kind says: %v", found.GetKind(), shorten.Characters(found.GetName(), maxText), err)
		}
	})
	said.Gaps = reports.gaps
	if reports.err != nil || !said.Found && len(said.Gaps) == 0 {
		return nil, reports.err
	}
	return answer(said)
}

// add counts what a report says of the subjects.
func (s *reported) add(found unstructured.Unstructured, namespace string, about []owner) error {
	report, err := decode[policyReport](found.Object)
	if err != nil {
		return err
	}
	for _, r := range report.Results {
		resources := r.Resources
		if len(resources) == 0 && report.Scope != nil {
			resources = []corev1.ObjectReference{*report.Scope}
		}
		for _, subject := range about {
			if slices.ContainsFunc(resources, func(meant corev1.ObjectReference) bool { return means(meant, namespace, subject) }) {
				r.Source, r.About = cmp.Or(r.Source, report.Source), subject.Kind+" "+namespace+"/"+subject.Name
				s.count(r.policyResult)
			}
		}
	}
	return nil
}

// means says whether a reference is to the subject: by its UID, or by name where it has none.
func means(meant corev1.ObjectReference, namespace string, subject owner) bool {
	if meant.UID != "" {
		return string(meant.UID) == subject.UID
	}
	return meant.Kind == subject.Kind && meant.Name == subject.Name && meant.Namespace == namespace
}

func (s *reported) count(r policyResult) {
	s.Found = true
	switch r.Result {
	case "fail":
		s.Fails++
		if r.Severity == "high" || r.Severity == "critical" {
			s.FailsHigh++
		}
	case "warn":
		s.Warns++
	case "error":
		s.Errors++
	case "pass":
		s.Passes++
		return
	default:
		return
	}
	s.Results = append(s.Results, policyResult{
		Result: r.Result, Severity: clipped(r.Severity), Policy: clipped(r.Policy), Rule: clipped(r.Rule), Source: clipped(r.Source),
		About: clipped(r.About), Message: clipped(r.Message),
	})
	s.Results = gravest(s.Results)
}

// gravest of them, each once.
func gravest(all []policyResult) []policyResult {
	results, severities := []string{"error", "warn", "fail"}, []string{"info", "low", "medium", "high", "critical"}
	slices.SortStableFunc(all, func(a, b policyResult) int {
		return cmp.Or(cmp.Compare(slices.Index(results, b.Result), slices.Index(results, a.Result)),
			cmp.Compare(slices.Index(severities, b.Severity), slices.Index(severities, a.Severity)),
			cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.About, b.About), cmp.Compare(a.Message, b.Message))
	})
	all = slices.Compact(all)
	return all[:min(len(all), maxResults)]
}
