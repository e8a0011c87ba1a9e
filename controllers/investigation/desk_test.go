package investigation

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/controllers/urgency"
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
	if _, finished, err := d.collect(t.Context(), caseKey, "one alert", 0, answers("first")); finished || err != nil {
		t.Fatalf("an inquiry that was just started is finished=%t, err=%v", finished, err)
	}
	wake := <-d.done
	if wake.Object.key != caseKey {
		t.Errorf("woke %s, want %s", wake.Object.key, caseKey)
	}
	// However often it is asked, it is the same inquiry.
	for range 2 {
		found, finished, err := d.collect(t.Context(), caseKey, "one alert", 0, answers("second"))
		if !finished || err != nil || found.status.Title != "first" {
			t.Errorf("got %q, finished=%t, err=%v; want the first inquiry", found.status.Title, finished, err)
		}
	}
}

func TestDeskGivesUpOldSubjects(t *testing.T) {
	d := newDesk(2)
	started, cancelled := make(chan struct{}), make(chan struct{})
	_, _, _ = d.collect(t.Context(), caseKey, "one alert", 0, func(ctx context.Context) (outcome, error) {
		close(started)
		<-ctx.Done()
		close(cancelled)
		return outcome{}, ctx.Err()
	})
	<-started
	_, _, _ = d.collect(t.Context(), caseKey, "two alerts", 0, answers("both"))
	<-cancelled
	<-d.done
	found, finished, err := d.collect(t.Context(), caseKey, "two alerts", 0, nil)
	if !finished || err != nil || found.status.Title != "both" {
		t.Errorf("got %q, finished=%t, err=%v; want the inquiry about both alerts", found.status.Title, finished, err)
	}
}

func TestDeskTriesAgainAfterAnError(t *testing.T) {
	d := newDesk(1)
	broken := errors.New("no audit log")
	_, _, _ = d.collect(t.Context(), caseKey, "one alert", 0, func(context.Context) (outcome, error) { return outcome{}, broken })
	<-d.done
	if _, _, err := d.collect(t.Context(), caseKey, "one alert", 0, answers("fine")); !errors.Is(err, broken) {
		t.Fatalf("got %v, want the error of the inquiry", err)
	}
	if _, finished, err := d.collect(t.Context(), caseKey, "one alert", 0, answers("fine")); finished || err != nil {
		t.Fatalf("finished=%t, err=%v; want a new inquiry", finished, err)
	}
	<-d.done
	if found, _, _ := d.collect(t.Context(), caseKey, "one alert", 0, nil); found.status.Title != "fine" {
		t.Errorf("got %q, want the new inquiry", found.status.Title)
	}
}

func TestDeskOutlivesTheReconcile(t *testing.T) {
	d := newDesk(1)
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	_, _, _ = d.collect(ctx, caseKey, "one alert", 0, func(ctx context.Context) (outcome, error) {
		<-release
		return outcome{}, ctx.Err()
	})
	cancel()
	close(release)
	<-d.done
	if _, finished, err := d.collect(t.Context(), caseKey, "one alert", 0, nil); !finished || err != nil {
		t.Errorf("finished=%t, err=%v; want an inquiry that went on", finished, err)
	}
}

// Whatever waits, the most urgent comes first, and of one level what came first; a case
// that gets worse while it waits moves up, and is asked about as it is by then.
func TestDeskTakesTheWorstFirst(t *testing.T) {
	d := newDesk(1)
	key := func(name string) types.NamespacedName { return types.NamespacedName{Name: name} }
	release := make(chan struct{})
	_, _, _ = d.collect(t.Context(), key("first"), "", 0, func(context.Context) (outcome, error) {
		<-release
		return outcome{}, nil
	})
	var ran []string
	wait := func(name, subject string, level urgency.Level) {
		t.Helper()
		_, finished, err := d.collect(t.Context(), key(name), subject, level, func(context.Context) (outcome, error) {
			ran = append(ran, name+" "+subject)
			return outcome{status: v1alpha1.InvestigationStatus{Priority: v1alpha1.PriorityP2}}, nil
		})
		if finished || err != nil {
			t.Fatalf("%s: finished=%t, err=%v", name, finished, err)
		}
	}
	wait("low", "1", 1)
	wait("worse", "1", 1)
	wait("forgotten", "1", 5)
	wait("high", "1", 3)
	wait("critical", "1", 4)
	wait("another", "1", 4)
	wait("worse", "2", 4) // it came before both
	wait("critical", "2", 0)
	d.forget(key("forgotten"))
	close(release)
	levels := map[string]urgency.Level{}
	for range 6 {
		woke := (<-d.done).Object
		levels[woke.key.Name] = woke.level
	}
	if diff := cmp.Diff([]string{"worse 2", "critical 2", "another 1", "high 1", "low 1"}, ran); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	// Who turns out to be worse than was thought is told of first as well.
	want := map[string]urgency.Level{"first": 0, "worse": 4, "critical": 4, "another": 4, "high": 3, "low": 3}
	if diff := cmp.Diff(want, levels); diff != "" {
		t.Errorf("levels (-want +got):\n%s", diff)
	}
}

// A case that is asked about anew while it waits begins no second inquiry.
func TestDeskRunsWhatWaitsOnce(t *testing.T) {
	d := newDesk(1)
	release, ran := make(chan struct{}), 0
	_, _, _ = d.collect(t.Context(), types.NamespacedName{Name: "first"}, "", 0, func(context.Context) (outcome, error) {
		<-release
		return outcome{}, nil
	})
	for i := range 1000 {
		_, _, _ = d.collect(t.Context(), caseKey, fmt.Sprint(i), 0, func(context.Context) (outcome, error) {
			ran++
			return outcome{subject: fmt.Sprint(i)}, nil
		})
	}
	close(release)
	<-d.done
	<-d.done
	if found, finished, err := d.collect(t.Context(), caseKey, "999", 0, nil); !finished || err != nil || found.subject != "999" || ran != 1 {
		t.Errorf("ran %d times, finished=%t, err=%v, subject %s", ran, finished, err, found.subject)
	}
}

func TestLevelOfACase(t *testing.T) {
	f := concluded(v1alpha1.Undetermined, "decides neither way", "a")
	f.investigation.Status.Priority = v1alpha1.PriorityP3
	f.alerts[0].Spec.Severity = v1alpha1.SeverityFatal // it is judged
	if got := f.level(); got != urgency.OfPriority(v1alpha1.PriorityP3) {
		t.Errorf("level %d, want that of its priority", got)
	}
	f.add("b")
	f.alerts[1].Spec.Severity = v1alpha1.SeverityCritical
	if got := f.level(); got != urgency.Of(v1alpha1.SeverityCritical) {
		t.Errorf("level %d, want that of the alert it does not speak of", got)
	}
}
