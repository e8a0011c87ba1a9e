package decode_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

const httpOutput = `{"hostname":"node-1","output":"09:02:11.123456789: Notice A shell was spawned in a container with an attached terminal (user=root user_loginuid=-1 k8s.ns=shop k8s.pod=web-0 container=5a)","output_fields":{"container.id":"5a","container.image.repository":"docker.io/library/nginx","container.image.tag":"1.29","evt.time":1769850131123456789,"fd.rip":"203.0.113.9","fd.sip":"::ffff:203.0.113.9","k8s.ns.name":"shop","k8s.pod.name":"web-0","proc.exepath":"/bin/bash","proc.name":"bash","proc.tty":34816,"user.name":"root","proc.pname":null,"thread.cap":"<NA>"},"priority":"Notice","rule":"Terminal shell in container","source":"syscall","tags":["T1059","container","mitre_execution","t1611.001"],"time":"2026-01-31T09:02:11.123456789Z"}`

const sidekick = `{"uuid":"0f4a","output":"Critical file touched | file=/etc/shadow user=x","priority":"Critical","rule":"Touch","time":"2026-01-31T09:00:00Z","source":"syscall","output_fields":{"user.name":"x","custom":"y"},"hostname":"node-2","tags":["T1003.008"]}`

func shellAlert() v1alpha1.AlertSpec {
	return v1alpha1.AlertSpec{
		Rule: "Terminal shell in container", Title: "A shell was spawned in a container with an attached terminal",
		Severity: v1alpha1.SeverityLow, Techniques: []v1alpha1.Technique{"T1059", "T1611.001"},
		Entities: []v1alpha1.Entity{
			{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleActor, Value: "shop/web-0"},
			{Type: v1alpha1.EntityNode, Role: v1alpha1.RoleRelated, Value: "node-1"},
			{Type: v1alpha1.EntityContainerImage, Role: v1alpha1.RoleRelated, Value: "docker.io/library/nginx:1.29"},
			{Type: v1alpha1.EntityProcess, Role: v1alpha1.RoleRelated, Value: "/bin/bash"},
			{Type: v1alpha1.EntityUser, Role: v1alpha1.RoleRelated, Value: "root"},
			{Type: v1alpha1.EntityIP, Role: v1alpha1.RoleRelated, Value: "203.0.113.9"},
		},
		Attributes: map[string]string{
			"output":       "09:02:11.123456789: Notice A shell was spawned in a container with an attached terminal (user=root user_loginuid=-1 k8s.ns=shop k8s.pod=web-0 container=5a)",
			"falco.source": "syscall", "falco.tags": "T1059 container mitre_execution t1611.001", "container.id": "5a", "container.image.repository": "docker.io/library/nginx",
			"container.image.tag": "1.29", "evt.time": "1769850131123456789", "fd.rip": "203.0.113.9", "fd.sip": "::ffff:203.0.113.9",
			"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "proc.exepath": "/bin/bash", "proc.name": "bash", "proc.tty": "34816", "user.name": "root",
		},
		RawDigest: decode.Digest([]byte(httpOutput)),
		FirstSeen: metav1.NewMicroTime(time.Date(2026, 1, 31, 9, 2, 11, 123456000, time.UTC)),
	}
}

func touchAlert() v1alpha1.AlertSpec {
	return v1alpha1.AlertSpec{
		Rule: "Touch", Title: "Critical file touched", Severity: v1alpha1.SeverityCritical, Techniques: []v1alpha1.Technique{"T1003.008"},
		Entities: []v1alpha1.Entity{
			{Type: v1alpha1.EntityNode, Role: v1alpha1.RoleActor, Value: "node-2"},
			{Type: v1alpha1.EntityUser, Role: v1alpha1.RoleRelated, Value: "x"},
		},
		Attributes: map[string]string{
			"output": "Critical file touched | file=/etc/shadow user=x", "falco.source": "syscall", "falco.tags": "T1003.008", "uuid": "0f4a", "user.name": "x", "custom": "y",
		},
		RawDigest: decode.Digest([]byte(sidekick)),
		FirstSeen: metav1.NewMicroTime(time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)),
	}
}

// failure is what can be compared of a decode.Failure.
type failure struct{ Body, Class, Err string }

func failures(b decode.Batch) []failure {
	var found []failure
	for _, f := range b.Failures {
		found = append(found, failure{string(f.Body), string(f.Class), f.Err.Error()})
	}
	return found
}

