package e2e_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// A miner that nobody owns is killed: its process ends on the node, and nothing with its labels comes in its place.
func TestDeletePodEndsItsProcess(t *testing.T) {
	s := openShop(t)
	const command = "sleep 86413"
	miner := &corev1.Pod{ObjectMeta: meta("miner"), Spec: spec(command)}
	s.create(miner)
	s.serves("miner", 1)
	if processes(t, "86413") == 0 {
		t.Fatal("the miner does not run on any node")
	}
	action := s.done("delete-pod", map[string]string{"pod": here + "/miner"})
	if warnings := strings.Join(action.Status.Plan.Warnings, "\n"); !strings.Contains(warnings, "nothing will start it again") {
		t.Errorf("the plan warns of %q", warnings)
	}
	s.gone(miner)
	if n := processes(t, "86413"); n != 0 {
		t.Errorf("%d processes of the miner are left", n)
	}
	s.serves("miner", 0)
}

// gone waits until a pod is, which its node says.
func (s *shop) gone(pod *corev1.Pod) {
	s.t.Helper()
	s.eventually("pod "+pod.Name+" to be gone", func(ctx context.Context) (bool, string, error) {
		found := &corev1.Pod{}
		err := s.client.Get(ctx, client.ObjectKeyFromObject(pod), found)
		return apierrors.IsNotFound(err) || found.UID != pod.UID, told([]corev1.Pod{*found}), client.IgnoreNotFound(err)
	})
}

// An eviction waits for its budget, and takes the pod once there is room.
func TestEvictPodWaitsForItsBudget(t *testing.T) {
	s := openShop(t)
	deployment := s.deploy("web", 3, spec("sleep 86421"))
	budget := s.budget("web", 3)
	victim := s.serves("web", 3)[0]
	action := s.ask("evict-pod", map[string]string{"pod": here + "/" + victim.Name})
	s.stands(action, v1alpha1.ReasonBlocked)
	s.get(&victim)
	if victim.DeletionTimestamp != nil || action.Status.Execution != nil {
		t.Errorf("the pod goes although budget %s allows none", budget.Name)
	}
	s.patch(deployment, `{"spec":{"replicas":4}}`) // somebody makes room
	s.stands(action, v1alpha1.ReasonSucceeded)
	s.gone(&victim)
	s.serves("web", 4)
}

// A pod that another NetworkPolicy would let through is isolated by labels in place of those that it selects.
// Its ReplicaSet lets it go, starts another, and takes it back after undo. Killed while it is
// isolated, it is not replaced under the labels that it has then.
func TestIsolatePodTakesItOutOfItsWorkload(t *testing.T) {
	s := openShop(t)
	s.create(&networkingv1.NetworkPolicy{ObjectMeta: meta("web"), Spec: networkingv1.NetworkPolicySpec{
		PodSelector: selector("web"), Ingress: []networkingv1.NetworkPolicyIngressRule{{}}, Egress: []networkingv1.NetworkPolicyEgressRule{{}},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	}})
	s.deploy("web", 3, spec("sleep 86431"))
	victim := s.serves("web", 3)[0]
	before := maps.Clone(victim.Labels)
	// The one that the ReplicaSet keeps when it has one too many.
	s.patch(&victim, `{"metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"1"}}}`)
	s.undo(s.quarantined(&victim))
	s.serves("web", 3)
	s.get(&victim)
	if diff := cmp.Diff(before, victim.Labels); diff != "" {
		t.Errorf("labels after undo (-want +got):\n%s", diff)
	}
	s.quarantined(&victim)
	quarantine := victim.Labels
	s.done("delete-pod", map[string]string{"pod": here + "/" + victim.Name})
	s.gone(&victim)
	s.serves("web", 3)
	var replaced corev1.PodList
	if err := s.client.List(t.Context(), &replaced, client.InNamespace(here), client.MatchingLabels(quarantine)); err != nil || len(replaced.Items) > 0 {
		t.Errorf("under the labels %v there are (%v)\n%s", quarantine, err, told(replaced.Items))
	}
}

// quarantined isolates a pod, whose workload then has as many others.
func (s *shop) quarantined(victim *corev1.Pod) *v1alpha1.ResponseAction {
	s.t.Helper()
	action := s.done("isolate-pod", map[string]string{"pod": here + "/" + victim.Name})
	s.get(victim)
	if victim.Labels["app"] == "web" {
		s.t.Skip("isolate-pod leaves the labels that other policies select")
	}
	others := s.serves("web", 3)
	if slices.ContainsFunc(others, func(p corev1.Pod) bool { return p.UID == victim.UID }) || !serving(victim) {
		s.t.Errorf("want the isolated pod running beside three others; there are\n%s", told(others))
	}
	return action
}
