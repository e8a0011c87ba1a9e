package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/tocsin-dev/tocsin/internal/lint"
)

// onFiles runs a verb in a folder with these files; - is what comes in.
func onFiles(t *testing.T, files map[string]string, args ...string) answer {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Dir(name), 0o755))
		must(t, os.WriteFile(name, []byte(text), 0o600))
	}
	var out, errOut bytes.Buffer
	root := newRoot(&cli{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(files["-"]), Out: &out, ErrOut: &errOut}, flags: genericclioptions.NewConfigFlags(true),
		now: func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }, zone: time.UTC,
	})
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return answer{out.String(), errOut.String(), err}
}

const (
	goodRule = `
apiVersion: soc.tocsin.dev/v1alpha1
kind: DetectionRule
metadata: {name: deleted}
spec:
  verbs: [delete]
  when: event.objectRef.name == "web"
  title: deleted
  severity: High
  tests:
  - {name: web, expect: Match, event: {stage: ResponseComplete, verb: delete, objectRef: {name: web}}}
  - {name: other, expect: NoMatch, event: {stage: ResponseComplete, verb: delete, objectRef: {name: db}}}
`
	doubtfulRule = goodRule + `  exceptions:
  - {when: event.objectRef.namespace == "test", reason: a test, expires: "2026-01-01T00:00:00Z"}
`
	untested = `
apiVersion: soc.tocsin.dev/v1alpha1
kind: DetectionRule
metadata: {name: untested}
spec: {verbs: [delete], when: 'event.objectRef.name == "web"', title: deleted, severity: High}
`
)

var badRule = strings.Replace(strings.Replace(goodRule, `"web"`, `"web" && evnt.dryRun`, 1), "name: deleted", "name: bad", 1)

