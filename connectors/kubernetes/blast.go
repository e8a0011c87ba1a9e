package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// surroundings are what taking pods of a namespace away would be felt by.
type surroundings struct {
	pods     []corev1.Pod
	services []corev1.Service
}

// surroundings lists the pods as they are: what an earlier action took of a workload counts.
func (c *cluster) surroundings(ctx context.Context, namespace string) (surroundings, error) {
	var pods corev1.PodList
	var services corev1.ServiceList
	lists, ctx := errgroup.WithContext(ctx)
	lists.Go(func() error {
		return c.explain(c.List(ctx, &pods, client.InNamespace(namespace)), "listing pods of namespace "+namespace)
	})
	lists.Go(func() error {
		return c.explain(c.listLately(ctx, &services, namespace), "listing services of namespace "+namespace)
	})
	err := lists.Wait()
	return surroundings{pods: pods.Items, services: services.Items}, err
}

// blast is what a change takes away, and that in words.
type blast struct {
	shares   []connectors.Share
	warnings []string
	// pods that end with all that is to be seen of them; nil where none do.
	pods []corev1.Pod
}

// countedWorkloads have controllers that disown a pod which only claims to be theirs. Of
// anything else an intruder could make up pods, so that taking the one that matters looks
// like too much.
var countedWorkloads = map[string]bool{
	"apps/v1 DaemonSet": true, "apps/v1 ReplicaSet": true, "apps/v1 StatefulSet": true, "batch/v1 Job": true, "v1 ReplicationController": true,
}

// shares of workloads that some of the pods are.
func (s surroundings) shares(taken map[types.UID]bool) []connectors.Share {
	var shares []connectors.Share
	at := map[types.UID]int{}
	for i := range s.pods {
		p := &s.pods[i]
		controller := metav1.GetControllerOf(p)
		if controller == nil || !countedWorkloads[controller.APIVersion+" "+controller.Kind] || finished(p) {
			continue
		}
		if _, known := at[controller.UID]; !known {
			at[controller.UID] = len(shares)
			shares = append(shares, connectors.Share{Workload: controllerOf(p)})
		}
		share := &shares[at[controller.UID]]
		share.Pods++
		if serving(p) {
			share.Serving++
			if taken[p.UID] {
				share.Taken++
			}
		}
	}
	shares = slices.DeleteFunc(shares, func(share connectors.Share) bool { return share.Taken == 0 })
	slices.SortFunc(shares, func(a, b connectors.Share) int { return strings.Compare(name(a.Workload), name(b.Workload)) })
	return shares
}

// without tells what it would be like without some of the pods.
func (s surroundings) without(taken map[types.UID]bool) blast {
	b := blast{shares: s.shares(taken)}
	for _, share := range b.shares {
		b.warnings = append(b.warnings, fmt.Sprintf("%s has %d pods, of which %d serve; %d are left",
			name(share.Workload), share.Pods, share.Serving, share.Serving-share.Taken))
	}
	if left := s.leftAlone(taken); len(left) > 0 {
		b.warnings = append(b.warnings, "no pod is left that serves "+listed(left))
	}
	return b
}

// departs notes that a pod is about to go.
func (s surroundings) departs(uid types.UID, now time.Time) {
	for i := range s.pods {
		if s.pods[i].UID == uid {
			s.pods[i].DeletionTimestamp = &metav1.Time{Time: now}
		}
	}
}

// leftAlone names the Services whose last pods are among those taken.
func (s surroundings) leftAlone(taken map[types.UID]bool) []string {
	var alone []string
	for _, service := range s.services {
		if len(service.Spec.Selector) == 0 {
			continue
		}
		selector := labels.SelectorFromSet(service.Spec.Selector)
		before, after := 0, 0
		for i := range s.pods {
			if p := &s.pods[i]; serving(p) && selector.Matches(labels.Set(p.Labels)) {
				before++
				if !taken[p.UID] {
					after++
				}
			}
		}
		if before > 0 && after == 0 {
			alone = append(alone, "Service "+service.Namespace+"/"+service.Name)
		}
	}
	return alone
}

// serving: the pod does its work, and nothing is about to keep it from that.
func serving(p *corev1.Pod) bool {
	if _, isolated := p.Labels[v1alpha1.LabelQuarantine]; isolated || p.DeletionTimestamp != nil {
		return false
	}
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// controllerOf is the workload of a pod, as the pod says.
func controllerOf(p *corev1.Pod) v1alpha1.TargetReference {
	controller := metav1.GetControllerOf(p)
	return v1alpha1.TargetReference{
		APIVersion: controller.APIVersion, Kind: controller.Kind, Namespace: p.Namespace, Name: controller.Name, UID: string(controller.UID),
	}
}

// maxListed bounds a list in a message.
const maxListed = 5

// listed are names as people read them, the first few and how many more.
func listed(names []string) string {
	if len(names) <= maxListed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxListed], ", "), len(names)-maxListed)
}
