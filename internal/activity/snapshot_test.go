package activity

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// story plays a stream of three messages an hour over some days, from a message on.
func story(m *Memory, from, to uint64) {
	for sequence := from; sequence <= to; sequence++ {
		at := noon.Add(time.Duration(sequence) * 20 * time.Minute)
		m.Reached("EVENTS-1", sequence)
		m.Record("soc", event("list", "secrets", "shop", ""), at)
		m.Record("soc", event("get", "pods", "shop", "p", code(403)), at)
		m.Record("soc", event("get", "pods", "shop", "p", set("stage", "RequestReceived")), at)
		m.Record("soc", podOf("web-79fc758899", fmt.Sprintf("ghcr.io/shop/web-%d", sequence%7)), at)
		m.RecordAlert("soc", runs("shop/web-79fc758899-mgj2w", "/bin/sh", "a.example", at))
		m.RecordAlert("other", runs("pay/web-0", "/bin/true", "b.example", at))
		m.RecordFiring("soc", fired("secrets-listed", web, "shop", at))
	}
}

// fired is an alert about what an actor did in a namespace.
func fired(rule, actor, namespace string, at time.Time) v1alpha1.AlertSpec {
	return v1alpha1.AlertSpec{
		Source: "audit", Rule: rule, FirstSeen: metav1.NewMicroTime(at), Attributes: map[string]string{"user": actor, "namespace": namespace},
	}
}

// content of the baselines, in an order of its own.
func content(m *Memory) []tableState {
	tables := m.state().tables
	slices.SortFunc(tables, func(a, b tableState) int { return strings.Compare(a.namespace+a.name, b.namespace+b.name) })
	for _, t := range tables {
		slices.SortFunc(t.habits, func(a, b kept) int { return strings.Compare(a.who+a.what, b.who+b.what) })
	}
	return tables
}

// exact compares with all that is not exported.
var exact = cmp.Exporter(func(reflect.Type) bool { return true })

func snapshot(t testing.TB, m *Memory) []byte {
	t.Helper()
	raw, err := m.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestRestart: whatever was processed when the snapshot was taken and when the process
// died, memory ends up as if neither had happened.
func TestRestart(t *testing.T) {
	const all = 300
	want := New(DefaultLimits)
	story(want, 1, all)

	tests := map[string]struct {
		// until is the last message before the snapshot, events how many of the next one's.
		until  uint64
		events int
		// oldest message that the stream still has.
		oldest uint64
	}{
		"the stream begins after the snapshot": {until: 200, oldest: 201},
		"the stream reaches back further":      {until: 200, oldest: 120},
		"the whole stream is there":            {until: 200, oldest: 1},
		"all is in the snapshot":               {until: all, oldest: 250},
		"nothing is":                           {until: 0, oldest: 1},
		"in the middle of a message":           {until: 200, events: 3, oldest: 190},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := New(DefaultLimits)
			story(before, 1, test.until)
			if test.events > 0 {
				partly(before, test.until+1, test.events)
			}
			after := New(DefaultLimits)
			if err := after.Restore(snapshot(t, before)); err != nil {
				t.Fatal(err)
			}
			story(after, test.oldest, all)
			if diff := cmp.Diff(content(want), content(after), exact); diff != "" {
				t.Errorf("baselines (-without a restart +with one):\n%s", diff)
			}
			if got := after.state().covers; got.Sequence != all {
				t.Errorf("the next snapshot covers up to %v", got)
			}
			for name, table := range after.tenants["soc"].tables() {
				if size(t, table) == 0 {
					t.Errorf("%s is empty", name)
				}
			}
		})
	}
}

// partly tells the first events of a message, as story does.
func partly(m *Memory, sequence uint64, events int) {
	at := noon.Add(time.Duration(sequence) * 20 * time.Minute)
	m.Reached("EVENTS-1", sequence)
	for _, raw := range []map[string]any{
		event("list", "secrets", "shop", ""), event("get", "pods", "shop", "p", code(403)),
		event("get", "pods", "shop", "p", set("stage", "RequestReceived")),
	}[:events] {
		m.Record("soc", raw, at)
	}
}

// TestASecondRestart: before anything new is read, or while the stream is read again,
// a snapshot covers as much as the one that was restored.
func TestASecondRestart(t *testing.T) {
	first := New(DefaultLimits)
	story(first, 1, 100)
	second := New(DefaultLimits)
	if err := second.Restore(snapshot(t, first)); err != nil {
		t.Fatal(err)
	}
	for _, read := range []uint64{0, 50} {
		story(second, 1, read)
		third := New(DefaultLimits)
		if err := third.Restore(snapshot(t, second)); err != nil {
			t.Fatal(err)
		}
		story(third, 1, 100)
		if diff := cmp.Diff(content(first), content(third), exact); diff != "" {
			t.Errorf("after %d messages (-first +third):\n%s", read, diff)
		}
	}
}

