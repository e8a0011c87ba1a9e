package investigation_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/audit"
)

// The older case has the name that the helpers of these tests wait for.
const younger = "shop-2"

// alertOf a case is an alert, which may join others.
func (w *world) alertOf(n int, name string, joins ...string) *v1alpha1.Alert {
	a := w.alert(n)
	a.Labels[v1alpha1.LabelInvestigation] = name
	if len(joins) > 0 {
		a.Annotations = map[string]string{v1alpha1.AnnotationJoins: strings.Join(joins, ",")}
	}
	return a
}

func (w *world) mergedCase() *v1alpha1.Investigation {
	w.t.Helper()
	return w.untilCase(younger, "the younger case to be merged", func(c *v1alpha1.Investigation) bool {
		return c.Status.MergedInto == caseName && reason(c, v1alpha1.ConditionClosed) == v1alpha1.ReasonMerged
	})
}

func TestCasesMerge(t *testing.T) {
	w := newWorld(t)
	w.tool.answers(benign(false))
	stop := w.start(nil)
	w.create(w.alertOf(0, caseName))
	w.concluded(1)
	w.create(w.alertOf(1, younger))
	w.untilCase(younger, "the second case", func(c *v1alpha1.Investigation) bool {
		return len(c.Status.Actions) == 1 && c.Status.Actions[0].Name != ""
	})
	w.until("both actions", func(*v1alpha1.Investigation) bool { return len(w.actions()) == 2 })

	w.create(w.alertOf(2, caseName, younger))
	merged := w.mergedCase()
	c := w.until("the older case to hold all", func(c *v1alpha1.Investigation) bool { return c.Status.AlertCount == 3 && len(w.actions()) == 3 })
	if diff := cmp.Diff([]string{younger}, c.Status.MergedFrom); diff != "" {
		t.Errorf("merged from (-want +got):\n%s", diff)
	}
	if reason(merged, v1alpha1.ConditionEscalated) != "" || reason(merged, v1alpha1.ConditionReady) != v1alpha1.ReasonMerged {
		t.Errorf("the younger case is %+v", merged.Status.Conditions)
	}
	// The younger case's action is shown with the older one, which did not make it again.
	w.until("all actions to be shown", func(c *v1alpha1.Investigation) bool { return len(c.Status.Actions) == 3 })
	of := map[string]int{}
	for _, a := range w.actions() {
		of[a.Spec.Investigation]++
	}
	if diff := cmp.Diff(map[string]int{caseName: 2, younger: 1}, of); diff != "" {
		t.Errorf("actions by case (-want +got):\n%s", diff)
	}
	// Where it stands from now on is told by the older case, too.
	for _, a := range w.actions() {
		if a.Spec.Investigation == younger {
			meta.SetStatusCondition(&a.Status.Conditions, metav1.Condition{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonWaitingForApproval, Message: "waits",
			})
			if err := w.cluster.Client.Status().Update(t.Context(), &a); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.until("the younger case's action to wait", func(c *v1alpha1.Investigation) bool { return c.Status.PendingApprovals == 1 })
	merged = w.mergedCase()
	w.mu.Lock()
	if !slices.Contains(w.merged, younger+" into "+caseName) {
		t.Errorf("further alerts would open a case of their own: %v", w.merged)
	}
	w.mu.Unlock()

	// Again by another process: nothing is done twice.
	stop()
	w.start(nil)
	w.create(w.alertOf(3, younger)) // a late one
	w.until("the late alert to be counted", func(c *v1alpha1.Investigation) bool { return c.Status.AlertCount == 4 })
	if again := w.mergedCase(); again.ResourceVersion != merged.ResourceVersion {
		t.Error("the merged case was written again")
	}
	if got := w.logged("merged into " + caseName); got != 1 {
		t.Errorf("the log tells %d times that the case was merged", got)
	}
}

// logged counts the entries of the audit log that say something.
func (w *world) logged(words string) int {
	w.t.Helper()
	count := 0
	for entry, err := range audit.Entries(w.logDir) {
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.Contains(entry.Summary, words) {
			count++
		}
	}
	return count
}

// What an alert says is found by whoever starts next, whichever case it names first.
func TestMergeIsFoundAtStart(t *testing.T) {
	for name, link := range map[string][2]string{"it names the older": {caseName, younger}, "it names the younger": {younger, caseName}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.create(w.alertOf(0, caseName), w.alertOf(1, younger), w.alertOf(2, link[0], link[1]))
			w.start(nil)
			w.mergedCase()
			w.concluded(3)
		})
	}
}

// Three cases in a row: all alerts are the oldest case's.
func TestMergesAreFollowed(t *testing.T) {
	w := newWorld(t)
	w.create(w.alertOf(0, caseName), w.alertOf(1, younger, caseName), w.alertOf(2, "shop-3", younger))
	w.start(nil)
	c := w.concluded(3)
	if diff := cmp.Diff([]string{younger, "shop-3"}, c.Status.MergedFrom); diff != "" {
		t.Errorf("merged from (-want +got):\n%s", diff)
	}
}

// A human spoke of the alerts that were there: nothing is added to them, nor taken away.
func TestWhatHumansSpokeOfDoesNotMerge(t *testing.T) {
	for name, graded := range map[string]string{"the older": caseName, "the younger": younger} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.tool.answers(benign(false))
			w.create(w.alertOf(0, caseName), w.alertOf(1, younger))
			w.start(nil)
			w.concluded(1)
			c := w.untilCase(graded, "a verdict", func(c *v1alpha1.Investigation) bool { return c.Status.Verdict != "" })
			w.say(c, func(s *v1alpha1.InvestigationSpec) {
				s.Grade = &v1alpha1.Grade{Verdict: v1alpha1.FalsePositive, By: "alice", Reason: "a drill"}
			})
			w.untilCase(graded, "the grade", func(c *v1alpha1.Investigation) bool { return c.Status.Verdict == v1alpha1.FalsePositive })
			w.create(w.alertOf(2, caseName, younger))
			w.concluded(2)
			other := w.untilCase(younger, "the other case", func(c *v1alpha1.Investigation) bool { return c.Status.AlertCount == 1 })
			if other.Status.MergedInto != "" {
				t.Errorf("merged into %s", other.Status.MergedInto)
			}
		})
	}
}
