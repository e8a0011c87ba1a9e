package investigation

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/internal/archive"
)

// remember keeps a case that was concluded, and its grade as history of its rules,
// before the status shows either. It costs a read where nothing changed, so that each
// case is looked at again after a start.
func (i *Investigator) remember(ctx context.Context, file *caseFile) error {
	if file.investigation.Status.Verdict == "" {
		return nil
	}
	regraded, err := i.Archive.PutCase(ctx, file.archived(), file.rules())
	if err != nil || !regraded {
		return err
	}
	return i.showAgreement(ctx)
}

// archived is the case as the archive keeps it.
func (f *caseFile) archived() archive.Case {
	spec, status := &f.investigation.Spec, &f.investigation.Status
	c := archive.Case{
		Namespace: f.investigation.Namespace, Name: f.investigation.Name, UID: string(f.investigation.UID),
		Title: status.Title, Narrative: status.Narrative, Priority: status.Priority, Severity: status.Severity,
		Verdict: status.Verdict, Analyst: status.AnalystVerdict, Alerts: status.AlertCount,
		Opened: f.investigation.CreationTimestamp.UTC(), Concluded: utc(status.ConcludedAt),
	}
	if status.Score != nil {
		c.Score = *status.Score
	}
	if f.closed() {
		c.Closed = utc(status.ClosedAt)
	}
	if g := spec.Grade; g != nil {
		c.Grade = &archive.Grade{Verdict: g.Verdict, By: g.By}
	}
	return c
}

// rules of the alerts, each once.
func (f *caseFile) rules() []string {
	rules := make([]string, 0, len(f.alerts))
	for i := range f.alerts {
		rules = append(rules, f.alerts[i].Spec.Rule)
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// utc is a time as the status shows it, which counts microseconds.
func utc(t *metav1.MicroTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}
