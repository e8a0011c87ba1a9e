package investigation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	settings "github.com/tocsin-dev/tocsin/controllers/analyst"
	"github.com/tocsin-dev/tocsin/internal/analyst"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/playbook"
	"github.com/tocsin-dev/tocsin/internal/redact"
)

const (
	engineName = "built-in"
	// maxLogged alerts of a verdict are named in the audit log; of more it holds the
	// digest, since an entry that does not fit would keep the case without a verdict.
	maxLogged = 32
)

// Playbooks knows the playbooks in force in a namespace.
type Playbooks interface {
	For(namespace string) []*playbook.Playbook
}

// Log is the audit log.
type Log interface {
	Append(ctx context.Context, entry audit.Entry) (int64, error)
}

// Archive keeps what a verdict rests on, and what humans made of it.
type Archive interface {
	PutBlobs(ctx context.Context, bodies ...[]byte) error
	PutCase(ctx context.Context, c archive.Case, rules []string) (regraded bool, err error)
	Agreement(ctx context.Context) ([]archive.Agreement, error)
}

// Investigator asks the questions of a case and concludes.
type Investigator struct {
	Reader    client.Reader
	Registry  *connectors.Registry
	Playbooks Playbooks
	Log       Log
	Archive   Archive
	Now       func() time.Time
	// Ready returns once every Connector and Playbook that exists was checked, and memory
	// is restored: right after a start, a case would be concluded without them.
	Ready func(context.Context) error
}

// outcome of an investigation.
type outcome struct {
	// subject that was asked about; the case may be about more by now.
	subject        string
	status         v1alpha1.InvestigationStatus
	escalateReason string // empty if no human is needed
	actions        []*v1alpha1.ResponseAction
}

// Investigate concludes a case on these alerts, the oldest first. The reason says why
// a human has to look, and is empty if none has to.
func (i *Investigator) Investigate(ctx context.Context, investigation *v1alpha1.Investigation, alerts []v1alpha1.Alert) (v1alpha1.InvestigationStatus, string, error) {
	found, err := i.investigate(ctx, &caseFile{investigation: investigation, alerts: alerts})
	return found.status, found.escalateReason, err
}

// investigate reads only what the connectors answer; all else is computed.
func (i *Investigator) investigate(ctx context.Context, file *caseFile) (outcome, error) {
	if err := i.Ready(ctx); err != nil {
		return outcome{}, err
	}
	q, err := i.open(ctx, file)
	if err != nil {
		return outcome{}, err
	}
	namespace := file.investigation.Namespace
	asked, unknown := questions(q.books, q.alerts, q.worstFirst)
	q.asked, q.unknown = asked, append(q.unknown, unknown...)
	inquirer := &inquirer{registry: i.Registry, namespace: namespace, timeout: q.settings.QuestionTimeout}
	q.replies = inquirer.inquire(ctx, q.asked)
	if err := ctx.Err(); err != nil {
		return outcome{}, err // given up: what was not answered means nothing
	}
	conclusion, unanswered := q.weigh()
	status := analyst.Assemble(analyst.Dossier{
		Alerts: file.alerts, Questions: q.states(), Conclusion: conclusion, Unanswered: unanswered,
		Known:  analyst.Known(q.answers(opVulnerabilities), q.answers(opPolicyReports), q.answers(opNetworkRules)),
		Beside: analyst.Beside(q.answers(opRelatedEvents), file.alerts),
		Stakes: q.stakes(), Merged: file.merged, Memories: q.memories(),
		Namespace: namespace, Name: file.investigation.Name,
		Analyst: engineName, Grade: file.investigation.Spec.Grade,
	})
	if g := file.investigation.Spec.Grade; g != nil && g.Verdict != conclusion.Verdict {
		q.grader = g.By
	}
	actions, err := q.propose(&status)
	if err != nil {
		return outcome{}, err
	}
	if err := i.keep(ctx, q, &status); err != nil {
		return outcome{}, err
	}
	if err := i.record(ctx, file, &status); err != nil {
		return outcome{}, err
	}
	status.ObservedGeneration = file.investigation.Generation
	return outcome{subject: file.subject(), status: status, escalateReason: conclusion.EscalateReason, actions: actions}, nil
}

