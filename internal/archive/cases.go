package archive

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Case is what the archive keeps of a case that was concluded.
type Case struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// UID tells it from a case of the same name that was made anew.
	UID       string            `json:"uid"`
	Title     string            `json:"title"`
	Narrative string            `json:"narrative"`
	Priority  v1alpha1.Priority `json:"priority"`
	Severity  v1alpha1.Severity `json:"severity"`
	// Verdict that holds, and the one of the analyst.
	Verdict v1alpha1.Verdict `json:"verdict"`
	Analyst v1alpha1.Verdict `json:"analyst"`
	// Score in centibans.
	Score  int32 `json:"score"`
	Alerts int32 `json:"alerts"`
	// Closed is zero while it is open.
	Opened    time.Time `json:"opened,omitzero"`
	Concluded time.Time `json:"concluded,omitzero"`
	Closed    time.Time `json:"closed,omitzero"`
	// Grade of a human; nil without one.
	Grade *Grade `json:"grade,omitempty"`
}

// Grade is a human's verdict on a case.
type Grade struct {
	Verdict v1alpha1.Verdict `json:"verdict"`
	By      string           `json:"by"`
}

// PutCase keeps a case as it is now, and its grade as history of the rules of its alerts. A
// grade is about the rules that were in the case when it was given. It reports whether the
// archive's grades changed.
func (a *Archive) PutCase(ctx context.Context, c Case, rules []string) (regraded bool, err error) {
	if c.Opened.Before(a.now().Add(-keepCases)) {
		return false, nil
	}
	body, err := json.Marshal(c)
	if err != nil {
		return false, err
	}
	var kept string
	if err := a.row(ctx, getCase, []any{c.Namespace, c.Name}, &kept); err == nil && kept == string(body) {
		return false, nil
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return false, err
	}
	err = a.write(ctx, func(tx *transaction) error {
		var err error
		if regraded, err = tx.grade(c, rules); err != nil {
			return err
		}
		return tx.exec(setCase, c.Namespace, c.Name, micros(c.Opened), string(body))
	})
	return regraded, err
}

// Case that was kept; ErrNotFound if there is none of that name.
func (a *Archive) Case(ctx context.Context, namespace, name string) (Case, error) {
	var body string
	if err := a.row(ctx, getCase, []any{namespace, name}, &body); err != nil {
		return Case{}, err
	}
	var c Case
	return c, json.Unmarshal([]byte(body), &c)
}

// grade makes what the archive says of the case's grade true.
func (t *transaction) grade(c Case, rules []string) (changed bool, err error) {
	var id int64
	var uid, verdict, grader, analyst string
	err = t.row(findGrade, []any{c.Namespace, c.Name}, &id, &uid, &verdict, &grader, &analyst)
	known := err == nil
	switch {
	case err != nil && !errors.Is(err, ErrNotFound):
		return false, err
	case c.Grade == nil && (!known || uid != c.UID):
		// Who deletes a case, so that it is made anew, does not take its grade back.
		return false, nil
	case c.Grade == nil:
		return true, t.exec(removeGrade, id)
	case known && verdict == string(c.Grade.Verdict) && grader == c.Grade.By:
		if analyst == string(c.Analyst) {
			return false, nil
		}
		return true, t.exec(setAnalyst, string(c.Analyst), id)
	case known:
		if err := t.exec(removeGrade, id); err != nil {
			return false, err
		}
	}
	return true, t.addGrade(c, rules)
}

func (t *transaction) addGrade(c Case, rules []string) error {
	err := t.exec(addGrade, c.Namespace, c.Name, c.UID, string(c.Grade.Verdict), c.Grade.By, string(c.Analyst), micros(c.Opened))
	if err != nil {
		return err
	}
	var id int64
	var ignored string
	if err := t.row(findGrade, []any{c.Namespace, c.Name}, &id, &ignored, &ignored, &ignored, &ignored); err != nil {
		return err
	}
	for _, name := range rules {
		rule, err := t.rule(c.Namespace, name)
		if err != nil {
			return err
		}
		if err := t.exec(addGraded, id, rule, toDay(c.Opened), string(c.Grade.Verdict)); err != nil {
			return err
		}
	}
	return nil
}

// Agreement counts the graded cases of all namespaces of which the analyst said one
// thing and a human the same or another.
type Agreement struct {
	Analyst, Human v1alpha1.Verdict
	Cases          int64
}

// Agreement of analyst and humans; what never came up is missing, what came up once may be zero.
func (a *Archive) Agreement(ctx context.Context) ([]Agreement, error) {
	var found []Agreement
	var analyst, human string
	var cases int64
	err := a.rows(ctx, getAgreement, nil, []any{&analyst, &human, &cases}, func() {
		found = append(found, Agreement{Analyst: v1alpha1.Verdict(analyst), Human: v1alpha1.Verdict(human), Cases: cases})
	})
	return found, err
}
