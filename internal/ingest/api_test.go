package ingest_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	apply "github.com/tocsin-dev/tocsin/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

// hostile fills every field of a Falco event to the brim, with what attackers write.
func hostile(t *testing.T) string {
	t.Helper()
	fields := map[string]any{"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "proc.exepath": strings.Repeat("\u2713/", 600)}
	for i := range 100 {
		fields[strings.Repeat("ä", 60)+string(rune('a'+i))] = strings.Repeat("\U0001F511\x00\x1b[2J", 2000)
	}
	body, err := json.Marshal(map[string]any{
		"rule": strings.Repeat("\u202Eevil ", 100), "output": strings.Repeat("\U0001F511", 5000) + "\xff", "hostname": "node",
		"time": "0000-00-00", "tags": []string{"T1059", "T1059", "T99999"}, "output_fields": fields,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestPipelineOnAPIServer has the API server itself judge what the pipeline writes.
func TestPipelineOnAPIServer(t *testing.T) {
	cluster := shared.Get(t)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
	if err := cluster.Client.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, source("falco", v1alpha1.FormatFalco))
	s := w.open(t)
	for i := range 20 {
		publish(t, s, "falco", shell("web-0", time.Duration(i)*time.Second))
	}
	publish(t, s, "falco", hostile(t))
	last := publish(t, s, "falco", hostile(t))
	api := &ingest.APIAlerts{Client: cluster.Client, Reader: cluster.Client}
	w.leadOn(t, api, s, &witness{}, processed(t, s, last))

	var alerts v1alpha1.AlertList
	if err := cluster.Client.List(t.Context(), &alerts, client.InNamespace("shop")); err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, alert := range alerts.Items {
		got[alert.Name[:strings.LastIndex(alert.Name, "-")]] = alert.Status.Count
	}
	want := map[string]int64{"terminal-shell-in-container": 20, "evil-evil-evil-evil-evil-evil-evil-evil": 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s; dead letters: %+v", diff, letters(t, s))
	}
}

// TestSetCountKeepsConclusions: ingest owns three fields of a status, and the rest stays.
func TestSetCountKeepsConclusions(t *testing.T) {
	cluster := shared.Get(t)
	if err := cluster.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "counts"}}); err != nil {
		t.Fatal(err)
	}
	api := &ingest.APIAlerts{Client: cluster.Client, Reader: cluster.Client}
	key := types.NamespacedName{Namespace: "counts", Name: "a"}
	alert := &v1alpha1.Alert{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Annotations: map[string]string{ingest.AnnotationPosition: "EVENTS-1/3"}},
		Spec: v1alpha1.AlertSpec{
			Source: "s", Rule: "r", Title: "t", Severity: v1alpha1.SeverityLow, Fingerprint: strings.Repeat("0", 64), FirstSeen: metav1.NewMicroTime(start),
		},
	}
	if err := api.Create(t.Context(), alert); err != nil {
		t.Fatal(err)
	}
	conclusion := apply.Alert(key.Name, key.Namespace).WithStatus(apply.AlertStatus().WithInvestigation("case").WithVerdict(v1alpha1.TruePositive))
	if err := cluster.Client.Status().Apply(t.Context(), conclusion, client.FieldOwner("tocsin")); err != nil {
		t.Fatal(err)
	}
	before, err := api.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if got := ingest.CountOf(before); got.Events != 1 || got.Through.Sequence != 3 {
		t.Errorf("before it is counted: %+v", got)
	}
	want := ingest.Count{Events: 7, LastSeen: start.Add(time.Minute)}
	want.Through.Stream, want.Through.Sequence = "EVENTS-1", 9
	for range 2 {
		if err := api.SetCount(t.Context(), key, want); err != nil {
			t.Fatal(err)
		}
	}
	after, err := api.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, ingest.CountOf(after)); diff != "" {
		t.Error(diff)
	}
	if after.Status.Investigation != "case" || after.Status.Verdict != v1alpha1.TruePositive {
		t.Errorf("conclusions were lost: %+v", after.Status)
	}
}
