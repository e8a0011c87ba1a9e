package kubernetes

import (
	"encoding/json"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/internal/operation"
)

// Whatever somebody writes as a report is read or is an error, and what is read fits
// the schema.
func FuzzReports(f *testing.F) {
	for _, seed := range []string{
		`{"metadata": {"name": "a"}, "report": {"updateTimestamp": "9999-01-01T00:00:00Z", "summary": {"criticalCount": 9223372036854775807}, "vulnerabilities": [{"severity": "CRITICAL", "fixedVersion": "1", "score": -1e308}]}}`,
		`{"report": {"artifact": {"repository": "\ud800", "digest": "sha256:0"}, "vulnerabilities": null}}`,
		`{"scope": {"kind": "Pod", "name": "web", "namespace": "shop"}, "results": [{"result": "fail", "severity": "critical"}, {"result": "pass"}, {"result": 1}]}`,
		`{"results": [{"result": "warn", "resources": [{"uid": "1"}]}]}`,
	} {
		f.Add(seed)
	}
	schemas := operation.MustCompile(vulnerabilities{}.describe(), policyReports{}.describe())
	about := []owner{{Kind: "Pod", Name: "web", UID: "1"}}
	f.Fuzz(func(t *testing.T, text string) {
		found := unstructured.Unstructured{}
		if json.Unmarshal([]byte(text), &found.Object) != nil || found.Object == nil {
			return
		}
		known := knownVulnerabilities{Images: []string{}, Worst: []vulnerability{}, Gaps: []string{}}
		said := reported{Results: []policyResult{}, Gaps: []string{}}
		fits := func(o operation.Operation, value any) {
			got, err := answer(value)
			if err == nil {
				err = o.ValidateResult(got)
			}
			if err != nil {
				t.Errorf("%s: %v", o.Name, err)
			}
		}
		for range 2 {
			_ = known.add(found, time.Unix(0, 0))
			_ = said.add(found, "shop", about)
		}
		fits(schemas[0], known)
		fits(schemas[1], said)
	})
}
