package story_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// TestKilled attacks again while the operator is killed at random moments: nothing
// that was accepted is lost, nothing is done twice, and the end is the same.
func TestKilled(t *testing.T) {
	c := cluster(t)
	o := startOperator(t, c)
	v := openShop(openTenant(t, c, o, "killed"))
	proven(t, c)
	isolated := v.watchIsolations()
	f := newFate(t, o)

	v.reportUnder(f)
	f.strike(2 * time.Second)
	v.theCase(4, v1alpha1.TruePositive)
	isolate := v.approveUnder(f, v.alice, v1alpha1.TierAnalyst, "isolate-pod", "web-0")
	v.approveUnder(f, v.alice, v1alpha1.TierAnalyst, "isolate-pod", "tmp-1")
	v.approveUnder(f, v.bob, v1alpha1.TierSenior, "remove-role-binding", v.binding)
	deleted := v.approveUnder(f, v.bob, v1alpha1.TierSenior, "delete-pod", "tmp-1")
	f.strike(time.Second)
	v.takeBack(isolate)
	f.over()
	if f.kills < 10 {
		t.Errorf("the operator was killed %d times, want 10 at least", f.kills)
	}

	v.action("label", "web-0", v1alpha1.ReasonSucceeded)
	v.gone(&rbacv1.ClusterRoleBinding{}, client.ObjectKey{Name: v.binding})
	v.capturedBefore(deleted)
	v.gone(&corev1.Pod{}, client.ObjectKey{Namespace: v.namespace, Name: "tmp-1"})
	for name, uids := range isolated() {
		if len(uids) != 1 {
			t.Errorf("NetworkPolicy %s was created %d times", name, len(uids))
		}
	}
	v.caughtUp()
	o.stop()
	v.counted(v.kept())
	v.audited(t, f.kills)
}

// TestKilledLeader kills an operator that is elected, as installed ones are: the next
// receives at once, and goes on when the lease of the dead one has run out.
func TestKilledLeader(t *testing.T) {
	c := cluster(t)
	o := startOperator(t, c)
	o.kill()
	o.flags = slices.DeleteFunc(o.flags, func(flag string) bool { return flag == "--leader-elect=false" })
	o.start()
	v := openShop(openTenant(t, c, o, "leader"))
	requests := v.attack()
	v.deliver("audit", auditToken, eventList(t, requests[0]))
	o.kill()
	o.start()
	for _, r := range requests[1:] {
		v.deliver("audit", auditToken, eventList(t, r))
	}
	v.deliver("falco", falcoToken, shell(t, v.namespace, "web-0", 0))
	received := time.Now()
	v.theCase(4, v1alpha1.TruePositive)
	t.Logf("the case was concluded %s after all was received", time.Since(received).Round(time.Second))
}

// reportUnder sends the attack while the operator is killed now and then; between
// two kills there is no telling which event is under way.
func (v *shop) reportUnder(f *fate) {
	v.t.Helper()
	requests := v.attack()
	strikes := map[int]bool{}
	for len(strikes) < 4 {
		strikes[f.random.IntN(len(requests)+shells)] = true
	}
	for n := range len(requests) + shells {
		if strikes[n] {
			f.strike(50 * time.Millisecond)
		}
		if n < len(requests) {
			v.deliver("audit", auditToken, eventList(v.t, requests[n]))
		} else {
			v.deliver("falco", falcoToken, shell(v.t, v.namespace, "web-0", n))
		}
	}
}

// approveUnder has somebody approve what waits, and the operator killed just then.
func (v *shop) approveUnder(f *fate, by person, tier v1alpha1.Tier, operation, target string) *v1alpha1.ResponseAction {
	v.t.Helper()
	waiting := v.action(operation, target, v1alpha1.ReasonWaitingForApproval)
	f.over()
	v.operator.ready()
	v.decide(by, waiting, tier, v1alpha1.Approve)
	f.strike(time.Second)
	return v.action(operation, target, v1alpha1.ReasonSucceeded)
}

