package external

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// ReadFalco reads Falco's own tests of its rules for audit events: expectations.json
// names a file of events, the rules that fire on it, and the files of settings that hold.
func ReadFalco(folder fs.FS) ([]Case, error) {
	raw, err := fs.ReadFile(folder, "expectations.json")
	if err != nil {
		return nil, err
	}
	var expectations []struct {
		Test      string   `json:"test"`
		File      string   `json:"file"`
		Expect    string   `json:"expect"`
		Rules     []string `json:"rules"`
		RuleFiles []string `json:"rulefiles"`
	}
	if err := json.Unmarshal(raw, &expectations); err != nil {
		return nil, fmt.Errorf("expectations.json: %w", err)
	}
	var cases []Case
	for _, e := range expectations {
		events, err := readEvents(folder, e.File)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.File, err)
		}
		cases = append(cases, Case{Name: e.Test, Test: e.Test, Events: events, Rules: e.Rules, Fires: e.Expect == "alert", Settings: e.RuleFiles})
	}
	return cases, nil
}

// readEvents reads one JSON document after the other: events, or lists of them.
func readEvents(folder fs.FS, name string) ([]map[string]any, error) {
	text, err := fs.ReadFile(folder, name)
	if err != nil {
		return nil, err
	}
	var events []map[string]any
	for documents := json.NewDecoder(bytes.NewReader(text)); ; {
		var document map[string]any
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return events, nil
		} else if err != nil {
			return nil, err
		}
		items, isList := document["items"].([]any)
		if !isList {
			items = []any{document}
		}
		for _, item := range items {
			if event, ok := item.(map[string]any); ok {
				events = append(events, event)
			}
		}
	}
}

// ReadPanther reads those of Panther's tests of its Kubernetes rules that are events
// of an API server: a JSON object a line. How many of its tests are in other formats is told as well.
func ReadPanther(lines io.Reader) (cases []Case, others int, err error) {
	err = eachLine(lines, func(line []byte) error {
		var row struct {
			Rule     string `json:"rule"`
			Test     string `json:"test"`
			Expected bool   `json:"expected"`
			Log      any    `json:"log"`
		}
		if err := json.Unmarshal(line, &row); err != nil {
			return err
		}
		if !strings.HasPrefix(row.Rule, "Kubernetes.") && !strings.HasPrefix(row.Rule, "Amazon.EKS.") {
			return nil
		}
		event := auditEvent(row.Log)
		if event == nil {
			others++
			return nil
		}
		cases = append(cases, Case{
			Name: row.Rule + ": " + row.Test, Test: row.Test, Events: []map[string]any{event}, Rules: []string{row.Rule}, Fires: row.Expected,
		})
		return nil
	})
	return cases, others, err
}

// auditEvent takes the event out of Azure's envelope; nil for everything else. Tests leave out the stage.
func auditEvent(row any) map[string]any {
	log, _ := row.(map[string]any)
	if properties, ok := log["properties"].(map[string]any); ok {
		inner, _ := properties["log"].(string)
		log = nil
		if err := json.Unmarshal([]byte(inner), &log); err != nil {
			return nil
		}
	}
	if _, ok := log["verb"].(string); !ok {
		return nil
	}
	if _, ok := log["stage"]; !ok {
		log["stage"] = "ResponseComplete"
	}
	return log
}
