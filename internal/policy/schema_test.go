package policy

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The schema has the fields of Input, all and no others, with their types.
func TestTheSchemaIsThatOfInput(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(schemaText, &schema); err != nil {
		t.Fatal(err)
	}
	compareSchema(t, "input", schema, reflect.TypeFor[Input]())
}

func compareSchema(t *testing.T, path string, schema map[string]any, of reflect.Type) {
	t.Helper()
	switch of.Kind() {
	case reflect.Struct:
		compareFields(t, path, schema, of)
	case reflect.Slice:
		if schema["type"] != "array" {
			t.Errorf("%s: type %v, want array", path, schema["type"])
		}
		items, _ := schema["items"].(map[string]any)
		compareSchema(t, path+"[_]", items, of.Elem())
	case reflect.Map:
		if schema["type"] != "object" {
			t.Errorf("%s: type %v, want object", path, schema["type"])
		}
	case reflect.String:
		if schema["type"] != "string" && schema["enum"] == nil && schema["const"] == nil {
			t.Errorf("%s: %v is no text", path, schema)
		}
	case reflect.Int, reflect.Int32:
		if schema["type"] != "integer" {
			t.Errorf("%s: type %v, want integer", path, schema["type"])
		}
	default:
		t.Errorf("%s: no schema is known for %s", path, of)
	}
}

func compareFields(t *testing.T, path string, schema map[string]any, of reflect.Type) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	fields := jsonNames(of)
	if diff := cmp.Diff(sortedNames(fields), slices.Sorted(maps.Keys(properties))); diff != "" {
		t.Errorf("%s: fields (-type +schema):\n%s", path, diff)
	}
	if schema["additionalProperties"] != false {
		t.Errorf("%s: takes fields that there are not", path)
	}
	var demanded, present []string
	for _, name := range schema["required"].([]any) {
		demanded = append(demanded, name.(string))
	}
	for i := range of.NumField() {
		name, rest, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
		if rest == "" || of.PkgPath() != reflect.TypeFor[Input]().PkgPath() && name != "role" {
			present = append(present, name)
		}
	}
	slices.Sort(demanded)
	slices.Sort(present)
	if diff := cmp.Diff(present, demanded); diff != "" {
		t.Errorf("%s: always there (-type +schema):\n%s", path, diff)
	}
	for name, field := range fields {
		below, _ := properties[name].(map[string]any)
		compareSchema(t, path+"."+name, below, field)
	}
}

func TestThePublishedSchemaIsTheSchema(t *testing.T) {
	published, err := os.ReadFile("../../docs/policy-input.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, schemaText) {
		t.Error("docs/policy-input.schema.json differs: run make generate")
	}
}

// The documented example fits the schema as a whole.
func TestTheDocumentedInputFitsTheSchema(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err != nil {
		t.Fatal(err)
	}
	schema, err := compileSchema(doc)
	if err != nil {
		t.Fatal(err)
	}
	example, err := jsonschema.UnmarshalJSON(strings.NewReader(fenced(t, "json")))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(example); err != nil {
		t.Error(err)
	}
}

func TestTestsDecideOnWhatThereIs(t *testing.T) {
	const module = "package tocsin.approval\n\nallow contains \"x\" if input.action.operation == \"label\"\n"
	tests := map[string]struct{ input, want string }{
		"a part":          {`{"action": {"operation": "label"}}`, ""},
		"any argument":    {`{"action": {"operation": "label", "arguments": {"x": 1}}, "target": {"namespaceLabels": {"a": "b"}}}`, ""},
		"outside a case":  {`{"action": {"operation": "label"}, "investigation": {"name": "", "verdict": "", "severity": ""}}`, ""},
		"unknown field":   {`{"action": {"operation": "label"}, "target": {"critical": "high"}}`, "no input has input.target.critical"},
		"unknown at top":  {`{"action": {"operation": "label"}, "object": {}}`, "no input has input.object"},
		"unknown value":   {`{"action": {"operation": "label", "risk": "high"}}`, "input.action.risk: value must be one of 'Low', 'Medium', 'High', 'Critical'"},
		"another type":    {`{"action": {"operation": "label"}, "time": {"hour": "9"}}`, "input.time.hour: got string, want integer"},
		"no such hour":    {`{"action": {"operation": "label"}, "time": {"hour": 24}}`, "input.time.hour: maximum: got 24, want 23"},
		"several at once": {`{"action": {"operation": "label"}, "x": 1, "time": {"day": 1}}`, "no input has input.time.day; no input has input.x"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := spec("")
			s.Module = module
			s.Tests = "package tocsin.approval_test\n\nimport data.tocsin.approval\n\ntest_good if count(approval.allow) == 0 with input as {}\n\ntest_it if {\n\tcount(approval.allow) == 1 with input as " + tt.input + "\n}\n"
			checked, err := Check(s)
			if err != nil {
				t.Fatal(err)
			}
			results, _ := checked.Tests(t.Context())
			if len(results) != 2 || results[0].Err != nil {
				t.Fatalf("results %+v", results)
			}
			got := ""
			if results[1].Err != nil {
				got = results[1].Err.Error()
			}
			if got != tt.want || results[1].Row != 7 {
				t.Errorf("row %d: %q, want row 7: %q", results[1].Row, got, tt.want)
			}
		})
	}
}

func TestCoverage(t *testing.T) {
	s := spec(`allow contains "label" if {
	input.action.operation == "label"
}

deny contains "never tried" if {
	input.action.operation == "drain"
	input.target.criticality == "high"
}

busy if input.time.hour > 9
`)
	s.Tests = "package tocsin.approval_test\n\nimport data.tocsin.approval\n\ntest_it if count(approval.allow) == 1 with input as {\"action\": {\"operation\": \"label\"}}\n"
	checked, err := Check(s)
	if err != nil {
		t.Fatal(err)
	}
	_, got := checked.Tests(t.Context())
	want := Coverage{Covered: 2, Total: 6, Rules: []RuleCoverage{
		{Name: "allow", Row: 3, Covered: []int{3, 4}},
		{Name: "deny", Row: 7, NotCovered: []int{7, 8, 9}},
		{Name: "busy", Row: 12, NotCovered: []int{12}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
}