// capturedBefore: evidence of what an action destroyed was kept, once and before.
func (v *shop) capturedBefore(destroyed *v1alpha1.ResponseAction) {
	v.t.Helper()
	capture := v.action("capture-evidence", destroyed.Status.Plan.Target.Name, v1alpha1.ReasonSucceeded)
	of := capture.Status.Plan.Target
	if capture.Spec.RequestedBy != response.CaptureRequester(destroyed) || of.UID != destroyed.Status.Plan.Target.UID ||
		destroyed.Status.Execution.IntentIndex <= *capture.Status.Result.LogIndex {
		v.t.Errorf("%s was begun by entry %d on %s; %s captured %s by entry %d", destroyed.Name, destroyed.Status.Execution.IntentIndex, destroyed.Status.Plan.Target.UID,
			capture.Name, of.UID, *capture.Status.Result.LogIndex)
	}
}

// caughtUp waits until the operator went through its stream: it says so some time
// after it counted the last shell.
func (v *shop) caughtUp() {
	v.t.Helper()
	eventually(v.t, "all shells to be counted", func(context.Context) (bool, string) {
		counts := ""
		for _, a := range v.alerts()[shellRule] {
			if a.Status.Count >= shells {
				return true, ""
			}
			counts += fmt.Sprintf("%s: %d ", a.Name, a.Status.Count)
		}
		return false, counts
	})
}

func (v *shop) gone(object client.Object, key client.ObjectKey) {
	v.t.Helper()
	if err := v.cluster.Client.Get(v.t.Context(), key, object); !apierrors.IsNotFound(err) {
		v.t.Errorf("%T %s: got %v, want it gone", object, key, err)
	}
}

// watchIsolations remembers every NetworkPolicy that is ever created in the shop;
// it returns what stops that and tells the UIDs by name.
func (v *shop) watchIsolations() func() map[string][]string {
	v.t.Helper()
	watching, err := client.NewWithWatch(v.cluster.Config, client.Options{Scheme: v.cluster.Scheme})
	if err != nil {
		v.t.Fatal(err)
	}
	w, err := watching.Watch(v.t.Context(), &networkingv1.NetworkPolicyList{}, client.InNamespace(v.namespace))
	if err != nil {
		v.t.Fatal(err)
	}
	seen, ended := map[string][]string{}, make(chan struct{})
	go func() {
		defer close(ended)
		for event := range w.ResultChan() {
			if p, ok := event.Object.(*networkingv1.NetworkPolicy); ok && event.Type == watch.Added {
				seen[p.Name] = append(seen[p.Name], string(p.UID))
			}
		}
	}()
	return func() map[string][]string {
		w.Stop()
		<-ended
		if len(seen) != 2 {
			v.t.Errorf("NetworkPolicies %v were created, want one for each pod", seen)
		}
		return seen
	}
}

// kept checks that each accepted event is in the stopped operator's stream, and
// returns how many shells are. Senders send again what they got no answer about,
// so that a shell whose answer was lost is there twice.
func (v *shop) kept() int64 {
	v.t.Helper()
	dir := filepath.Join(v.t.TempDir(), "stream")
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(v.operator.file("data"), "stream"))); err != nil {
		v.t.Fatal(err)
	}
	events, err := stream.Open(v.t.Context(), stream.Config{Dir: dir, MaxBytes: 2 << 30})
	if err != nil {
		v.t.Fatal(err)
	}
	defer events.Close()
	last, err := events.Processed(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	stored, reported := map[string]bool{}, int64(0)
	for sequence := uint64(1); sequence <= last; sequence++ {
		m, err := events.Message(v.t.Context(), sequence)
		if err != nil {
			v.t.Fatal(err)
		}
		stored[m.Position.String()] = true
		if m.Source == "falco" {
			reported++
		}
	}
	for _, answer := range v.accepted {
		var told struct{ ID string }
		if err := json.Unmarshal([]byte(answer), &told); err != nil || !stored[told.ID] {
			v.t.Errorf("%s was accepted and is not among the %d events that were processed", answer, last)
		}
	}
	if reported < shells || reported > shells+int64(v.lost) {
		v.t.Errorf("%d shells are stored: want the %d that were accepted, and of the %d without an answer at most all", reported, shells, v.lost)
	}
	return reported
}
