package soak_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// each does something time and again until the soak is over.
func (s *soak) each(ctx context.Context, wait *sync.WaitGroup, every time.Duration, do func(ctx context.Context)) {
	wait.Go(func() {
		for ctx.Err() == nil {
			do(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(every):
			}
		}
	})
}

// decide has people approve and deny what waits: at once, late, and both at the same time.
func (s *soak) decide(ctx context.Context) {
	for _, a := range s.actions(ctx) {
		if response.Standing(&a) != v1alpha1.ReasonWaitingForApproval || a.Status.Plan == nil {
			continue
		}
		ballot := a.Name + a.Status.Plan.Digest
		if s.decided[ballot] {
			continue
		}
		s.decided[ballot] = true
		var people sync.WaitGroup
		if s.random(100) < 15 {
			people.Go(func() { s.vote(ctx, &a, "carol", v1alpha1.Deny) })
		}
		if s.random(100) < 90 || a.Spec.ExpiresAfter.Duration > time.Minute {
			people.Go(func() { s.vote(ctx, &a, "alice", v1alpha1.Approve) })
			people.Go(func() { s.vote(ctx, &a, "bob", v1alpha1.Approve) })
		}
		people.Wait()
	}
}

func (s *soak) vote(ctx context.Context, a *v1alpha1.ResponseAction, who string, decision v1alpha1.ApprovalDecision) {
	ballot := &v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, GenerateName: "vote-"},
		Spec: v1alpha1.ApprovalSpec{
			Action: a.Name, PlanDigest: a.Status.Plan.Digest, Decision: decision, Tier: v1alpha1.TierSenior, Approver: who, Reason: "looked at it",
		},
	}
	if s.cluster.Client.Create(ctx, ballot) == nil && decision == v1alpha1.Deny {
		s.ledger.denied(a.Name, a.Status.Plan.Digest, s.clock.Now())
	}
}

// meddle has somebody change one of the objects that are acted on.
func (s *soak) meddle(ctx context.Context) {
	n := s.random(s.groups)
	pod := s.pod(n)
	switch s.random(5) {
	case 0:
		s.merge(ctx, pod, s.path("api/v1", "pods", pod.Name), fmt.Sprintf(`{"metadata": {"labels": {"soc.tocsin.dev/case": "theirs-%d"}}}`, s.random(3)))
	case 1:
		path := s.path("api/v1", "pods", pod.Name)
		s.ledger.edited(path, func() error { return s.cluster.Client.Delete(ctx, pod, client.GracePeriodSeconds(0)) })
		s.ledger.edited(path, func() error { return s.cluster.Client.Create(ctx, s.pod(n)) })
	case 2:
		s.merge(ctx, s.deployment(n), s.path("apis/apps/v1", "deployments", pod.Name), fmt.Sprintf(`{"spec": {"replicas": %d}}`, s.random(4)))
	case 3:
		s.merge(ctx, s.node(n), "/api/v1/nodes/"+s.node(n).Name, `{"spec": {"unschedulable": null}}`)
	case 4:
		s.ledger.edited(s.path("api/v1", "services", pod.Name), func() error { return s.cluster.Client.Create(ctx, s.service(n)) })
	}
}

func (s *soak) merge(ctx context.Context, object client.Object, path, body string) {
	s.ledger.edited(path, func() error {
		return s.cluster.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(body)))
	})
}

func (s *soak) path(group, resource, name string) string {
	return "/" + group + "/namespaces/" + s.namespace + "/" + resource + "/" + name
}

// takeBack asks for undos of what was done.
func (s *soak) takeBack(ctx context.Context) {
	for _, a := range s.actions(ctx) {
		if !response.MayHaveDone(&a) || a.Status.Inverse == nil || a.Status.UndoneBy != "" || a.Spec.UndoAfter != nil || s.asked[a.Name] {
			continue
		}
		s.asked[a.Name] = true
		if s.random(100) < 40 {
			undo := s.action("back-"+a.Name, "", nil)
			undo.Spec.Use, undo.Spec.Undo, undo.Spec.RequestedBy = nil, a.Name, "dave"
			_ = s.cluster.Client.Create(ctx, undo) // or somebody else does
		}
	}
}

// objects that are acted on, some of which are taken away meanwhile.

func (s *soak) meta(n int) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: s.namespace, Name: fmt.Sprintf("web-%d", n), Labels: map[string]string{"app": fmt.Sprintf("web-%d", n)}}
}

func (s *soak) pod(n int) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: s.meta(n), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "example.com/web:1"}}}}
}

func (s *soak) service(n int) *corev1.Service {
	return &corev1.Service{ObjectMeta: s.meta(n), Spec: corev1.ServiceSpec{
		ClusterIP: corev1.ClusterIPNone, Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}},
	}}
}

func (s *soak) node(n int) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%d", n)}}
}
