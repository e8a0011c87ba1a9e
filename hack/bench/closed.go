package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

const (
	closedPods   = "web"
	closedAlerts = 1000
	rawNamespace = "raw"
)

// closed posts alerts that trusted evidence dismisses, as fast as they are accepted,
// and waits until each is closed by itself.
func (b *bench) closed(ctx context.Context) error {
	if err := b.audit.Skip(); err != nil {
		return err
	}
	before, err := b.effort()
	if err != nil {
		return err
	}
	began := time.Now()
	err = together(ctx, closedAlerts, func(ctx context.Context, i int) error {
		return b.senders.post(ctx, "falco", falco(discovery, numbered(closedPods, i)))
	})
	if err != nil {
		return err
	}
	b.note("%d accepted after %s", closedAlerts, time.Since(began).Round(time.Millisecond))
	last, err := b.told(ctx, closedAlerts)
	if err != nil {
		return err
	}
	if err := b.since(before, "alert", closedAlerts); err != nil {
		return err
	}
	closed, err := b.countClosed(ctx)
	if err != nil {
		return err
	}
	requests, err := b.settled(ctx)
	if err != nil {
		return err
	}
	t := count(requests)
	b.writesPerAlert = float64(t.writes) / closedAlerts
	b.figures.set("writes_per_alert", b.writesPerAlert)
	b.figures.set("dry_runs_per_alert", float64(t.dryRuns)/closedAlerts)
	b.figures.set("reads_per_alert", float64(t.reads)/closedAlerts)
	b.figures.set("alerts_closed_per_s", float64(closed)/last.Sub(began).Seconds())
	b.note("writes: %s", kinds(requests, lab.Request.Write))
	b.note("reads: %s", kinds(requests, func(r lab.Request) bool { return !r.Write() && !r.DryRun() }))
	return nil
}

// told waits until so many alerts have their verdict, and returns when the last got it.
func (b *bench) told(ctx context.Context, alerts int) (time.Time, error) {
	var last time.Time
	err := lab.Eventually(ctx, 5*time.Minute, fmt.Sprintf("%d alerts to have a verdict", alerts), func(context.Context) (bool, string, error) {
		requests, err := b.audit.Since()
		if err != nil {
			return false, "", err
		}
		told := map[string]bool{}
		for _, r := range requests {
			if r.Object.Resource == "alerts" && r.Object.Subresource == "status" && r.Status.Code < 300 && !told[r.Object.Name] {
				told[r.Object.Name], last = true, r.Answered.Time
			}
		}
		return len(told) >= alerts, fmt.Sprintf("%d", len(told)), nil
	})
	return last, err
}

// countClosed makes sure that what was counted is what was meant. Where a question
// timed out, because the machine does something else, a case waits for a human: it is
// not among the closed ones.
func (b *bench) countClosed(ctx context.Context) (int, error) {
	var cases v1alpha1.InvestigationList
	if err := b.admin.List(ctx, &cases, client.InNamespace(tenant)); err != nil {
		return 0, err
	}
	if len(cases.Items) != closedAlerts {
		return 0, fmt.Errorf("%d Investigations, expected %d", len(cases.Items), closedAlerts)
	}
	closed, open := 0, ""
	for i := range cases.Items {
		c := &cases.Items[i]
		if how := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionClosed); how != nil && how.Reason == v1alpha1.ReasonClosedByAnalyst {
			closed++
		} else {
			open = fmt.Sprintf("%s is %s: %s", c.Name, c.Status.Verdict, c.Status.Narrative)
		}
	}
	if closed < closedAlerts {
		b.note("%d are not closed by themselves; Investigation %s", closedAlerts-closed, open)
	}
	if closed < closedAlerts*9/10 {
		return 0, fmt.Errorf("%d of %d Investigations are closed by themselves; %s", closed, closedAlerts, open)
	}
	return closed, nil
}

// raw makes the same writes with objects of the same content, without the operator.
func (b *bench) raw(ctx context.Context) error {
	if err := b.operator.Stop(); err != nil {
		return err
	}
	alert, investigation, err := b.sample(ctx)
	if err != nil {
		return err
	}
	if err := b.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: rawNamespace}}); err != nil {
		return err
	}
	began := time.Now()
	err = together(ctx, closedAlerts, func(ctx context.Context, i int) error {
		return b.writeCase(ctx, i, alert.DeepCopy(), investigation.DeepCopy())
	})
	if err != nil {
		return err
	}
	perSecond := 4 * closedAlerts / time.Since(began).Seconds()
	b.figures.set("raw_writes_per_s", perSecond)
	b.figures.set("closed_ratio", b.figures.values["alerts_closed_per_s"]/(perSecond/b.writesPerAlert))
	err = errors.Join(
		b.admin.DeleteAllOf(ctx, &v1alpha1.Alert{}, client.InNamespace(rawNamespace)),
		b.admin.DeleteAllOf(ctx, &v1alpha1.Investigation{}, client.InNamespace(rawNamespace)),
	)
	if err != nil {
		return err
	}
	return b.resume(ctx)
}

// sample is one of the cases that were closed, with its alert.
func (b *bench) sample(ctx context.Context) (*v1alpha1.Alert, *v1alpha1.Investigation, error) {
	var alerts v1alpha1.AlertList
	if err := b.admin.List(ctx, &alerts, client.InNamespace(tenant), client.Limit(1)); err != nil {
		return nil, nil, err
	}
	alert, investigation := &alerts.Items[0], &v1alpha1.Investigation{}
	key := client.ObjectKey{Namespace: tenant, Name: alert.Labels[v1alpha1.LabelInvestigation]}
	return alert, investigation, b.admin.Get(ctx, key, investigation)
}

// writeCase makes the four writes of a case, in the operator's name and order.
func (b *bench) writeCase(ctx context.Context, i int, alert *v1alpha1.Alert, investigation *v1alpha1.Investigation) error {
	for _, object := range []client.Object{alert, investigation} {
		object.SetNamespace(rawNamespace)
		object.SetName(numbered(object.GetName()[:8], i))
		object.SetUID("")
		object.SetResourceVersion("")
		object.SetManagedFields(nil)
	}
	concluded, told := investigation.Status, alert.Status
	alert.Status, investigation.Status = v1alpha1.AlertStatus{}, v1alpha1.InvestigationStatus{}
	if err := errors.Join(b.asOperator.Create(ctx, alert), b.asOperator.Create(ctx, investigation)); err != nil {
		return err
	}
	caseBefore, alertBefore := investigation.DeepCopy(), alert.DeepCopy()
	investigation.Status, alert.Status = concluded, told
	locked := client.MergeFromWithOptimisticLock{}
	return errors.Join(
		b.asOperator.Status().Patch(ctx, investigation, client.MergeFromWithOptions(caseBefore, locked)),
		b.asOperator.Status().Patch(ctx, alert, client.MergeFromWithOptions(alertBefore, locked)),
	)
}
