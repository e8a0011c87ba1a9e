package decode_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	listSecrets = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","verb":"list","user":{"username":"system:serviceaccount:shop:web"},"objectRef":{"resource":"secrets"},"requestReceivedTimestamp":"2026-01-31T09:02:10.5Z"}`
	hugeNumber  = `{"auditID":"4","verb":"patch","user":{"username":"system:serviceaccount:shop:web"},"requestObject":{"x":1e400,"spec":{"y":-1e999}}}`
	getHealth   = `{"auditID":"2","verb":"get","user":{"username":"system:anonymous"},"requestURI":"/healthz"}`
)

func eventList(items string) string {
	return `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[` + items + `]}`
}

func TestAudit(t *testing.T) {
	type event struct {
		ID, Raw string
		At      time.Time
	}
	list := event{"1", listSecrets, time.Date(2026, 1, 31, 9, 2, 10, 500000000, time.UTC)}
	health := event{"2", getHealth, received}
	tests := map[string]struct {
		body         string
		want         []event
		wantFailures []failure
	}{
		"a list":                {body: eventList(listSecrets + "," + getHealth), want: []event{list, health}},
		"a single event":        {body: listSecrets, want: []event{list}},
		"without objectRef":     {body: eventList(getHealth), want: []event{health}},
		"an empty list":         {body: eventList("")},
		"a number that is none": {body: eventList(hugeNumber), want: []event{{"4", hugeNumber, received}}},
		"items that are null":   {body: `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":null}`},
		"another version":       {body: `{"kind":"EventList","apiVersion":"audit.k8s.io/v2"}`, wantFailures: []failure{{`{"kind":"EventList","apiVersion":"audit.k8s.io/v2"}`, "format", `apiVersion: "audit.k8s.io/v2": expected audit.k8s.io/v1`}}},
		"another kind":          {body: `{"kind":"Pod","apiVersion":"audit.k8s.io/v1"}`, wantFailures: []failure{{`{"kind":"Pod","apiVersion":"audit.k8s.io/v1"}`, "format", `kind: "Pod": expected EventList or Event`}}},
		"no list":               {body: `7`, wantFailures: []failure{{`7`, "format", "audit event list: (root): expected object, not number"}}},
		"an event without user": {body: eventList(`{"auditID":"3","verb":"get"},` + listSecrets), want: []event{list}, wantFailures: []failure{{`{"auditID":"3","verb":"get"}`, "format", "items[0].user: must be an object"}}},
		"an event without verb": {body: eventList(`{"auditID":"3","user":{}}`), wantFailures: []failure{{`{"auditID":"3","user":{}}`, "format", "items[0].verb: must be a non-empty string"}}},
		"a null event":          {body: eventList(`null`), wantFailures: []failure{{`null`, "format", "items[0].(root): expected an object"}}},
		"objectRef of another type": {
			body:         eventList(`{"auditID":"3","verb":"get","user":{},"objectRef":"x"}`),
			wantFailures: []failure{{`{"auditID":"3","verb":"get","user":{},"objectRef":"x"}`, "format", "items[0].objectRef: must be an object where it is set"}},
		},
	}
	audit := decoder(t, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatKubernetesAudit})
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			batch := audit.Decode([]byte(tc.body), received)
			var got []event
			for _, e := range batch.Events {
				got = append(got, event{e.Object["auditID"].(string), string(e.Raw), e.At})
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.wantFailures, failures(batch)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzAudit(f *testing.F) {
	f.Add([]byte(eventList(listSecrets + "," + getHealth)))
	f.Add([]byte(listSecrets))
	f.Add([]byte(eventList(`null,7,{"user":{},"verb":"x","auditID":"y","requestReceivedTimestamp":7}`)))
	audit := decoder(f, v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatKubernetesAudit})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, e := range audit.Decode(body, received).Events {
			if e.Object["auditID"] == "" || e.Object["verb"] == "" || e.At.IsZero() || len(e.Raw) == 0 {
				t.Errorf("%+v", e)
			}
		}
	})
}
