package content

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// Where Falco sees things, and the fields that it sends along.
var (
	inPod   = map[string]any{"k8s.ns.name": "shop", "k8s.pod.name": "web-0"}
	onHost  = map[string]any{"proc.name": "sh"}
	account = map[string]any{"okta.actor.alternateID": "alice@example.com", "okta.client.ip": "198.51.100.7"}
)

// falcoPlaybooks are the names of playbooks that look at what Falco says with these tags.
func falcoPlaybooks(t *testing.T, all []*playbook.Playbook, fields map[string]any, tags ...string) []string {
	t.Helper()
	body, err := json.Marshal(map[string]any{"rule": "R", "hostname": "node-1", "priority": "Warning", "tags": tags, "output_fields": fields})
	if err != nil {
		t.Fatal(err)
	}
	decoder, err := decode.New(&v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco})
	if err != nil {
		t.Fatal(err)
	}
	batch := decoder.Decode(body, began)
	if len(batch.Alerts) != 1 {
		t.Fatalf("%s: %+v", body, batch)
	}
	alert := playbook.NewAlert(&v1alpha1.Alert{Spec: batch.Alerts[0]}, v1alpha1.FormatFalco)
	var names []string
	for _, p := range all {
		matches, err := p.Matches(alert)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		if matches {
			names = append(names, p.Name)
		}
		asks, errs := p.Questions(alert)
		if matches && (len(asks) == 0 || len(errs) > 0) {
			t.Errorf("%s asks %v of %s (%v)", p.Name, asks, body, errs)
		}
	}
	return names
}

// TestFalcoFamilies: by technique or by tag, never by the name of a rule.
func TestFalcoFamilies(t *testing.T) {
	tests := map[string]struct {
		fields map[string]any
		tags   []string
		want   []string
	}{
		"execution":                        {inPod, []string{"mitre_execution", "T1059.004"}, []string{"shell-in-container"}},
		"execution of a network tool":      {inPod, []string{"mitre_execution", "T1204"}, []string{"shell-in-container"}},
		"a way in":                         {inPod, []string{"mitre_initial_access", "T1190"}, []string{"shell-in-container"}},
		"escape":                           {inPod, []string{"mitre_privilege_escalation", "T1611"}, []string{"escape-from-container"}},
		"rights, by the tactic alone":      {inPod, []string{"container", "mitre_privilege_escalation", "TA0004"}, []string{"escape-from-container"}},
		"persistence, by the tactic alone": {inPod, []string{"mitre_persistence", "TA0003"}, []string{"foothold-in-container"}},
		"traces are removed":               {inPod, []string{"mitre_defense_evasion", "T1070"}, []string{"foothold-in-container"}},
		"a web shell is both":              {inPod, []string{"mitre_persistence", "mitre_execution", "T1505.003"}, []string{"foothold-in-container", "shell-in-container"}},
		"credentials":                      {inPod, []string{"mitre_credential_access", "T1555"}, []string{"credentials-in-container"}},
		"files":                            {inPod, []string{"mitre_collection", "T1005"}, []string{"credentials-in-container"}},
		"looking around":                   {inPod, []string{"mitre_discovery", "T1083"}, []string{"traffic-from-container"}},
		"reconnaissance by the tactic":     {inPod, []string{"mitre_reconnaissance", "TA0043"}, []string{"traffic-from-container"}},
		"command and control":              {inPod, []string{"mitre_command_and_control", "TA0011"}, []string{"traffic-from-container"}},
		"exfiltration":                     {inPod, []string{"mitre_exfiltration", "T1020"}, []string{"traffic-from-container"}},
		"mining":                           {inPod, []string{"mitre_impact", "T1496"}, []string{"impact-in-container"}},
		"on a node":                        {onHost, []string{"mitre_persistence", "T1098.004"}, []string{"suspect-node"}},
		"an account":                       {account, []string{"okta"}, []string{"account-outside"}},
		"without tags":                     {inPod, nil, nil},
		"tags that only sound like it":     {inPod, []string{"mitre_executions", "not_mitre_impact"}, nil},
	}
	all := playbooks(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, falcoPlaybooks(t, all, tt.fields, tt.tags...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
