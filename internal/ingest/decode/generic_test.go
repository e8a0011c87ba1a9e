package decode_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

// alertmanager maps the body of Prometheus Alertmanager's webhook.
func alertmanager() *v1alpha1.GenericMapping {
	return &v1alpha1.GenericMapping{
		Items: "body.alerts", When: `event.status == "firing"`, Rule: "event.labels.alertname",
		Title: "event.annotations.?summary", Severity: `event.labels.?severity.orValue("")`,
		Techniques: `event.labels.?technique`, Time: "event.startsAt",
		Entities: []v1alpha1.EntityMapping{
			{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleTarget, Value: `event.labels.namespace + "/" + event.labels.pod`},
			{Type: v1alpha1.EntityURL, Value: "[body.externalURL, \"\"]"},
		},
		Attributes: map[string]string{"receiver": "body.receiver", "labels": "event.labels", "value": "event.?value"},
	}
}

const firing = `{"status":"firing","startsAt":"2026-01-31T09:00:00.5Z","labels":{"alertname":"Miner","severity":"HIGH","technique":"T1496","namespace":"shop","pod":"web-0"},"annotations":{"summary":"CPU is used up"}}`

func miner() v1alpha1.AlertSpec {
	return v1alpha1.AlertSpec{
		Rule: "Miner", Title: "CPU is used up", Severity: v1alpha1.SeverityHigh, Techniques: []v1alpha1.Technique{"T1496"},
		Entities: []v1alpha1.Entity{
			{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleTarget, Value: "shop/web-0"},
			{Type: v1alpha1.EntityURL, Role: v1alpha1.RoleRelated, Value: "http://am"},
		},
		Attributes: map[string]string{
			"receiver": "soc", "labels": `{"alertname":"Miner","namespace":"shop","pod":"web-0","severity":"HIGH","technique":"T1496"}`,
		},
		FirstSeen: metav1.NewMicroTime(time.Date(2026, 1, 31, 9, 0, 0, 500000000, time.UTC)),
	}
}

