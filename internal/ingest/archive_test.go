package ingest_test

import (
	"context"
	"testing"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

// strictAlerts takes no alert whose raw event is not in the archive.
type strictAlerts struct {
	*fakeAlerts
	t       *testing.T
	archive *fakeArchive
}

func (s *strictAlerts) Create(ctx context.Context, alert *v1alpha1.Alert) error {
	switch kept, ok := s.archive.get(alert); {
	case !ok:
		s.t.Errorf("%s is created before it is archived", alert.Name)
	case decode.Digest(kept.Raw) != alert.Spec.RawDigest:
		s.t.Errorf("%s has digest %s, and the archive keeps %q", alert.Name, alert.Spec.RawDigest, kept.Raw)
	case kept.Rule != alert.Spec.Rule || !kept.FirstSeen.Equal(alert.Spec.FirstSeen.Time):
		s.t.Errorf("%s is archived as %+v", alert.Name, kept)
	}
	return s.fakeAlerts.Create(ctx, alert)
}

// An archive that cannot write delays alerts, and loses none.
func TestPipelineArchivesFirst(t *testing.T) {
	generic := source("scanner", v1alpha1.FormatGeneric)
	generic.Spec.Mapping = &v1alpha1.GenericMapping{Items: "body.findings", Rule: "event.check"}
	w := newWorld(t, source("falco", v1alpha1.FormatFalco), source("audit", v1alpha1.FormatKubernetesAudit), generic)
	w.archive.fails = 3
	s := w.open(t)
	publish(t, s, "falco", "["+shell("web-0", 0)+","+shell("web-1", time.Second)+"]")
	publish(t, s, "scanner", `{"findings": [{"check": "cve"}, {"check": "port"}]}`)
	last := publish(t, s, "audit", `{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[
		{"auditID":"1","verb":"get","user":{"username":"a"}},{"auditID":"2","verb":"list","user":{"username":"a"}}]}`)
	saw := &witness{specs: []v1alpha1.AlertSpec{{Rule: "secrets-listed", Title: "secrets", Severity: v1alpha1.SeverityHigh}}}
	w.leadOn(t, &strictAlerts{w.alerts, t, w.archive}, s, saw, processed(t, s, last))
	if got := len(w.alerts.all()); got != 5 {
		t.Errorf("there are %d alerts, want 5", got)
	}
}
