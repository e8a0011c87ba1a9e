package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
)

const (
	fastPods, fastEvents = "fast", 200
	slowPods, slowEvents = "slow", 30
)

func (b *bench) reactFast(ctx context.Context) error {
	return b.react(ctx, "react_", fastPods, fastEvents, time.Second/10)
}

func (b *bench) reactSlow(ctx context.Context) error {
	return b.react(ctx, "react_1s_", slowPods, slowEvents, time.Second)
}

// reaction to one event, as seen from outside.
type reaction struct {
	posted, accepted time.Time
	// policy is when its NetworkPolicy was seen, label when the pod was seen to be selected by it.
	policy, label time.Time
}

// react posts events about distinct pods at a steady rate, however slow the
// answers are, and watches the pods being cut off.
func (b *bench) react(ctx context.Context, name, prefix string, n int, every time.Duration) error {
	if err := b.audit.Skip(); err != nil {
		return err
	}
	watched, err := b.watch(ctx, prefix)
	if err != nil {
		return err
	}
	defer watched.stop()
	before, err := b.effort()
	if err != nil {
		return err
	}
	if err := b.pace(ctx, watched, prefix, n, every); err != nil {
		return err
	}
	err = lab.Eventually(ctx, 3*time.Minute, fmt.Sprintf("%d pods to be cut off", n), func(ctx context.Context) (bool, string, error) {
		done := watched.complete()
		return done == n, fmt.Sprintf("%d of them; %s", done, b.standings(ctx)), nil
	})
	if err != nil {
		return err
	}
	if err := b.since(before, name+"event", n); err != nil {
		return err
	}
	requests, err := b.settled(ctx)
	if err != nil {
		return err
	}
	t := count(requests)
	b.note("an event: %.1f writes, %.1f dry runs, %.1f reads", float64(t.writes)/float64(n), float64(t.dryRuns)/float64(n), float64(t.reads)/float64(n))
	b.note("writes: %s", kinds(requests, lab.Request.Write))
	b.note("reads: %s", kinds(requests, func(r lab.Request) bool { return !r.Write() && !r.DryRun() }))
	return b.reacted(ctx, name, watched.reactions, requests)
}

// pace posts each event when its time has come.
func (b *bench) pace(ctx context.Context, watched *reactions, prefix string, n int, every time.Duration) error {
	group, ctx := errgroup.WithContext(ctx)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for i := range n {
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-tick.C:
		}
		group.Go(func() error {
			pod := numbered(prefix, i)
			body := falco(miner, pod)
			watched.see(pod, func(r *reaction) { r.posted = time.Now() })
			if err := b.senders.post(ctx, "falco", body); err != nil {
				return err
			}
			watched.see(pod, func(r *reaction) { r.accepted = time.Now() })
			return nil
		})
	}
	return group.Wait()
}

func (b *bench) reacted(ctx context.Context, name string, seen map[string]*reaction, requests []lab.Request) error {
	var policy, contained []float64
	for _, r := range seen {
		policy = append(policy, milliseconds(r.policy.Sub(r.posted)))
		contained = append(contained, milliseconds(r.label.Sub(r.posted)))
	}
	b.figures.set(name+"p50_ms", percentile(policy, 50))
	b.figures.set(name+"p99_ms", percentile(policy, 99))
	b.figures.set(name+"contained_p50_ms", percentile(contained, 50))
	b.figures.set(name+"contained_p99_ms", percentile(contained, 99))
	return b.split(ctx, name, seen, requests)
}

// standings of the actions, where some are not done.
func (b *bench) standings(ctx context.Context) string {
	var actions v1alpha1.ResponseActionList
	if err := b.admin.List(ctx, &actions, client.InNamespace(tenant)); err != nil {
		return err.Error()
	}
	by := map[string]int{}
	for i := range actions.Items {
		if ready := meta.FindStatusCondition(actions.Items[i].Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			by[ready.Reason]++
		}
	}
	return fmt.Sprintf("ResponseActions: %v", by)
}

// reactions by pod.
type reactions struct {
	stop context.CancelFunc

	mu        sync.Mutex
	prefix    string
	reactions map[string]*reaction
}

func (w *reactions) see(pod string, note func(*reaction)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.HasPrefix(pod, w.prefix) {
		return
	}
	if w.reactions[pod] == nil {
		w.reactions[pod] = &reaction{}
	}
	note(w.reactions[pod])
}

// complete counts the pods that are cut off.
func (w *reactions) complete() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, r := range w.reactions {
		if !r.policy.IsZero() && !r.label.IsZero() {
			n++
		}
	}
	return n
}

// watch sees policies and labels as they come.
func (b *bench) watch(ctx context.Context, prefix string) (*reactions, error) {
	ctx, stop := context.WithCancel(ctx)
	w := &reactions{stop: stop, prefix: prefix, reactions: map[string]*reaction{}}
	policies, err := b.admin.Watch(ctx, &networkingv1.NetworkPolicyList{}, client.InNamespace(work))
	if err != nil {
		stop()
		return nil, err
	}
	pods, err := b.admin.Watch(ctx, &corev1.PodList{}, client.InNamespace(work), client.MatchingLabels{"app": prefix})
	if err != nil {
		stop()
		return nil, err
	}
	go func() {
		for event := range policies.ResultChan() {
			if policy, ok := event.Object.(*networkingv1.NetworkPolicy); ok {
				w.see(isolated(policy.Name), func(r *reaction) { r.policy = first(r.policy) })
			}
		}
	}()
	go func() {
		for event := range pods.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok && pod.Labels[v1alpha1.LabelQuarantine] != "" {
				w.see(pod.Name, func(r *reaction) { r.label = first(r.label) })
			}
		}
	}()
	return w, nil
}

// isolated is the pod of a policy, whose name ends in the pod's and a part of its UID.
func isolated(policy string) string {
	name := strings.TrimPrefix(policy, "tocsin-quarantine-")
	return name[:max(strings.LastIndexByte(name, '-'), 0)]
}

func first(seen time.Time) time.Time {
	if seen.IsZero() {
		return time.Now()
	}
	return seen
}

// percentile by nearest rank; values are sorted in place.
func percentile(values []float64, p float64) float64 {
	slices.Sort(values)
	return values[max(int(math.Ceil(p/100*float64(len(values))))-1, 0)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