func TestLint(t *testing.T) {
	tests := map[string]struct {
		files   map[string]string
		args    []string
		want    string
		wantErr string
	}{
		"clean":                      {map[string]string{"soc/a/rule.yaml": goodRule}, []string{"soc"}, "no errors, no warnings in 1 object\n", ""},
		"a single file of any name":  {map[string]string{"rule.txt": goodRule}, []string{"rule.txt"}, "no errors, no warnings in 1 object\n", ""},
		"what comes in":              {map[string]string{"-": goodRule}, []string{"-"}, "no errors, no warnings in 1 object\n", ""},
		"warnings":                   {map[string]string{"soc/rule.yml": doubtfulRule}, []string{"soc"}, "soc/rule.yml:14: warning: spec.exceptions[0].expires: ended on 2026-01-01T00:00:00Z: the exception no longer applies\nno errors, 1 warning in 1 object\n", ""},
		"warnings, strictly":         {map[string]string{"soc/rule.yml": doubtfulRule}, []string{"soc", "--strict"}, "soc/rule.yml:14: warning: spec.exceptions[0].expires: ended on 2026-01-01T00:00:00Z: the exception no longer applies\n", "no errors, 1 warning in 1 object"},
		"errors":                     {map[string]string{"soc/a.yaml": goodRule, "soc/b.yaml": badRule}, []string{"soc"}, "soc/b.yaml:7: error: spec.when: CEL does not compile: undeclared reference to 'evnt' at 1:34\n", "1 error, no warnings in 2 objects"},
		"what would repaint":         {map[string]string{"soc/a.yaml": goodRule + "  \"\\e[2Jx\": 1\n"}, []string{"soc"}, "soc/a.yaml:13: error: spec.\ufffd[2Jx: there is no such field\n", "1 error, no warnings in 1 object"},
		"not its business":           {map[string]string{"soc/kustomization.yaml": badRule, "soc/.hidden/b.yaml": badRule, "soc/README.md": badRule, "soc/a.yaml": goodRule}, []string{"soc"}, "no errors, no warnings in 1 object\n", ""},
		"nothing of Tocsin":          {map[string]string{"soc/a.yaml": "kind: ConfigMap"}, []string{"soc"}, "", "nothing was checked: there is no object of Tocsin's own in soc"},
		"no YAML":                    {map[string]string{"soc/README.md": ""}, []string{"soc"}, "", "there is no YAML file in soc"},
		"no folder":                  {nil, []string{"soc"}, "", "lstat soc: no such file or directory"},
		"nothing named":              {nil, nil, "", "requires at least 1 arg(s), only received 0"},
		"a format that there is not": {map[string]string{"soc/a.yaml": goodRule}, []string{"soc", "-o", "yaml"}, "", `--output: must be json or sarif, not "yaml"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := onFiles(t, tt.files, append([]string{"lint"}, tt.args...)...)
			if a.out != tt.want {
				t.Errorf("printed %q, want %q", a.out, tt.want)
			}
			if got := errorText(a.err); got != tt.wantErr {
				t.Errorf("error %q, want %q", got, tt.wantErr)
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestLintForMachines(t *testing.T) {
	files := map[string]string{"soc/a b.yaml": badRule}
	a := onFiles(t, files, "lint", "-o", "json", "soc")
	var report lint.Report
	must(t, json.Unmarshal([]byte(a.out), &report))
	want := lint.Report{Objects: 1, Findings: []lint.Finding{{
		File: "soc/a b.yaml", Line: 7, Level: "error", Rule: "compile", Kind: "DetectionRule", Name: "bad", Path: "spec.when",
		Message: "CEL does not compile: undeclared reference to 'evnt' at 1:34",
	}}}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Errorf("json (-want +got):\n%s", diff)
	}
	if a.err == nil {
		t.Error("ended well in spite of an error")
	}
	a = onFiles(t, files, "lint", "-o", "sarif", "soc")
	var log sarifLog
	must(t, json.Unmarshal([]byte(a.out), &log))
	result := log.Runs[0].Results[0]
	if log.Version != "2.1.0" || log.Runs[0].Tool.Driver.Rules[result.RuleIndex].ID != result.RuleID {
		t.Errorf("%s", a.out)
	}
	if got := result.Locations[0].PhysicalLocation; got.ArtifactLocation.URI != "soc/a%20b.yaml" || got.Region.StartLine != 7 {
		t.Errorf("location %+v", got)
	}
	clean := onFiles(t, map[string]string{"a.yaml": goodRule}, "lint", "-o", "sarif", ".")
	must(t, clean.err)
	if !strings.Contains(clean.out, `"results": []`) {
		t.Errorf("SARIF needs a list, also of nothing:\n%s", clean.out)
	}
}

func TestTest(t *testing.T) {
	failing := strings.Replace(goodRule, "expect: NoMatch", "expect: Match", 1)
	tests := map[string]struct {
		files   map[string]string
		want    string
		wantErr string
	}{
		"pass": {map[string]string{"soc/a.yaml": goodRule}, "PASS  DetectionRule deleted: web (0.00s)\nPASS  DetectionRule deleted: other (0.00s)\n2 tests passed\n", ""},
		"fail": {
			map[string]string{"soc/a.yaml": failing},
			"PASS  DetectionRule deleted: web (0.00s)\nFAIL  DetectionRule deleted: other (0.00s)\n      soc/a.yaml:12: expected Match, but spec.when is false or an exception applies\n",
			"1 of 2 tests failed",
		},
		"refused": {
			map[string]string{"soc/a.yaml": goodRule, "soc/b.yaml": badRule},
			"PASS  DetectionRule deleted: web (0.00s)\nPASS  DetectionRule deleted: other (0.00s)\nFAIL  DetectionRule bad (0.00s)\n" +
				"      soc/b.yaml:7: spec.when: CEL does not compile: undeclared reference to 'evnt' at 1:34\n",
			"1 of 3 tests failed",
		},
		"no YAML":       {map[string]string{"soc/a.yaml": "a: b: soc.tocsin.dev/"}, "FAIL  soc/a.yaml (0.00s)\n      soc/a.yaml:1: mapping values are not allowed in this context\n", "1 of 1 test failed"},
		"some untested": {map[string]string{"soc/a.yaml": goodRule, "soc/b.yaml": untested}, "PASS  DetectionRule deleted: web (0.00s)\nPASS  DetectionRule deleted: other (0.00s)\n?     DetectionRule untested has no tests\n2 tests passed\n", ""},
		"no test at all": {
			map[string]string{"soc/b.yaml": untested}, "?     DetectionRule untested has no tests\n",
			"nothing was tested: no detection, playbook or policy in soc has a test",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := onFiles(t, tt.files, "test", "soc")
			if diff := cmp.Diff(tt.want, a.out); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := errorText(a.err); got != tt.wantErr {
				t.Errorf("error %q, want %q", got, tt.wantErr)
			}
		})
	}
}

func TestTestForMachines(t *testing.T) {
	files := map[string]string{"soc/a.yaml": strings.Replace(goodRule, "expect: NoMatch", "expect: Match", 1), "soc/b.yaml": badRule}
	a := onFiles(t, files, "test", "-o", "json", "soc")
	var tests lint.Tests
	must(t, json.Unmarshal([]byte(a.out), &tests))
	if len(tests.Results) != 3 || tests.Failed() != 2 || tests.Results[1].Line != 12 || a.err == nil {
		t.Errorf("%s, error %v", a.out, a.err)
	}
	a = onFiles(t, files, "test", "-o", "junit", "soc")
	var suites junitSuites
	must(t, xml.Unmarshal([]byte(a.out), &suites))
	if suites.Tests != 3 || suites.Failures != 2 || len(suites.Suites) != 2 || suites.Suites[0].Cases[1].Failure == nil {
		t.Errorf("%s", a.out)
	}
	if got := suites.Suites[1].Cases[0]; got.Name != "is accepted" || got.Line != 7 || got.Class != "DetectionRule bad" {
		t.Errorf("%+v", got)
	}
	if a.err == nil {
		t.Error("ended well in spite of failures")
	}
}
