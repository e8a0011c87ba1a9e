package e2e_test

import (
	"context"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// All processes of a workload end, and undo has as many of them run again.
func TestScaleToZeroAndBack(t *testing.T) {
	s := openShop(t)
	const marker = "86441"
	deployment := s.deploy("web", 3, spec("sleep "+marker))
	running := processes(t, marker)
	action := s.done("scale-to-zero", map[string]string{"kind": "Deployment", "namespace": here, "name": "web"})
	s.serves("web", 0)
	if n := processes(t, marker); n != 0 || running == 0 {
		t.Errorf("%d processes before, %d after; want some and none", running, n)
	}
	s.undo(action)
	s.serves("web", 3)
	if n := processes(t, marker); n != running {
		t.Errorf("%d processes after undo, want %d", n, running)
	}
	s.get(deployment)
	if got := *deployment.Spec.Replicas; got != 3 {
		t.Errorf("%d replicas after undo, want 3", got)
	}
}

// A node is emptied pod by pod, as fast as the others are started elsewhere: never fewer serve than the budget says.
func TestDrainKeepsToBudgets(t *testing.T) {
	s := openShop(t)
	left, other := s.node("node-1"), s.node("node-2")
	s.patch(other, `{"spec":{"unschedulable":true}}`)
	s.deploy("web", 4, spec("sleep 86451"))
	s.patch(other, `{"spec":{"unschedulable":false}}`)
	budget := s.budget("web", 3)
	shortages := s.shortages(budget)

	action := s.done("drain", map[string]string{"node": left.Name})
	for _, p := range s.serves("web", 4) {
		if p.Spec.NodeName != other.Name {
			t.Errorf("pod %s is on %s", p.Name, p.Spec.NodeName)
		}
	}
	if short := shortages(); len(short) == 0 || slices.Max(short) > 0 {
		t.Errorf("the budget was short of %v pods one after the other, want of none ever", short)
	}
	if s.get(left); !left.Spec.Unschedulable {
		t.Error("the drained node takes pods")
	}
	s.undo(action)
	if s.get(left); left.Spec.Unschedulable {
		t.Error("after undo the node takes no pods")
	}
}

func (s *shop) node(name string) *corev1.Node {
	s.t.Helper()
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}
	s.get(n)
	return n
}

// shortages watches a budget from now on. The function it returns ends that, and tells by how many
// pods it was short whenever that was counted.
func (s *shop) shortages(budget *policyv1.PodDisruptionBudget) func() []int32 {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	watch, err := s.client.Watch(ctx, &policyv1.PodDisruptionBudgetList{}, client.InNamespace(here))
	if err != nil {
		s.t.Fatal(err)
	}
	counted := make(chan []int32)
	go func() {
		var short []int32
		for event := range watch.ResultChan() {
			if b, ok := event.Object.(*policyv1.PodDisruptionBudget); ok && b.Name == budget.Name {
				short = append(short, b.Status.DesiredHealthy-b.Status.CurrentHealthy)
			}
		}
		counted <- short
	}()
	return func() []int32 {
		cancel()
		watch.Stop()
		return <-counted
	}
}
