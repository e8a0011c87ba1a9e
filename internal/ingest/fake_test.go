package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

var errLost = errors.New("connection to the API server lost")

// fakeAlerts is an API server that can be lost at any write.
type fakeAlerts struct {
	mu      sync.Mutex
	objects map[types.NamespacedName]*v1alpha1.Alert
	writes  int
	// lostAt is the write that is the first to fail; 0 for never. With applied it
	// takes effect all the same, and only the answer is lost.
	lostAt  int
	applied bool
	// refuse is the answer to every creation.
	refuse error
}

func newFakeAlerts() *fakeAlerts {
	return &fakeAlerts{objects: map[types.NamespacedName]*v1alpha1.Alert{}}
}

func (f *fakeAlerts) Each(_ context.Context, visit func(*v1alpha1.Alert)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, alert := range f.objects {
		visit(alert.DeepCopy())
	}
	return nil
}

func (f *fakeAlerts) Get(_ context.Context, key types.NamespacedName) (*v1alpha1.Alert, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if alert, ok := f.objects[key]; ok {
		return alert.DeepCopy(), nil
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "alerts"}, key.Name)
}

func (f *fakeAlerts) Create(_ context.Context, alert *v1alpha1.Alert) error {
	return f.write(func() error {
		if f.refuse != nil {
			return f.refuse
		}
		key := client.ObjectKeyFromObject(alert)
		if f.objects[key] != nil {
			return apierrors.NewAlreadyExists(schema.GroupResource{Resource: "alerts"}, key.Name)
		}
		f.objects[key] = alert.DeepCopy()
		return nil
	})
}

func (f *fakeAlerts) SetCount(_ context.Context, key types.NamespacedName, count ingest.Count) error {
	return f.write(func() error {
		alert, ok := f.objects[key]
		if !ok {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "alerts"}, key.Name)
		}
		alert.Status.Count = count.Events
		alert.Status.LastSeen = metav1.NewMicroTime(count.LastSeen)
		alert.Status.Counted = &v1alpha1.StreamPosition{Stream: count.Through.Stream, Sequence: int64(count.Through.Sequence)}
		return nil
	})
}

func (f *fakeAlerts) write(do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if f.lostAt == 0 || f.writes < f.lostAt {
		return do()
	}
	if f.writes == f.lostAt && f.applied {
		_ = do() // nobody hears of it
	}
	return errLost
}

func (f *fakeAlerts) lost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lostAt != 0 && f.writes >= f.lostAt
}

// counts of events by the name of the alert.
func (f *fakeAlerts) counts() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	found := map[string]int64{}
	for key, alert := range f.objects {
		found[key.String()] = ingest.CountOf(alert).Events
	}
	return found
}

func (f *fakeAlerts) all() []*v1alpha1.Alert {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.SortedFunc(maps.Values(f.objects), func(a, b *v1alpha1.Alert) int { return a.Spec.FirstSeen.Compare(b.Spec.FirstSeen.Time) })
}

// fakeArchive keeps what it is given, after it has failed a few times.
type fakeArchive struct {
	mu    sync.Mutex
	fails int
	kept  map[string]archive.Alert
}

func newFakeArchive() *fakeArchive { return &fakeArchive{kept: map[string]archive.Alert{}} }

func (f *fakeArchive) PutAlerts(_ context.Context, alerts ...archive.Alert) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails > 0 {
		f.fails--
		return errors.New("no space left on device")
	}
	for _, a := range alerts {
		f.kept[a.Namespace+"/"+a.Name] = a
	}
	return nil
}

func (f *fakeArchive) get(alert *v1alpha1.Alert) (archive.Alert, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.kept[alert.Namespace+"/"+alert.Name]
	return a, ok
}

// witness is a detector, recorder, correlator and events recorder that remembers.
type witness struct {
	mu    sync.Mutex
	specs []v1alpha1.AlertSpec
	// detect finds alerts in any event, if it is there.
	detect func(event map[string]any) []v1alpha1.AlertSpec
	raw    []string
	alerts []string
	notes  []string
	// reached are the messages that events came from.
	reached []uint64
	// memory is told as well, if there is one.
	memory *activity.Memory
	// closed: every case is, byHuman or by itself.
	closed, byHuman bool
}

func (w *witness) Detect(_ string, event map[string]any) []v1alpha1.AlertSpec {
	if w.detect != nil {
		return w.detect(event)
	}
	if event["verb"] == "list" {
		return w.specs
	}
	return nil
}

func (w *witness) Reached(stream string, sequence uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.memory != nil {
		w.memory.Reached(stream, sequence)
	}
	w.reached = append(w.reached, sequence)
}

