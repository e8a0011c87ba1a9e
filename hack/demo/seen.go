package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// seen looks at the world, not at what Tocsin says of it.
func (p *play) seen(ctx context.Context) error {
	policy, err := p.isolation(ctx)
	if err != nil {
		return err
	}
	p.isolated = policy.Name
	err = p.admin.Get(ctx, types.NamespacedName{Name: attackersBinding}, &rbacv1.ClusterRoleBinding{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("ClusterRoleBinding %s must be gone: %w", attackersBinding, err)
	}
	p.say("seen in the cluster: NetworkPolicy shop/%s selects pod shop/%s and no other, the pod is labelled %s, ClusterRoleBinding %s is gone",
		p.isolated, p.victim, labelSuspect, attackersBinding)
	return p.refused(ctx, "stolen", "Forbidden", "kubectl", "delete", "namespace", "payments")
}

// isolation is the NetworkPolicy that cuts the victim off, both ways, and nobody else.
func (p *play) isolation(ctx context.Context) (*networkingv1.NetworkPolicy, error) {
	var policies networkingv1.NetworkPolicyList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&policies, &pods} {
		if err := p.admin.List(ctx, list, client.InNamespace("shop")); err != nil {
			return nil, err
		}
	}
	if len(policies.Items) != 1 {
		return nil, fmt.Errorf("one NetworkPolicy must isolate the pod in shop, there are %d", len(policies.Items))
	}
	policy := &policies.Items[0]
	if spec := policy.Spec; len(spec.PolicyTypes) != 2 || len(spec.Ingress)+len(spec.Egress) > 0 {
		return nil, fmt.Errorf("NetworkPolicy shop/%s must allow nothing, it has %+v", policy.Name, spec)
	}
	selector, err := metav1.LabelSelectorAsSelector(&policy.Spec.PodSelector)
	if err != nil {
		return nil, err
	}
	for _, pod := range pods.Items {
		victim := pod.Name == p.victim
		if selector.Matches(labels.Set(pod.Labels)) != victim {
			return nil, fmt.Errorf("NetworkPolicy shop/%s must select pod %s and no other; that is not so for %s: %s on labels %v",
				policy.Name, p.victim, pod.Name, selector, pod.Labels)
		}
		if victim && pod.Labels[labelSuspect] != "true" {
			return nil, fmt.Errorf("pod shop/%s must be labelled %s=true, its labels are %v", pod.Name, labelSuspect, pod.Labels)
		}
	}
	return policy, nil
}