func decoder(t testing.TB, spec v1alpha1.AlertSourceSpec) decode.Decoder {
	t.Helper()
	d, err := decode.New(&spec)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFalco(t *testing.T) {
	tests := map[string]struct {
		body         string
		want         []v1alpha1.AlertSpec
		wantFailures []failure
	}{
		"http_output":                     {body: httpOutput, want: []v1alpha1.AlertSpec{shellAlert()}},
		"falcosidekick, outside of a pod": {body: sidekick, want: []v1alpha1.AlertSpec{touchAlert()}},
		"a list, in which one is wrong": {
			body: "[" + httpOutput + `,{"priority":"Error"},` + sidekick + "]", want: []v1alpha1.AlertSpec{shellAlert(), touchAlert()},
			wantFailures: []failure{{`{"priority":"Error"}`, "format", "event of Falco: rule: must be set; is json_output enabled in Falco?"}},
		},
		"an empty list": {body: `[]`},
		"another type of field": {
			body:         `{"rule":7}`,
			wantFailures: []failure{{`{"rule":7}`, "format", "event of Falco: rule: expected string, not number"}},
		},
		"least": {body: `{"rule":"r"}`, want: []v1alpha1.AlertSpec{{
			Rule: "r", Title: "r", Severity: v1alpha1.SeverityMedium,
			RawDigest: decode.Digest([]byte(`{"rule":"r"}`)), FirstSeen: metav1.NewMicroTime(received),
		}}},
	}
	validator := schema(t)
	falco := decoder(t, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := falco.Decode([]byte(tc.body), received)
			if diff := cmp.Diff(tc.want, got.Alerts); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.wantFailures, failures(got)); diff != "" {
				t.Error(diff)
			}
			fits(t, validator, got.Alerts)
		})
	}
}

// TestFalcoHostile: an attacker writes command lines and names.
func TestFalcoHostile(t *testing.T) {
	fields := map[string]any{"k8s.ns.name": "shop/../kube-system", "k8s.pod.name": "web-0\n", "proc.exepath": "\x1b[2J/bin/\u202Esh\x00"}
	for i := range 100 {
		fields[fmt.Sprintf("%s%d", strings.Repeat("ä", 80), i)] = strings.Repeat("\u2713", 3000)
	}
	body, err := json.Marshal(map[string]any{
		"rule": strings.Repeat("\u2713", 400), "output": "\x1b]0;owned\x07first line\nsecond", "hostname": "n\u2066",
		"priority": "nonsense", "time": "9999-12-31T23:59:59Z", "output_fields": fields, "tags": append(make([]string, 50), "T1059'; --", "T1059"),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := decoder(t, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco}).Decode(body, received)
	if len(got.Alerts) != 1 {
		t.Fatalf("%+v", got)
	}
	alert := got.Alerts[0]
	fits(t, schema(t), got.Alerts)
	if alert.Title != "\uFFFD]0;owned\uFFFDfirst line" {
		t.Errorf("title %q", alert.Title)
	}
	if want := strings.Repeat("\u2713", 252) + "…"; alert.Rule != want {
		t.Errorf("rule %q", alert.Rule)
	}
	wantEntities := []v1alpha1.Entity{
		{Type: v1alpha1.EntityNode, Role: v1alpha1.RoleActor, Value: "n\uFFFD"},
		{Type: v1alpha1.EntityProcess, Role: v1alpha1.RoleRelated, Value: "\uFFFD[2J/bin/\uFFFDsh\uFFFD"},
	}
	if diff := cmp.Diff(wantEntities, alert.Entities); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]v1alpha1.Technique{"T1059"}, alert.Techniques); diff != "" {
		t.Error(diff)
	}
	if !alert.FirstSeen.Time.Equal(received) {
		t.Errorf("first seen %s", alert.FirstSeen)
	}
}

