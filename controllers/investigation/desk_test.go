package investigation

import (
	"context"
	"errors"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var caseKey = types.NamespacedName{Namespace: "soc", Name: "case"}

func condition(reason string) metav1.Condition {
	return metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason}
}

func answers(title string) func(context.Context) (outcome, error) {
	return func(context.Context) (outcome, error) {
		return outcome{status: v1alpha1.InvestigationStatus{Title: title}}, nil
	}
}

func TestDeskRunsOnce(t *testing.T) {
	d := newDesk(1)
	if _, finished, err := d.collect(t.Context(), caseKey, "one alert", answers("first")); finished || err != nil {
		t.Fatalf("an inquiry that was just started is finished=%t, err=%v", finished, err)
	}
	wake := <-d.done
	if wake.Object.GetName() != caseKey.Name || wake.Object.GetNamespace() != caseKey.Namespace {
		t.Errorf("woke %s/%s, want %s", wake.Object.GetNamespace(), wake.Object.GetName(), caseKey)
	}
	// However often it is asked, it is the same inquiry.
	for range 2 {
		found, finished, err := d.collect(t.Context(), caseKey, "one alert", answers("second"))
		if !finished || err != nil || found.status.Title != "first" {
			t.Errorf("got %q, finished=%t, err=%v; want the first inquiry", found.status.Title, finished, err)
		}
	}
}

func TestDeskGivesUpOldSubjects(t *testing.T) {
	d := newDesk(2)
	started, cancelled := make(chan struct{}), make(chan struct{})
	_, _, _ = d.collect(t.Context(), caseKey, "one alert", func(ctx context.Context) (outcome, error) {
		close(started)
		<-ctx.Done()
		close(cancelled)
		return outcome{}, ctx.Err()
	})
	<-started
	_, _, _ = d.collect(t.Context(), caseKey, "two alerts", answers("both"))
	<-cancelled
	<-d.done
	found, finished, err := d.collect(t.Context(), caseKey, "two alerts", nil)
	if !finished || err != nil || found.status.Title != "both" {
		t.Errorf("got %q, finished=%t, err=%v; want the inquiry about both alerts", found.status.Title, finished, err)
	}
}

func TestDeskTriesAgainAfterAnError(t *testing.T) {
	d := newDesk(1)
	broken := errors.New("no audit log")
	_, _, _ = d.collect(t.Context(), caseKey, "one alert", func(context.Context) (outcome, error) { return outcome{}, broken })
	<-d.done
	if _, _, err := d.collect(t.Context(), caseKey, "one alert", answers("fine")); !errors.Is(err, broken) {
		t.Fatalf("got %v, want the error of the inquiry", err)
	}
	if _, finished, err := d.collect(t.Context(), caseKey, "one alert", answers("fine")); finished || err != nil {
		t.Fatalf("finished=%t, err=%v; want a new inquiry", finished, err)
	}
	<-d.done
	if found, _, _ := d.collect(t.Context(), caseKey, "one alert", nil); found.status.Title != "fine" {
		t.Errorf("got %q, want the new inquiry", found.status.Title)
	}
}

func TestDeskOutlivesTheReconcile(t *testing.T) {
	d := newDesk(1)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	_, _, _ = d.collect(ctx, caseKey, "one alert", func(ctx context.Context) (outcome, error) {
		<-release
		return outcome{}, ctx.Err()
	})
	cancel()
	close(release)
	<-d.done
	if _, finished, err := d.collect(t.Context(), caseKey, "one alert", nil); !finished || err != nil {
		t.Errorf("finished=%t, err=%v; want an inquiry that went on", finished, err)
	}
}