// TestAnotherStream: a stream in an empty directory begins at 1 again.
func TestAnotherStream(t *testing.T) {
	before := New(DefaultLimits)
	story(before, 1, 100)
	after := New(DefaultLimits)
	if err := after.Restore(snapshot(t, before)); err != nil {
		t.Fatal(err)
	}
	after.Reached("EVENTS-2", 1)
	after.Record("soc", event("list", "secrets", "shop", ""), noon.Add(40*time.Hour))
	if f := after.Novelty("soc", web, "list", "secrets", "shop", noon.Add(41*time.Hour)); f.Hours != 35 {
		t.Errorf("it is known from %d hours, want the 34 of one stream and one of the other", f.Hours)
	}
	if got := after.state().covers; got != (place{Stream: "EVENTS-2", Sequence: 1, Events: 1}) {
		t.Errorf("a snapshot covers %v", got)
	}
}

// TestRestoreKeepsWhatIsUsual where there is less room than there was.
func TestRestoreKeepsWhatIsUsual(t *testing.T) {
	before := New(DefaultLimits)
	for hour := range 30 {
		before.Record("soc", event("get", "pods", "shop", "p"), noon.Add(time.Duration(hour)*time.Hour))
	}
	for i := range 1000 {
		before.Record("soc", event("get", fmt.Sprintf("things-%d", i), "shop", "p"), noon.Add(40*time.Hour))
	}
	limits := DefaultLimits
	limits.Deeds = 320
	after := New(limits)
	if err := after.Restore(snapshot(t, before)); err != nil {
		t.Fatal(err)
	}
	later := noon.Add(50 * time.Hour)
	if f := after.Novelty("soc", web, "get", "pods", "shop", later); !f.SeenBefore || !f.Crowded || f.BaselineAge != 50*time.Hour {
		t.Errorf("%+v", f)
	}
	size(t, after.tenants["soc"].deeds)
}

func TestRestoreRefuses(t *testing.T) {
	m := New(DefaultLimits)
	story(m, 1, 10)
	good := snapshot(t, m)
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	record := func(table, habit string) []byte {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		fmt.Fprintf(zip, `{"tables": 1} {"namespace": "soc", "table": %q, "since": 1, "habits": 1} %s`, table, habit)
		if err := zip.Close(); err != nil {
			t.Fatal(err)
		}
		return sealed(packed.Bytes())
	}
	tests := map[string]struct {
		raw      []byte
		want     error
		wantText string
	}{
		"nothing":             {nil, ErrCorrupt, "first line"},
		"something else":      {[]byte("PK\x03\x04"), ErrCorrupt, "first line"},
		"a newer version":     {bytes.Replace(good, []byte("tocsin-memory 1 "), []byte("tocsin-memory 2 "), 1), ErrNewer, `version "2", this one reads 1`},
		"cut short":           {good[:len(good)-1], ErrCorrupt, "checksum"},
		"a bit flipped":       {flipped, ErrCorrupt, "checksum"},
		"not packed":          {sealed([]byte("{}")), ErrCorrupt, ""},
		"a table is missing":  {record("deeds", ""), ErrCorrupt, `table "deeds": EOF`},
		"an unknown table":    {record("wishes", `{"what": "a", "first": 1, "last": 1}`), nil, `there is no table "wishes"`},
		"hours out of order":  {record("deeds", `{"what": "a", "first": 1, "last": 1, "hours": [[2, 1], [1, 1]]}`), ErrCorrupt, "hours[1]"},
		"a count below zero":  {record("deeds", `{"what": "a", "first": 1, "last": 1, "hours": [[2, -1]]}`), ErrCorrupt, "hours[0]"},
		"too many hours":      {record("deeds", `{"what": "a", "first": 1, "last": 1, "hours": [[],[],[],[],[],[],[],[],[]]}`), ErrCorrupt, "9 hours"},
		"last before first":   {record("deeds", `{"what": "a", "first": 2, "last": 1}`), ErrCorrupt, "first 2, last 1"},
		"not a number":        {record("deeds", `{"what": "a", "first": 2, "last": 2, "older": "NaN"}`), ErrCorrupt, "older"},
		"spans out of order":  {record("actors", `{"what": "a", "first": 1, "last": 1, "actor": {"spans": [[2, 1, 1], [2, 1, 1]]}}`), ErrCorrupt, "spans[1]"},
		"too many spans":      {record("actors", `{"what": "a", "first": 1, "last": 1, "actor": {"spans": [[],[],[],[],[],[],[],[],[],[],[],[],[]]}}`), ErrCorrupt, "13 spans"},
		"an actor of nothing": {record("actors", `{"what": "a", "first": 1, "last": 1}`), nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			after := New(DefaultLimits)
			err := after.Restore(test.raw)
			if (err == nil) != (test.want == nil && test.wantText == "") || test.want != nil && !errors.Is(err, test.want) ||
				err != nil && !strings.Contains(err.Error(), test.wantText) {
				t.Errorf("error %v, want %v that says %q", err, test.want, test.wantText)
			}
			if err != nil && len(after.tenants) > 0 {
				t.Error("something was restored all the same")
			}
			story(after, 1, 3) // it works
		})
	}
	if err := m.Restore(good); err == nil {
		t.Error("a memory that is not empty was replaced")
	}
}

