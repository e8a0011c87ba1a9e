package ingest_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/ingest"
)

var start = time.Now().Add(-4 * time.Hour).UTC().Truncate(time.Second)

// shell is a Falco event of a pod, some time after start.
func shell(pod string, after time.Duration) string {
	return fmt.Sprintf(`{"rule":"Terminal shell in container","priority":"Notice","time":%q,"output":"A shell","output_fields":{"k8s.ns.name":"shop","k8s.pod.name":%q}}`,
		start.Add(after).Format(time.RFC3339Nano), pod)
}

func TestPipelineCountsRepeats(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	for i := range 299 {
		publish(t, s, "falco", shell("web-0", time.Duration(i)*time.Second))
	}
	last := publish(t, s, "falco", shell("web-0", 299*time.Second))
	w.lead(t, s, &witness{}, processed(t, s, last))

	alerts := w.alerts.all()
	if len(alerts) != 1 {
		t.Fatalf("there are %d alerts", len(alerts))
	}
	got := alerts[0]
	want := v1alpha1.AlertStatus{Count: 300, Counted: &v1alpha1.StreamPosition{Stream: s.ID(), Sequence: int64(last)}}
	want.LastSeen.Time = start.Add(299 * time.Second)
	if diff := cmp.Diff(want, got.Status); diff != "" {
		t.Error(diff)
	}
	if got.Labels[v1alpha1.LabelInvestigation] != "case-of-falco" || got.Spec.Source != "falco" || !got.Spec.FirstSeen.Time.Equal(start) ||
		got.Spec.Fingerprint != ingest.OfLook(ingest.Fingerprint("shop", "falco", got.Spec.Rule, "", got.Spec.Entities), activity.Look(got.Spec)) {
		t.Errorf("%+v", got)
	}
	if repeats := w.alerts.writes - 1; repeats > 3 {
		t.Errorf("299 repeats cost %d writes", repeats)
	}
}

// What an alert merges is written with it, so that a crash loses nothing of it.
func TestPipelineWritesWhatIsMerged(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	publish(t, s, "falco", strings.Replace(shell("web-0", 0), "Terminal shell in container", "links", 1))
	last := publish(t, s, "falco", shell("web-1", 0))
	w.lead(t, s, &witness{}, processed(t, s, last))
	got := map[string]string{}
	for _, a := range w.alerts.all() {
		got[a.Spec.Rule] = a.Annotations[v1alpha1.AnnotationJoins]
	}
	if diff := cmp.Diff(map[string]string{"links": "a,b", "Terminal shell in container": ""}, got); diff != "" {
		t.Errorf("joins by rule (-want +got):\n%s", diff)
	}
}

func TestPipelineWindow(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	var last uint64
	// The window slides: an hour after the last repeat, not after the first event.
	for _, after := range []time.Duration{0, 50 * time.Minute, 100 * time.Minute, 30 * time.Minute, 161 * time.Minute, 162 * time.Minute} {
		last = publish(t, s, "falco", shell("web-0", after))
	}
	w.lead(t, s, &witness{}, processed(t, s, last))
	var got []string
	for _, alert := range w.alerts.all() {
		got = append(got, fmt.Sprint(alert.Spec.FirstSeen.Sub(start), " ", ingest.CountOf(alert).Events, " ", ingest.CountOf(alert).LastSeen.Sub(start)))
	}
	if diff := cmp.Diff([]string{"0s 4 1h40m0s", "2h41m0s 2 2h42m0s"}, got); diff != "" {
		t.Error(diff)
	}
}

// A sender that catches up sends events that happened long ago: what matters is the
// time between them, not how late they come.
func TestPipelineCountsWhatComesLate(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	first := publish(t, s, "falco", shell("web-0", 0))
	var last uint64
	var later time.Time
	w.lead(t, s, &witness{}, func() bool {
		switch {
		case !processed(t, s, first)():
		case later.IsZero():
			later = w.clock.Now().Add(10 * time.Minute)
		case last == 0 && w.clock.Now().After(later):
			last = publish(t, s, "falco", shell("web-0", time.Minute))
		}
		return last != 0 && processed(t, s, last)()
	})
	if diff := cmp.Diff(map[string]int64{"shop/" + w.alerts.all()[0].Name: 2}, w.alerts.counts()); diff != "" {
		t.Error(diff)
	}
}