func (w *witness) Record(namespace string, event map[string]any, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.memory != nil {
		w.memory.Record(namespace, event, at)
	}
	w.raw = append(w.raw, fmt.Sprintf("%s/%s", namespace, event["auditID"]))
}

func (w *witness) RecordAlert(namespace string, spec v1alpha1.AlertSpec) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.memory != nil {
		w.memory.RecordAlert(namespace, spec)
	}
	w.alerts = append(w.alerts, namespace+"/"+spec.Rule)
}

func (*witness) Connected(string, string, time.Time) {}

func (w *witness) RecordFiring(namespace string, spec v1alpha1.AlertSpec) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.memory != nil {
		w.memory.RecordFiring(namespace, spec)
	}
}

func (w *witness) recorded() (raw, alerts []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.raw), slices.Clone(w.alerts)
}

func (*witness) Observe(string, map[string]any, time.Time) {}

func (*witness) Join(_, _ string, spec v1alpha1.AlertSpec) (string, []string) {
	if spec.Rule == "links" {
		return "case-of-" + spec.Source, []string{"a", "b"}
	}
	return "case-of-" + spec.Source, nil
}

func (w *witness) Closed(string, string) (closed, byHuman bool) { return w.closed, w.byHuman }

func (w *witness) Eventf(regarding, _ runtime.Object, _, reason, _, note string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, regarding.(*v1alpha1.AlertSource).Name+" "+reason+" "+fmt.Sprintf(note, args...))
}

func scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return s
}

func source(name string, format v1alpha1.AlertFormat) *v1alpha1.AlertSource {
	s := &v1alpha1.AlertSource{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID(name)}}
	s.Spec.Format = format
	s.Spec.Authentication.Bearer = &v1alpha1.BearerAuthentication{}
	return s
}

// world is what outlives a pipeline.
type world struct {
	dir     string
	alerts  *fakeAlerts
	archive *fakeArchive
	sources client.Client
	clock   *testclock.FakeClock
	// registry of the last pipeline.
	registry *prometheus.Registry
	// remembered is called by the next pipelines.
	remembered func()
}

func newWorld(t *testing.T, sources ...client.Object) *world {
	return &world{
		dir: t.TempDir(), alerts: newFakeAlerts(), archive: newFakeArchive(), clock: testclock.NewFakeClock(time.Now()),
		sources: fake.NewClientBuilder().WithScheme(scheme(t)).WithObjects(sources...).Build(),
	}
}

func (w *world) open(t *testing.T) *stream.Stream {
	t.Helper()
	s, err := stream.Open(t.Context(), stream.Config{Dir: w.dir, MaxBytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// lead runs a pipeline until something is so, and stops it as the manager does.
func (w *world) lead(t *testing.T, s *stream.Stream, saw *witness, until func() bool) {
	t.Helper()
	w.leadOn(t, w.alerts, s, saw, until)
}

func (w *world) leadOn(t *testing.T, alerts ingest.Alerts, s *stream.Stream, saw *witness, until func() bool) {
	t.Helper()
	w.registry = prometheus.NewRegistry()
	p := &ingest.Pipeline{
		Stream: s, Sources: w.sources, Alerts: alerts, Archive: w.archive, Detector: saw, Recorder: saw, Correlator: saw, Events: saw,
		Metrics: ingest.NewMetrics(w.registry), Clock: w.clock, FlushInterval: ingest.DefaultFlushInterval,
		Log: testr.New(t), Remembered: w.remembered,
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Start(ctx) }()
	deadline := time.After(time.Minute)
	for !until() {
		select {
		case err := <-done:
			t.Fatalf("the pipeline ended: %v", err)
		case <-deadline:
			t.Fatal("what was waited for did not come")
		case <-time.After(time.Millisecond):
			w.clock.Step(time.Second)
		}
	}
	cancel()
	if err := <-done; err != nil && !w.alerts.lost() {
		t.Fatalf("the pipeline ended: %v", err)
	}
}

// processed waits for every effect of the stream to be in the API server.
func processed(t *testing.T, s *stream.Stream, sequence uint64) func() bool {
	return func() bool {
		got, err := s.Processed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return got >= sequence
	}
}

func publish(t *testing.T, s *stream.Stream, source, body string) uint64 {
	t.Helper()
	position, err := s.Publish(t.Context(), "shop", source, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return position.Sequence
}

func letters(t *testing.T, s *stream.Stream) []stream.DeadLetter {
	t.Helper()
	var found []stream.DeadLetter
	for letter, err := range s.DeadLetters(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, letter)
	}
	return found
}