// open gathers what the questions are about.
func (i *Investigator) open(ctx context.Context, file *caseFile) (*inquest, error) {
	namespace := file.investigation.Namespace
	s, err := settings.For(ctx, i.Reader, namespace)
	if err != nil {
		return nil, err
	}
	var missing []error
	universal, err := playbook.Universal(s.Connector, i.Registry.Catalog(namespace))
	if err != nil {
		return nil, fmt.Errorf("universal questions: %w", err)
	}
	if _, err := i.Registry.Get(namespace, s.Connector); err != nil {
		missing = append(missing, fmt.Errorf("the cluster could not be asked: %w", err))
	}
	q := &inquest{file: file, unknown: missing, settings: s, books: append([]*playbook.Playbook{universal}, i.Playbooks.For(namespace)...)}
	specs := make([]v1alpha1.AlertSpec, 0, len(file.alerts))
	for _, a := range file.alerts {
		format, err := i.format(ctx, a)
		if err != nil {
			return nil, err
		}
		specs = append(specs, a.Spec)
		q.alerts = append(q.alerts, playbook.NewAlert(&a, format))
	}
	q.caseVars = playbook.NewCase(specs)
	q.worstFirst = worstFirst(specs)
	return q, nil
}

// format of the alert's source; a source that is gone vouches for nothing.
func (i *Investigator) format(ctx context.Context, a v1alpha1.Alert) (v1alpha1.AlertFormat, error) {
	var source v1alpha1.AlertSource
	err := i.Reader.Get(ctx, types.NamespacedName{Namespace: a.Namespace, Name: a.Spec.Source}, &source)
	return source.Spec.Format, client.IgnoreNotFound(err)
}

// keep puts what the verdict rests on under the digests that the log and the status state.
func (i *Investigator) keep(ctx context.Context, q *inquest, status *v1alpha1.InvestigationStatus) error {
	evidence, err := json.Marshal(status.Evidence)
	if err != nil {
		return err
	}
	return i.Archive.PutBlobs(ctx, append(q.shownAnswers(status.Questions), evidence)...)
}

// record puts the conclusion into the audit log before anybody can read it elsewhere.
func (i *Investigator) record(ctx context.Context, file *caseFile, status *v1alpha1.InvestigationStatus) error {
	data := map[string]any{"score": *status.Score, "prior": *status.Prior, "questions": len(status.Questions)}
	alerts := make([]any, 0, len(file.alerts))
	for _, a := range file.alerts {
		alerts = append(alerts, map[string]any{"name": a.Name, "rule": a.Spec.Rule, "fingerprint": a.Spec.Fingerprint, "rawDigest": a.Spec.RawDigest})
	}
	data["alerts"] = alerts[:min(len(alerts), maxLogged)]
	if len(alerts) > maxLogged {
		all, err := json.Marshal(alerts)
		if err != nil {
			return err
		}
		data["alertCount"], data["alertsDigest"] = len(alerts), hexSum(all)
	}
	if g := file.investigation.Spec.Grade; g != nil {
		data["grade"] = map[string]any{"verdict": g.Verdict, "by": g.By, "reason": redact.String(g.Reason)}
	}
	evidence, err := json.Marshal(status.Evidence)
	if err != nil {
		return err
	}
	_, err = i.Log.Append(ctx, audit.Entry{
		Time: i.Now(), Type: audit.TypeVerdict, Namespace: file.investigation.Namespace, Case: file.investigation.Name,
		Actor: "analyst:" + engineName, Summary: fmt.Sprintf("%s: %s", status.Verdict, status.Title), Digest: hexSum(evidence), Data: data,
	})
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

func hexSum(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