// TestFalcoAccounts: what plugins see is done by accounts, not by the node that Falco runs on.
func TestFalcoAccounts(t *testing.T) {
	const (
		actor, target, related = v1alpha1.RoleActor, v1alpha1.RoleTarget, v1alpha1.RoleRelated
	)
	tests := map[string]struct {
		fields string
		want   []v1alpha1.Entity
	}{
		"the API server's audit log": {
			`{"ka.user.name": "system:serviceaccount:shop:web", "ka.target.resource": "pods", "ka.target.namespace": "payments", "ka.target.name": "ledger-0"}`,
			[]v1alpha1.Entity{
				{Type: v1alpha1.EntityServiceAccount, Role: actor, Value: "shop/web"}, {Type: v1alpha1.EntityPod, Role: target, Value: "payments/ledger-0"},
				{Type: v1alpha1.EntityNamespace, Role: related, Value: "payments"}, {Type: v1alpha1.EntityNode, Role: related, Value: "falco-0"},
			},
		},
		"another resource, and a name that is none": {
			`{"ka.user.name": "alice", "ka.target.resource": "secrets", "ka.target.name": "../x"}`,
			[]v1alpha1.Entity{{Type: v1alpha1.EntityUser, Role: actor, Value: "alice"}, {Type: v1alpha1.EntityNode, Role: related, Value: "falco-0"}},
		},
		"the cloud": {
			`{"ct.user": "deploy", "ct.srcip": "198.51.100.7"}`,
			[]v1alpha1.Entity{
				{Type: v1alpha1.EntityUser, Role: actor, Value: "deploy"}, {Type: v1alpha1.EntityNode, Role: related, Value: "falco-0"},
				{Type: v1alpha1.EntityIP, Role: related, Value: "198.51.100.7"},
			},
		},
		"the identity provider": {
			`{"okta.actor.alternateID": "bob@example.com", "okta.client.ip": "not an address"}`,
			[]v1alpha1.Entity{{Type: v1alpha1.EntityUser, Role: actor, Value: "bob@example.com"}, {Type: v1alpha1.EntityNode, Role: related, Value: "falco-0"}},
		},
	}
	falco := decoder(t, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco})
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := falco.Decode(fmt.Appendf(nil, `{"rule":"r","hostname":"falco-0","output_fields":%s}`, tt.fields), received)
			if len(got.Alerts) != 1 {
				t.Fatalf("%+v", got)
			}
			if diff := cmp.Diff(tt.want, got.Alerts[0].Entities); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestFalcoPriorities(t *testing.T) {
	want := map[string]v1alpha1.Severity{
		"Emergency": v1alpha1.SeverityFatal, "Alert": v1alpha1.SeverityCritical, "Critical": v1alpha1.SeverityCritical,
		"Error": v1alpha1.SeverityHigh, "Warning": v1alpha1.SeverityMedium, "Notice": v1alpha1.SeverityLow,
		"Informational": v1alpha1.SeverityInformational, "Debug": v1alpha1.SeverityInformational, "": v1alpha1.SeverityMedium,
	}
	got := map[string]v1alpha1.Severity{}
	falco := decoder(t, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco})
	for priority := range want {
		got[priority] = falco.Decode(fmt.Appendf(nil, `{"rule":"r","priority":%q}`, priority), received).Alerts[0].Severity
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzFalco(f *testing.F) {
	f.Add([]byte(httpOutput))
	f.Add([]byte("[" + sidekick + "]"))
	f.Add([]byte(`{"rule":"` + "\xff\u2028" + `","output_fields":{"":{"a":[]}},"time":"0000-01-01T00:00:00Z"}`))
	validator := schema(f)
	falco := decoder(f, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco})
	f.Fuzz(func(t *testing.T, body []byte) {
		fits(t, validator, falco.Decode(body, received).Alerts)
	})
}

// Rules about the network name the connection, and often nothing else of it.
func TestFalcoConnections(t *testing.T) {
	tests := map[string]struct {
		fields string
		want   []string
	}{
		"outbound":                  {`{"fd.name":"10.0.0.1:40312->203.0.113.7:443"}`, []string{"203.0.113.7", "10.0.0.1"}},
		"inbound":                   {`{"fd.name":"198.51.100.9:51000->10.0.0.1:8080"}`, []string{"198.51.100.9", "10.0.0.1"}},
		"IPv6":                      {`{"fd.name":"fd00::1:40312->2001:db8::7:443"}`, []string{"2001:db8::7", "fd00::1"}},
		"said twice":                {`{"fd.name":"10.0.0.1:40312->203.0.113.7:443","fd.sip":"203.0.113.7"}`, []string{"203.0.113.7", "10.0.0.1"}},
		"a file":                    {`{"fd.name":"/etc/shadow"}`, nil},
		"a file named like one":     {`{"fd.name":"/tmp/a->b"}`, nil},
		"one end is no address":     {`{"fd.name":"10.0.0.1:1->:0"}`, []string{"10.0.0.1"}},
		"arrows and nothing else":   {`{"fd.name":"->->"}`, nil},
		"the loopback in IPv6 garb": {`{"fd.name":"::ffff:127.0.0.1:5->::ffff:127.0.0.1:6"}`, []string{"127.0.0.1"}},
	}
	falco := decoder(t, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := falco.Decode([]byte(`{"rule":"r","output_fields":`+tc.fields+`}`), received)
			var found []string
			for _, e := range got.Alerts[0].Entities {
				if e.Type == v1alpha1.EntityIP {
					found = append(found, e.Value)
				}
			}
			if diff := cmp.Diff(tc.want, found); diff != "" {
				t.Errorf("addresses (-want +got):\n%s", diff)
			}
		})
	}
}