func TestGeneric(t *testing.T) {
	body := func(items string) string {
		return `{"receiver":"soc","externalURL":"http://am","alerts":[` + items + `]}`
	}
	tests := map[string]struct {
		mapping      *v1alpha1.GenericMapping
		body         string
		want         []v1alpha1.AlertSpec
		wantFailures []string
	}{
		"mapped, filtered, one failed": {
			mapping: alertmanager(), body: body(firing + `,{"status":"resolved"},{"status":"firing","labels":{}}`),
			want: []v1alpha1.AlertSpec{miner()}, wantFailures: []string{"spec.mapping.rule: event.labels.alertname: no such key: alertname"},
		},
		"the whole body, and defaults": {
			mapping: &v1alpha1.GenericMapping{Rule: "event.name"}, body: `{"name":"x"}`,
			want: []v1alpha1.AlertSpec{{Rule: "x", Title: "x", Severity: v1alpha1.SeverityMedium, FirstSeen: metav1.NewMicroTime(received)}},
		},
		"time as a timestamp": {
			mapping: &v1alpha1.GenericMapping{Rule: `"x"`, Time: "timestamp(event.t)"}, body: `{"t":"2026-01-31T10:00:00+01:00"}`,
			want: []v1alpha1.AlertSpec{{Rule: "x", Title: "x", Severity: v1alpha1.SeverityMedium, FirstSeen: metav1.NewMicroTime(received.Truncate(time.Hour))}},
		},
		"items that are no list": {
			mapping: &v1alpha1.GenericMapping{Items: "body.x", Rule: `"x"`}, body: `{"x":1}`,
			wantFailures: []string{"spec.mapping.items: must yield a list, not float64"},
		},
		"rule that is no text": {
			mapping: &v1alpha1.GenericMapping{Rule: "event.x"}, body: `{"x":1}`,
			wantFailures: []string{"spec.mapping.rule: event.x: must be a string or a list of strings, not float64"},
		},
		"rule of blanks": {
			mapping: &v1alpha1.GenericMapping{Rule: "event.x"}, body: `{"x":" \n"}`,
			wantFailures: []string{"spec.mapping.rule: must yield one non-empty string"},
		},
		"unknown severity": {
			mapping: &v1alpha1.GenericMapping{Rule: `"x"`, Severity: "event.s"}, body: `{"s":"page"}`,
			wantFailures: []string{`spec.mapping.severity: ["page"]: expected one of [Informational Low Medium High Critical Fatal]`},
		},
		"unknown technique": {
			mapping: &v1alpha1.GenericMapping{Rule: `"x"`, Techniques: "event.t"}, body: `{"t":["T1"]}`,
			wantFailures: []string{`spec.mapping.techniques: "T1": expected an ATT&CK id such as T1552.007`},
		},
		"time in words": {
			mapping: &v1alpha1.GenericMapping{Rule: `"x"`, Time: "event.t"}, body: `{"t":"yesterday"}`,
			wantFailures: []string{`spec.mapping.time: "yesterday": expected a timestamp or RFC 3339 text such as 2026-01-31T09:02:11Z`},
		},
		"a costly expression": {
			mapping:      &v1alpha1.GenericMapping{Rule: `"x"`, When: "event.l.all(a, event.l.all(b, event.l.all(c, a == b || b == c || true)))"},
			body:         `{"l":[` + strings.Repeat("1,", 999) + `1]}`,
			wantFailures: []string{"spec.mapping.when: event.l.all(a, event.l.all(b, event.l.all(c, a == b || b == c || true))): the values are too large to look at"},
		},
	}
	validator := schema(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := decoder(t, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric, Mapping: tc.mapping}).Decode([]byte(tc.body), received)
			fits(t, validator, got.Alerts)
			for i := range got.Alerts {
				if got.Alerts[i].RawDigest == "" {
					t.Error("no digest")
				}
				got.Alerts[i].RawDigest = ""
			}
			if diff := cmp.Diff(tc.want, got.Alerts); diff != "" {
				t.Error(diff)
			}
			var failed []string
			for _, f := range failures(got) {
				failed = append(failed, f.Err)
			}
			if diff := cmp.Diff(tc.wantFailures, failed); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNewNamesTheField(t *testing.T) {
	tests := map[string]struct {
		spec v1alpha1.AlertSourceSpec
		want []string
	}{
		"unknown format":  {v1alpha1.AlertSourceSpec{Format: "Syslog"}, []string{`spec.format: "Syslog"`}},
		"without mapping": {v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric}, []string{"spec.mapping: must be set"}},
		"every expression that does not compile": {
			v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric, Mapping: &v1alpha1.GenericMapping{
				Rule: "event.", When: `"text"`, Items: "event.x",
				Entities:   []v1alpha1.EntityMapping{{Type: v1alpha1.EntityIP, Value: "nothing"}},
				Attributes: map[string]string{"a": "1 +", strings.Repeat("n", 65): "1"},
			}},
			[]string{
				"spec.mapping.rule: CEL does not compile", "spec.mapping.when: CEL must be a condition", "spec.mapping.items: CEL does not compile",
				"spec.mapping.entities[0].value: CEL", `spec.mapping.attributes["a"]: CEL`, "a name has 1 to 64 characters",
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := decode.New(&tc.spec)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
		})
	}
}

func FuzzGeneric(f *testing.F) {
	f.Add([]byte(`{"receiver":"soc","externalURL":"http://am","alerts":[` + firing + `]}`))
	f.Add([]byte(`{"alerts":[{"status":"firing","labels":{"alertname":"\u0000\ud800"}}]}`))
	f.Add([]byte(`[]`))
	validator := schema(f)
	generic := decoder(f, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatGeneric, Mapping: alertmanager()})
	f.Fuzz(func(t *testing.T, body []byte) {
		fits(t, validator, generic.Decode(body, received).Alerts)
	})
}
