package detect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func TestRemarks(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	const exception = `{when: event.verb == "delete" && event.user.username != "", exceptions: [{reason: r, expires: "2026-03-02T00:00:00Z", when: `
	tests := map[string]struct {
		spec string
		want []string
	}{
		"nothing to say":             {`{verbs: [get, create], resources: [pods/exec], when: event.objectRef.subresource == "exec"}`, nil},
		"all of some verbs":          {`{verbs: [delete], when: "true"}`, nil},
		"everything":                 {`{when: "true"}`, []string{"warning always spec.when"}},
		"nothing":                    {`{verbs: [delete], when: "false"}`, []string{"error unreachable spec.when: never holds"}},
		"a verb it does not look at": {`{verbs: [create], when: event.verb == "delete"}`, []string{`error unreachable spec.when: never holds: event.verb is compared with "delete", but is one of ["create"]`}},
		"a resource it does not look at": {`{resources: [secrets], when: 'event.objectRef.resource in ["pods", "nodes"] && event.user.username != ""'}`,
			[]string{`error unreachable spec.when: never holds: event.objectRef.resource is compared with ["pods" "nodes"]`}},
		"a stage that is not looked at":   {`{when: event.stage == "RequestReceived"}`, []string{"error unreachable spec.when: never holds: event.stage"}},
		"one verb of several":             {`{verbs: [create], when: 'event.verb in ["create", "update"]'}`, []string{"warning unknown-name spec.when: a part of it never holds: event.verb"}},
		"a verb of RBAC":                  {`{verbs: [get, impersonate], when: event.dryRun}`, []string{`warning unreachable spec.verbs[1]: no audit event of such a request has the verb "impersonate"`}},
		"only verbs that are none":        {`{verbs: [exec], when: event.dryRun}`, []string{"error unreachable spec.verbs[0]"}},
		"a method of what is no resource": {`{verbs: [post], when: event.dryRun}`, nil},
		"a method of resources":           {`{verbs: [post, create], resources: [pods], when: event.dryRun}`, []string{"warning unreachable spec.verbs[0]"}},
		"collections of subresources":     {`{verbs: [list, watch], resources: [pods/exec, pods/log], when: event.dryRun}`, []string{"error unreachable spec.verbs: the rule never matches: [list watch] are never asked of subresources such as pods/exec"}},
		"collections of some":             {`{verbs: [list, watch], resources: [pods/exec, pods], when: event.dryRun}`, nil},
		"a kind":                          {`{resources: [Secret], when: event.dryRun}`, []string{`error unreachable spec.resources[0]: no audit event names a resource "Secret"`}},
		"a group":                         {`{resources: [pods, deployments.apps], when: event.dryRun}`, []string{"warning unreachable spec.resources[1]"}},
		"a star":                          {`{resources: ["*"], when: event.dryRun}`, []string{"error unreachable spec.resources[0]"}},
		"a field that is none":            {`{when: event.usr.username == "a"}`, []string{"error unknown-name spec.when: no audit event has event.usr;"}},
		"a field in the title":            {`{when: event.dryRun, title: "${event.objectref.name}"}`, []string{"error unknown-name spec.title: no audit event has event.objectref;"}},
		"a field in an entity":            {`{when: event.dryRun, entities: [{type: Pod, value: event.pod}]}`, []string{"error unknown-name spec.entities[0].value: no audit event has event.pod;"}},
		"an exception":                    {exception + `event.user.username == "alice"}]}`, nil},
		"an exception from everything":    {exception + `1 == 1}]}`, []string{"error unreachable spec.exceptions[0].when: leaves out everything"}},
		"an exception from the rule":      {exception + `event.user.username != ""}]}`, []string{"error unreachable spec.exceptions[0].when: holds wherever spec.when does"}},
		"an exception from nothing":       {exception + `event.user.username == "a" && event.user.username == "b"}]}`, []string{"error unreachable spec.exceptions[0].when: never holds"}},
		"an exception that has ended": {`{when: event.dryRun, exceptions: [{reason: r, expires: "2026-03-01T00:00:00Z", when: "true"}]}`,
			[]string{"warning expired spec.exceptions[0].expires: ended on 2026-03-01T00:00:00Z"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rule := &v1alpha1.DetectionRule{}
			if err := yaml.UnmarshalStrict([]byte(tt.spec), &rule.Spec); err != nil {
				t.Fatal(err)
			}
			compiled, err := Compile(rule)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i, r := range compiled.Remarks(now) {
				text := string(r.Level) + " " + string(r.Rule) + " " + r.Path + ": " + r.Message
				if i < len(tt.want) { // as much of it as is wanted
					text = text[:min(len(text), len(tt.want[i]))]
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