// sealed is a snapshot whose checksum fits.
func sealed(packed []byte) []byte {
	return append(fmt.Appendf(nil, "%s %s %s\n", snapshotFormat, snapshotVersion, checksum(packed)), packed...)
}

// FuzzRestore: whatever a file holds, memory works after it, bounded and consistent.
func FuzzRestore(f *testing.F) {
	m := New(DefaultLimits)
	story(m, 1, 1)
	raw := snapshot(f, m)
	f.Add(raw, false)
	_, packed, _ := bytes.Cut(raw, []byte("\n"))
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		f.Fatal(err)
	}
	plain, err := io.ReadAll(zip)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain, true)
	limits := Limits{Events: 8, PerEntity: 2, Entities: 8, Owners: 8, Actors: 8, Deeds: 32, Tries: 8, Origins: 8, Details: 8, Processes: 8, Destinations: 8, Images: 8, Firings: 8}
	f.Fuzz(func(t *testing.T, raw []byte, unpacked bool) {
		restored := New(limits)
		if !unpacked {
			_ = restored.Restore(raw)
		} else if s, err := readState(bytes.NewReader(raw)); err == nil {
			_ = restored.restore(s)
		}
		story(restored, 1, 2)
		restored.Novelty("soc", web, "list", "secrets", "shop", noon)
		restored.Rate("soc", web, noon)
		for _, tenant := range restored.tenants {
			for _, table := range tenant.tables() {
				if size(t, table) > table.limit {
					t.Errorf("%d habits, more than %d", len(table.all), table.limit)
				}
			}
		}
		if err := New(limits).Restore(snapshot(t, restored)); err != nil {
			t.Errorf("what was restored cannot be restored again: %v", err)
		}
	})
}

// full is a memory in which everything is full.
func full(tb testing.TB) *Memory {
	tb.Helper()
	m := New(DefaultLimits)
	for i := range DefaultLimits.Deeds * 2 {
		at := noon.Add(time.Duration(i) * time.Second)
		raw := event("get", fmt.Sprintf("resource-%d", i%500), fmt.Sprintf("namespace-%d", i%777), fmt.Sprintf("object-%d", i),
			set("user", map[string]any{"username": fmt.Sprintf("system:serviceaccount:namespace-%d:account-%d", i%777, i%9000)}))
		m.Record("soc", raw, at)
		m.RecordAlert("soc", runs(fmt.Sprintf("namespace-%d/pod-%d", i%777, i%3000), fmt.Sprintf("/usr/local/bin/program-%d", i), fmt.Sprintf("host-%d.example.com", i), at))
		m.Record("soc", podOf(fmt.Sprintf("web-%d", i), fmt.Sprintf("registry.example.com/team/image-%d:1", i), func(raw map[string]any) {
			raw["objectRef"].(map[string]any)["namespace"] = fmt.Sprintf("namespace-%d", i%777)
		}), at)
	}
	return m
}

// BenchmarkSnapshot is what a snapshot of a full memory takes; copying is the part for
// which events wait.
func BenchmarkSnapshot(b *testing.B) {
	m := full(b)
	b.Run("copy", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			m.state()
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		size := 0
		for b.Loop() {
			size = len(snapshot(b, m))
		}
		b.ReportMetric(float64(size), "bytes")
	})
	raw := snapshot(b, m)
	b.Run("restore", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := New(DefaultLimits).Restore(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkMemory reports how much memory a namespace needs in which everything is full.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m := full(b)
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "MB")
		runtime.KeepAlive(m)
	}
}