// One actor on one object is no repeat where detection says that something else was done.
func TestPipelineTellsDeedsApart(t *testing.T) {
	w := newWorld(t, source("audit", v1alpha1.FormatKubernetesAudit))
	s := w.open(t)
	spec := v1alpha1.AlertSpec{
		Rule: "cluster-admin-bound", Severity: v1alpha1.SeverityCritical, Fingerprint: "alice is bound",
		Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityUser, Role: v1alpha1.RoleActor, Value: "deployer"}},
	}
	other := spec
	other.Fingerprint = "mallory is bound"
	event := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","verb":"list","user":{"username":"deployer"}}`
	publish(t, s, "audit", event)
	w.lead(t, s, &witness{specs: []v1alpha1.AlertSpec{spec, other}}, processed(t, s, publish(t, s, "audit", event)))
	var counts []int64
	for _, n := range w.alerts.counts() {
		counts = append(counts, n)
	}
	if diff := cmp.Diff([]int64{2, 2}, counts); diff != "" {
		t.Error(diff)
	}
}

// What happens after a case was closed must not be lost in it.
func TestPipelineRepeatsOfAClosedCase(t *testing.T) {
	tests := map[string]struct {
		saw  *witness
		want []string
	}{
		"by itself": {&witness{closed: true}, []string{"0s 2 50m0s", "1h40m0s 2 2h40m0s"}},
		"by a human": {
			&witness{closed: true, byHuman: true}, []string{"0s 1 0s", "50m0s 1 50m0s", "1h40m0s 1 1h40m0s", "2h40m0s 1 2h40m0s"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, source("falco", v1alpha1.FormatFalco))
			s := w.open(t)
			var last uint64
			for _, after := range []time.Duration{0, 50 * time.Minute, 100 * time.Minute, 160 * time.Minute} {
				last = publish(t, s, "falco", shell("web-0", after))
			}
			w.lead(t, s, tc.saw, processed(t, s, last))
			var got []string
			for _, alert := range w.alerts.all() {
				got = append(got, fmt.Sprint(alert.Spec.FirstSeen.Sub(start), " ", ingest.CountOf(alert).Events, " ", ingest.CountOf(alert).LastSeen.Sub(start)))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// backlog has repeats, batches, several pods, a fingerprint that comes back after its window, and more looks than one may have.
func backlog() []string {
	var bodies []string
	for i := range 12 {
		at := time.Duration(i) * time.Minute
		bodies = append(bodies, shell("web-0", at), "["+shell("web-0", at)+","+shell("web-1", at)+","+shell("web-0", at+time.Second)+"]")
	}
	for i := range 4 {
		bodies = append(bodies, shell("web-0", 2*time.Hour+time.Duration(i)*time.Second), shell(fmt.Sprint("web-", i+2), time.Hour))
	}
	for range 2 {
		for _, command := range commands[:10] {
			bodies = append(bodies, ran(command, 2*time.Hour))
		}
	}
	return bodies
}

// TestPipelineSurvivesLosses loses the API server at each write in turn, with and
// without the write taking effect, restarts, and demands the counts of an undisturbed run.
func TestPipelineSurvivesLosses(t *testing.T) {
	run := func(t *testing.T, lostAt int, applied bool) (map[string]int64, int) {
		w := newWorld(t, source("falco", v1alpha1.FormatFalco))
		s := w.open(t)
		var last uint64
		for _, body := range backlog() {
			last = publish(t, s, "falco", body)
		}
		if lostAt > 0 {
			w.alerts.lostAt, w.alerts.applied = lostAt, applied
			w.lead(t, s, &witness{}, w.alerts.lost)
			w.alerts.lostAt = 0
			s.Close()
			s = w.open(t)
		}
		w.lead(t, s, &witness{}, processed(t, s, last))
		return w.alerts.counts(), w.alerts.writes
	}
	want, writes := run(t, 0, false)
	var total int64
	for _, n := range want {
		total += n
	}
	if len(want) != 7+8 || total != 12+3*12+8+20 {
		t.Fatalf("undisturbed: %v", want)
	}
	for lostAt := 1; lostAt <= writes; lostAt++ {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, applied %v", lostAt, applied), func(t *testing.T) {
				got, _ := run(t, lostAt, applied)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestPipelineBadInput(t *testing.T) {
	generic := source("generic", v1alpha1.FormatGeneric)
	generic.Spec.Mapping = &v1alpha1.GenericMapping{Items: "body", Rule: "event.name"}
	broken := source("broken", v1alpha1.FormatGeneric)
	broken.Spec.Mapping = &v1alpha1.GenericMapping{Rule: "event."}
	tests := map[string]struct {
		source, body string
		refuse       error
		wantAlerts   int
		wantLetters  []string
		wantNotes    int
	}{
		"audit event without objectRef": {
			source: "audit", body: `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1","verb":"get","user":{"username":"u"},"requestURI":"/healthz"}`,
		},
		"audit event list of another version": {
			source: "audit", body: `{"kind":"EventList","apiVersion":"v2"}`,
			wantLetters: []string{`format: apiVersion: "v2": expected audit.k8s.io/v1`}, wantNotes: 1,
		},
		"mapping error in one of two events": {
			source: "generic", body: `[{"name":"a"},{"title":"b"}]`, wantAlerts: 1,
			wantLetters: []string{"mapping: spec.mapping.rule: event.name: no such key: name"}, wantNotes: 1,
		},
		"source deleted": {
			source: "gone", body: `{}`, wantLetters: []string{"source: the AlertSource was deleted before the event was processed"},
		},
		"source invalid": {
			source: "broken", body: `{}`, wantNotes: 1,
			wantLetters: []string{"source: the AlertSource is invalid: spec.mapping.rule: CEL does not compile"},
		},
		"refused by the API server": {
			source: "falco", body: shell("web-0", 0), wantNotes: 1,
			refuse:      apierrors.NewInvalid(schema.GroupKind{Kind: "Alert"}, "a", nil),
			wantLetters: []string{`rejected: the API server refuses the Alert: Alert "a" is invalid`},
		},
		"namespace ending": {
			source: "falco", body: shell("web-0", 0), wantNotes: 1,
			refuse:      apierrors.NewForbidden(schema.GroupResource{Resource: "alerts"}, "a", nil),
			wantLetters: []string{`rejected: the API server refuses the Alert: alerts "a" is forbidden`},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, source("falco", v1alpha1.FormatFalco), source("audit", v1alpha1.FormatKubernetesAudit), generic.DeepCopy(), broken.DeepCopy())
			w.alerts.refuse = tc.refuse
			s := w.open(t)
			saw := &witness{}
			w.lead(t, s, saw, processed(t, s, publish(t, s, tc.source, tc.body)))
			if got := len(w.alerts.all()); got != tc.wantAlerts {
				t.Errorf("%d alerts", got)
			}
			found := letters(t, s)
			if len(found) != len(tc.wantLetters) {
				t.Fatalf("dead letters %+v", found)
			}
			for i, letter := range found {
				if got := letter.Class + ": " + letter.Reason; !strings.HasPrefix(got, tc.wantLetters[i]) || letter.Source != tc.source || len(letter.Body) == 0 {
					t.Errorf("%s %s from %s", got, letter.Body, letter.Source)
				}
			}
			if len(saw.notes) != tc.wantNotes {
				t.Errorf("Kubernetes events %q", saw.notes)
			}
		})
	}
}

// editedSources answers the first read of an AlertSource with what it was then, and later ones with what became of it.
type editedSources struct {
	client.Client
	before, after *v1alpha1.AlertSource
	reads         atomic.Int32
}

func (e *editedSources) Get(_ context.Context, _ client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	now := e.after
	if e.reads.Add(1) == 1 {
		now = e.before
	}
	now.DeepCopyInto(into.(*v1alpha1.AlertSource))
	return nil
}

// Somebody edits an AlertSource, and gets it wrong, between the event and the answer of the API server.
func TestPipelineRefusedAfterTheSourceWasEdited(t *testing.T) {
	w := newWorld(t)
	before, after := source("falco", v1alpha1.FormatFalco), source("falco", v1alpha1.FormatGeneric)
	after.Generation = 2
	after.Spec.Mapping = &v1alpha1.GenericMapping{Rule: "event."}
	w.sources = &editedSources{Client: w.sources, before: before, after: after}
	w.alerts.refuse = apierrors.NewInvalid(schema.GroupKind{Kind: "Alert"}, "a", nil)
	s := w.open(t)
	saw := &witness{}
	w.lead(t, s, saw, processed(t, s, publish(t, s, "falco", shell("web-0", 0))))
	if found := letters(t, s); len(found) != 1 || found[0].Class != "rejected" || len(saw.notes) != 1 {
		t.Errorf("dead letters %+v, Kubernetes events %q", found, saw.notes)
	}
}

func TestPipelineDeadLettersOnceAndTellsSeldom(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	saw := &witness{}
	var last uint64
	for range 50 {
		last = publish(t, s, "falco", `{}`)
	}
	w.lead(t, s, saw, processed(t, s, last))
	if err := s.SetProcessed(t.Context(), 1); err != nil { // as if it had been lost
		t.Fatal(err)
	}
	w.lead(t, s, &witness{}, processed(t, s, last))
	if got := len(letters(t, s)); got != 50 {
		t.Errorf("50 messages are %d dead letters", got)
	}
	if got := len(saw.notes); got > 10 {
		t.Errorf("there were %d Kubernetes events", got)
	}
}

// A message of which nothing can be decoded must not fill the dead letters of all tenants.
func TestPipelineDeadLettersOfOneMessage(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	w.lead(t, s, &witness{}, processed(t, s, publish(t, s, "falco", batch(1000))))
	found := letters(t, s)
	if len(found) != 100 {
		t.Fatalf("%d dead letters", len(found))
	}
	for i, letter := range found {
		wantBody, wantReason := "{}", "event of Falco: rule"
		if i == 99 {
			wantBody, wantReason = strings.TrimSpace(strings.Repeat("{}\n", 901)), "(and 900 more parts) event of Falco: rule"
		}
		if string(letter.Body) != wantBody || !strings.HasPrefix(letter.Reason, wantReason) {
			t.Errorf("letter %d, %s: %.40s", i, letter.Reason, letter.Body)
		}
	}
}

// With a quota on Alerts, say, every alert of a message is refused; the message is kept once.
func TestPipelineRefusedAlertsOfOneMessage(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	w.alerts.refuse = apierrors.NewForbidden(schema.GroupResource{Resource: "alerts"}, "a", nil)
	s := w.open(t)
	var bodies []string
	var last uint64
	for i := range 3 {
		var events []string
		for j := range 50 {
			events = append(events, shell(fmt.Sprint("web-", j), time.Duration(i)*time.Second))
		}
		bodies = append(bodies, "["+strings.Join(events, ",")+"]")
		last = publish(t, s, "falco", bodies[i])
	}
	w.lead(t, s, &witness{}, processed(t, s, last))
	var got []string
	for _, letter := range letters(t, s) {
		got = append(got, string(letter.Body))
	}
	if diff := cmp.Diff(bodies, got); diff != "" {
		t.Errorf("%d letters, %s", len(got), diff)
	}
}

func TestPipelineRemembersAfterRestart(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco), source("audit", v1alpha1.FormatKubernetesAudit))
	s := w.open(t)
	event := func(id string) string {
		return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":%q,"verb":"list","user":{"username":"u"},"requestReceivedTimestamp":%q}`, id, start.Format(time.RFC3339))
	}
	saw := &witness{specs: []v1alpha1.AlertSpec{{
		Rule: "secrets-listed", Title: "\x1b[31mlisted\n" + strings.Repeat("x", 1000), Severity: v1alpha1.SeverityHigh,
		Entities: []v1alpha1.Entity{{Type: v1alpha1.EntityUser, Role: v1alpha1.RoleActor, Value: "u"}},
	}}}
	publish(t, s, "audit", event("1"))
	w.lead(t, s, saw, processed(t, s, publish(t, s, "falco", shell("web-0", 0))))
	s.Close()

	s = w.open(t)
	again := &witness{specs: saw.specs}
	w.lead(t, s, again, processed(t, s, publish(t, s, "audit", event("2"))))

	for _, run := range []struct {
		saw         *witness
		want        []string
		wantReached []uint64
	}{{saw, []string{"shop/1"}, []uint64{1, 2}}, {again, []string{"shop/1", "shop/2"}, []uint64{1, 2, 3}}} {
		raw, alerts := run.saw.recorded()
		if diff := cmp.Diff(run.wantReached, run.saw.reached); diff != "" {
			t.Errorf("messages that events came from (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(run.want, raw); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"shop/Terminal shell in container"}, alerts); diff != "" {
			t.Error(diff)
		}
	}
	found := w.alerts.all()
	if len(found) != 2 {
		t.Fatalf("there are %d alerts", len(found))
	}
	for _, alert := range found {
		if alert.Spec.Rule != "secrets-listed" {
			continue
		}
		if ingest.CountOf(alert).Events != 2 || alert.Spec.Source != "audit" || len(alert.Spec.RawDigest) != 64 ||
			!alert.Spec.FirstSeen.Time.Equal(start) || len([]rune(alert.Spec.Title)) != 512 || strings.ContainsAny(alert.Spec.Title, "\x1b\n") {
			t.Errorf("%+v", alert)
		}
	}
}

// TestPipelineStopWritesWhatItKnows: nothing is left for the next leader to count again.
func TestPipelineStopWritesWhatItKnows(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	saw := &witness{}
	var last uint64
	for i := range 5 {
		last = publish(t, s, "falco", shell("web-0", time.Duration(i)*time.Second))
	}
	w.lead(t, s, saw, func() bool { _, alerts := saw.recorded(); return len(alerts) == 5 })
	if got := w.alerts.all()[0].Status.Count; got != 5 {
		t.Errorf("the status counts %d", got)
	}
	if !processed(t, s, last)() {
		t.Error("the messages will come again")
	}
}

func TestPipelineDropsOldEventsOnceProcessed(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	last := publish(t, s, "falco", shell("web-0", 0))
	w.clock.Step(25 * time.Hour)
	w.lead(t, s, &witness{}, func() bool {
		_, err := s.Message(t.Context(), last)
		return err != nil
	})
	if !processed(t, s, last)() || len(w.alerts.all()) != 1 {
		t.Errorf("dropped before it was processed")
	}
}

// Whoever asks memory right after a start must not hear of half of what happened.
func TestPipelineTellsWhenAllIsRemembered(t *testing.T) {
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	var remembered []int
	saw := &witness{}
	w.remembered = func() {
		_, alerts := saw.recorded()
		remembered = append(remembered, len(alerts))
	}
	var last uint64
	first := true
	w.lead(t, s, saw, func() bool {
		if first {
			first = false
			last = publish(t, s, "falco", shell("web-0", 0))
		}
		return processed(t, s, last)()
	})
	if len(remembered) != 1 {
		t.Errorf("with nothing stored before the start it was told %d times, want once", len(remembered))
	}

	// One is processed, two more are not yet.
	publish(t, s, "falco", shell("web-1", 0))
	last = publish(t, s, "falco", shell("web-2", 0))
	remembered, saw = nil, &witness{}
	w.lead(t, s, saw, processed(t, s, last))
	if diff := cmp.Diff([]int{3}, remembered); diff != "" {
		t.Errorf("what was remembered when it was told (-want +got):\n%s", diff)
	}
}
