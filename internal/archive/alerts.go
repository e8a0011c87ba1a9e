package archive

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const day = 24 * time.Hour

// Alert is what the archive keeps of an alert.
type Alert struct {
	Namespace, Name, Rule string
	FirstSeen             time.Time
	// Raw is the event that the alert was made of; nil where only the alert is left.
	Raw []byte
}

// PutAlerts counts alerts towards their rules, each once however often it is put, and
// keeps their raw events. An alert that is older than what is remembered of single
// alerts is not counted: it was, when it was new.
func (a *Archive) PutAlerts(ctx context.Context, alerts ...Alert) error {
	for some := range slices.Chunk(alerts, maxBatch) {
		err := a.write(ctx, func(tx *transaction) error {
			for i := range some {
				if err := a.putAlert(tx, &some[i]); err != nil {
					return err
				}
			}
			return a.bound(tx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) putAlert(tx *transaction, alert *Alert) error {
	if alert.Raw != nil {
		if err := a.putBlob(tx, alert.Raw); err != nil {
			return err
		}
	}
	if alert.FirstSeen.Before(a.now().Add(-keepFirings)) {
		return nil
	}
	rule, err := tx.rule(alert.Namespace, alert.Rule)
	if err != nil {
		return err
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s/%s", alert.Namespace, alert.Name))
	return tx.exec(addFiring, key[:16], rule, micros(alert.FirstSeen))
}

// rule is the number of a rule, which is made where it is new.
func (t *transaction) rule(namespace, name string) (id int64, err error) {
	err = t.row(findRule, []any{namespace, name}, &id)
	if !errors.Is(err, ErrNotFound) {
		return id, err
	}
	if err := t.exec(addRule, namespace, name); err != nil {
		return 0, err
	}
	return id, t.row(findRule, []any{namespace, name}, &id)
}

// RuleHistory is how often a rule fired in a namespace and how its cases were graded.
type RuleHistory struct {
	// Fired counts alerts, and LastFired is the latest; zero if there was none.
	Fired     int64
	LastFired time.Time
	// Grades of its cases, oldest first.
	Grades []Grades
}

// Grades counts the cases of one day that humans graded alike. The day, in UTC, is the
// one on which the cases were opened: a grade says what the rule was worth then.
type Grades struct {
	Day     time.Time
	Verdict v1alpha1.Verdict
	Cases   int64
}

// RuleHistory of a rule; the zero value if it never fired. The grade of one case, which
// may be the one that asks, is left out; empty for none.
func (a *Archive) RuleHistory(ctx context.Context, namespace, rule, except string) (RuleHistory, error) {
	var found RuleHistory
	var id, last int64
	err := a.row(ctx, getRule, []any{namespace, rule}, &id, &found.Fired, &last)
	if errors.Is(err, ErrNotFound) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	found.LastFired = fromMicros(last)
	var of, cases int64
	var verdict string
	err = a.rows(ctx, getTallies, []any{id}, []any{&of, &verdict, &cases}, func() {
		found.Grades = append(found.Grades, Grades{Day: fromDay(of), Verdict: v1alpha1.Verdict(verdict), Cases: cases})
	})
	if err != nil || except == "" {
		return found, err
	}
	err = a.row(ctx, getOwnGrade, []any{namespace, except, id}, &of, &verdict)
	if errors.Is(err, ErrNotFound) {
		return found, nil
	}
	found.Grades = without(found.Grades, fromDay(of), v1alpha1.Verdict(verdict))
	return found, err
}

// without one case of a day and a verdict.
func without(grades []Grades, day time.Time, verdict v1alpha1.Verdict) []Grades {
	for i := range grades {
		if g := &grades[i]; g.Day.Equal(day) && g.Verdict == verdict {
			if g.Cases--; g.Cases < 1 {
				return slices.Delete(grades, i, i+1)
			}
		}
	}
	return grades
}

func toDay(t time.Time) int64 { return t.Unix() / int64(day/time.Second) }

func fromDay(n int64) time.Time { return time.Unix(n*int64(day/time.Second), 0).UTC() }
