package content

import (
	"maps"
	"strings"
	"testing"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

// sensed is what a sensor reports: a process in a pod, of an image, that talks to somebody.
func sensed(answers playbook.Answers, entities ...v1alpha1.Entity) evidence {
	e := shell()
	if len(entities) == 0 {
		entities = []v1alpha1.Entity{
			{Type: v1alpha1.EntityIP, Value: "203.0.113.7", Role: v1alpha1.RoleRelated},
			{Type: v1alpha1.EntityContainerImage, Value: "ghcr.io/shop/web:1", Role: v1alpha1.RoleRelated},
		}
	}
	e.alert.Spec.Entities = append(e.alert.Spec.Entities, entities...)
	e.alert.Spec.Attributes = nil // no text that is weighed
	maps.Copy(e.answers, answers)
	return e
}

// busy is a ServiceAccount that lists secrets as ever, at some rate.
func busy(rate fields) evidence {
	return audit(secretsListed(0).alert, playbook.Answers{
		"workload": workload("shop/web-0"), "novelty": novelty(984, true, 20), "automation": automation(false, false), "rate": rate})
}

// TestFamiliarity: what is new weighs a little, less to a young memory; what is usual weighs nothing.
func TestFamiliarity(t *testing.T) {
	crowded := ofWorkload(984, 0)
	crowded["crowded"] = true
	domain := v1alpha1.Entity{Type: v1alpha1.EntityDomain, Value: "evil.example", Role: v1alpha1.RoleRelated}
	tests := map[string]struct {
		found evidence
		// want is the weight in decibans of what is found in these questions, and wantText a part of it.
		questions string
		want      int32
		wantText  string
	}{
		"a new process":                      {sensed(playbook.Answers{"process": ofWorkload(984, 0)}), "process", 3, "/bin/sh was never reported in shop/web (by the name of the pod) before (41 days known)"},
		"a new process, to a memory of days": {sensed(playbook.Answers{"process": ofWorkload(100, 0)}), "process", 2, "4 days known"},
		"a new process, to a crowded memory": {sensed(playbook.Answers{"process": crowded}), "process", 2, "is not known to have been reported in shop/web"},
		"a new process, to a young memory":   {sensed(playbook.Answers{"process": ofWorkload(3, 0)}), "process", 1, "memory is young: 3 hours"},
		"a usual process":                    {sensed(playbook.Answers{"process": ofWorkload(984, 900)}), "process", 0, ""},
		"a process where memory knows none":  {sensed(nil), "process", 0, ""},
		"a new address":                      {sensed(playbook.Answers{"destination": ofDestination(984, 0, true)}), "destination", 3, "203.0.113.7 was never reported in shop/web"},
		"a new domain":                       {sensed(playbook.Answers{"destination": ofDestination(100, 0, true)}, domain), "destination", 2, "evil.example is not known to have been reported in shop/web"},
		"a new address, to a young memory":   {sensed(playbook.Answers{"destination": ofDestination(3, 0, true)}), "destination", 1, "young"},
		"a new address inside":               {sensed(playbook.Answers{"destination": ofDestination(984, 0, false)}), "destination", 0, ""},
		"a usual address":                    {sensed(playbook.Answers{"destination": ofDestination(984, 900, true)}), "destination", 0, ""},
		"a new registry":                     {sensed(playbook.Answers{"image": ofImage(984, 0, 0)}), "image", 4, "namespace shop never ran an image of this registry"},
		"an image and registry of this hour": {sensed(playbook.Answers{"image": ofImage(984, 0.1, 0.1)}), "image", 4, "namespace shop never ran an image of this registry"},
		"a new image of a known registry":    {sensed(playbook.Answers{"image": ofImage(984, 0.1, 900)}), "image", 3, "(41 days known): ghcr.io/shop/web"},
		"a new image, to a memory of days":   {sensed(playbook.Answers{"image": ofImage(100, 0, 0)}), "image", 2, "(4 days known): ghcr.io/shop/web"},
		"a new image, to a young memory":     {sensed(playbook.Answers{"image": ofImage(3, 0, 0)}), "image", 1, "young"},
		"an image of yesterday, then":        {sensed(playbook.Answers{"image": ofImage(30, 1, 1)}), "image", 0, ""},
		"a usual image":                      {sensed(playbook.Answers{"image": ofImage(984, 900, 900)}), "image", 0, ""},
		"all is new, and one release explains it": {sensed(playbook.Answers{
			"process": ofWorkload(984, 0), "destination": ofDestination(984, 0, true), "image": ofImage(984, 0, 0)}), "process destination image", 4, "registry"},
		"as busy as ever":        {busy(rate(200, 0, 180, 0, 500)), "rate", 0, ""},
		"a burst":                {busy(rate(900, 0, 180, 0, 500)), "rate", 3, "made 900 requests in five minutes; the most before was 180"},
		"a burst of a newcomer":  {busy(rate(900, 0, 0, 0, 0)), "rate", 0, ""},
		"a little more than one": {busy(rate(50, 0, 2, 0, 500)), "rate", 0, ""},
		"refused as ever":        {busy(rate(50, 30, 50, 28, 500)), "rate", 0, ""},
		"refused all at once":    {busy(rate(50, 30, 50, 1, 500)), "rate", 3, "refused 30 requests of shop/web"},
		"a quiet hour":           {busy(rate(1, 0, 180, 9, 500)), "rate", 0, ""},
	}
	universal, err := playbook.Universal("cluster", shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, _ := investigate(t, []*playbook.Playbook{universal}, tt.found)
			var got int32
			var texts []string
			for _, e := range c.Evidence {
				question, _ := strings.CutPrefix(e.Question, "universal/")
				if e.Weight < 0 && question != "novelty" && question != "history" {
					t.Errorf("%s lowers suspicion: %s", question, e.Finding)
				}
				if strings.Contains(" "+tt.questions+" ", " "+question+" ") {
					got += e.Weight
					texts = append(texts, e.Finding)
				}
			}
			if got != 10*tt.want || !strings.Contains(strings.Join(texts, "; "), tt.wantText) {
				t.Errorf("weighs %d: %q, want %d dB and %q", got, texts, tt.want, tt.wantText)
			}
		})
	}
}

// TestWhatIsUsualOfANameLowersNothing: a playbook that tries is floored at zero (S2).
func TestWhatIsUsualOfANameLowersNothing(t *testing.T) {
	p, err := playbook.Compile("lenient", spec(t, `
match: "true"
questions:
- id: process
  ask: Is it usual?
  use: {connector: memory, operation: process-novelty, with: {process: "${alert.entities.process}", pod: "${alert.entities.pod}", before: "${alert.firstSeen}"}}
  weigh: [{if: answer.hours >= 72, decibans: -20, because: it always runs here}]`), shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := investigate(t, []*playbook.Playbook{p}, sensed(playbook.Answers{"process": ofWorkload(984, 900)}))
	if len(c.Evidence) != 1 || c.Evidence[0].Weight != 0 || c.Evidence[0].Provenance != v1alpha1.ProvenanceAttackerWritable {
		t.Errorf("%+v", c.Evidence)
	}
}
