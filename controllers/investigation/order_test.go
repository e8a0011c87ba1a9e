package investigation_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const (
	// queued alerts of little severity. A change of the order is tried with 10,000 as well.
	queued = 120
	// few of them may be concluded first: those that are being looked at when the worst comes.
	few = 24
)

// One Critical among Low ones that wait for the desk is concluded before all but a few of them.
func TestTheWorstIsConcludedFirst(t *testing.T) {
	w := newWorld(t)
	inquire := w.gate()
	w.start(nil)
	w.queue()
	w.cases(queued, func(*v1alpha1.Investigation) bool { return true })
	w.worst()
	w.untilCase("worst", "the case of the worst", func(*v1alpha1.Investigation) bool { return true })
	inquire()
	w.wasAmongTheFirst("worst")
}

// Where all wait in the controller's queue, as after a start, its case is opened first.
func TestTheWorstIsOpenedFirst(t *testing.T) {
	w := newWorld(t)
	w.queue()
	w.worst()
	defer w.gate()()
	w.start(nil)
	opened := w.cases(queued+1, func(*v1alpha1.Investigation) bool { return true })
	slices.SortFunc(opened, func(a, b v1alpha1.Investigation) int {
		return cmp.Compare(version(t, &a), version(t, &b)) // nothing was written to them since
	})
	place := slices.IndexFunc(opened, func(c v1alpha1.Investigation) bool { return c.Name == "worst" })
	if place > few {
		t.Errorf("%d of %d cases were opened before the worst, want at most %d", place, len(opened), few)
	}
}

func version(t *testing.T, c *v1alpha1.Investigation) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(c.ResourceVersion, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// gate holds up every inquiry until what it returns is called.
func (w *world) gate() (open func()) {
	gate := make(chan struct{})
	w.ready = func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return func() { close(gate) }
}

func (w *world) worst() {
	w.t.Helper()
	worst := w.alert(queued, func(a *v1alpha1.AlertSpec) { a.Severity = v1alpha1.SeverityCritical })
	worst.Labels[v1alpha1.LabelInvestigation] = "worst"
	w.create(worst)
}

// wasAmongTheFirst waits until every case is concluded.
func (w *world) wasAmongTheFirst(name string) {
	w.t.Helper()
	w.cases(queued+1, func(c *v1alpha1.Investigation) bool { return c.Status.Verdict != "" })
	w.mu.Lock()
	defer w.mu.Unlock()
	if place := slices.Index(w.order, name); place < 0 || place > few {
		w.t.Errorf("%d of %d cases were concluded before the worst, want at most %d", place, len(w.order), few)
	}
}

// queue creates alerts of little severity, each with a case of its own.
func (w *world) queue() {
	w.t.Helper()
	var group errgroup.Group
	group.SetLimit(8)
	for n := range queued {
		group.Go(func() error {
			low := w.alert(n, func(a *v1alpha1.AlertSpec) { a.Severity = v1alpha1.SeverityLow })
			low.Labels[v1alpha1.LabelInvestigation] = fmt.Sprintf("low-%04d", n)
			return w.cluster.Client.Create(w.t.Context(), low)
		})
	}
	if err := group.Wait(); err != nil {
		w.t.Fatal(err)
	}
}

// cases waits until there are so many of a sort.
func (w *world) cases(want int, sort func(*v1alpha1.Investigation) bool) []v1alpha1.Investigation {
	w.t.Helper()
	var found []v1alpha1.Investigation
	err := wait.PollUntilContextTimeout(w.t.Context(), 50*time.Millisecond, 2*time.Minute, true, func(ctx context.Context) (bool, error) {
		var list v1alpha1.InvestigationList
		err := w.cluster.Client.List(ctx, &list, client.InNamespace(w.namespace))
		found = slices.DeleteFunc(list.Items, func(c v1alpha1.Investigation) bool { return !sort(&c) })
		return len(found) >= want, err
	})
	if err != nil {
		w.t.Fatalf("%d of %d cases: %v", len(found), want, err)
	}
	return found
}
