// Package soak_test lets many actions run while everything goes wrong that can: the
// operator is killed, the API server fails, and people change what is acted on.
package soak_test

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/test/env"
)

// few actions in make test; SOAK=1000 go test ./test/soak takes some minutes.
const few = 48

type soak struct {
	*dice
	t         *testing.T
	cluster   *env.Cluster
	namespace string
	// watched is the namespace as a watch tells it: to list all actions time and again would
	// keep the API server busier than the operators do.
	watched client.Reader
	ledger  *ledger
	clock   *ahead
	shelf   *shelf
	// groups of objects that are acted on.
	groups int
	began  time.Time
	// trouble: faults are on. outage: nothing gets through.
	trouble, outage atomic.Bool
	decided, asked  map[string]bool
	lives           []*life
}

func TestActionsUnderTrouble(t *testing.T) {
	count := few
	if wanted, err := strconv.Atoi(os.Getenv("SOAK")); err == nil {
		count = wanted
	}
	ctrl.SetLogger(logr.Discard())
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := &soak{
		dice: &dice{Rand: rand.New(rand.NewPCG(seed, 0))}, t: t, cluster: env.Start(t), ledger: &ledger{}, shelf: &shelf{blobs: map[string][]byte{}}, clock: &ahead{},
		groups: max(8, count/8), decided: map[string]bool{}, asked: map[string]bool{},
	}
	s.prepare()
	s.watch()
	s.began = time.Now()
	kills := s.run(count)
	s.check(kills)
}

// run returns how often the operator was killed.
func (s *soak) run(count int) int {
	ctx, stop := context.WithCancel(s.t.Context())
	var people sync.WaitGroup
	s.trouble.Store(true)
	s.each(ctx, &people, 200*time.Millisecond, s.decide)
	s.each(ctx, &people, 15*time.Millisecond, s.meddle)
	s.each(ctx, &people, 500*time.Millisecond, s.takeBack)
	s.begin()
	for n := range count {
		s.must(s.cluster.Client.Create(ctx, s.some(n)))
		time.Sleep(time.Duration(s.random(40)) * time.Millisecond)
		switch {
		case n%12 == 6 || s.random(24) == 0:
			s.last().kill()
			s.begin()
		case s.random(24) == 0:
			s.outage.Store(true)
			time.Sleep(time.Duration(s.random(400)) * time.Millisecond)
			s.outage.Store(false)
		}
		s.alive()
		s.keepUp(ctx)
	}
	s.t.Logf("asked for %d actions, %d kills", count, len(s.lives)-1)
	s.calm(ctx)
	stop()
	people.Wait()
	for _, l := range s.lives {
		l.kill() // one that was killed before its cache was filled never returns
	}
	return len(s.lives) - 1
}

// keepUp lets the operators work off what is open, so that kills meet actions at all points
// of their lives and not one long queue.
func (s *soak) keepUp(ctx context.Context) {
	for range 40 {
		// What waits until a tool is called again waits half a minute, whatever comes.
		busy := slices.DeleteFunc(s.open(ctx), func(a string) bool { return strings.HasSuffix(a, ": "+v1alpha1.ReasonUnavailable) })
		if len(busy) <= 32 {
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// calm ends the trouble, and waits until nothing gets any further. It puts the clock
// forward, since what nobody can tell is looked for a minute long.
func (s *soak) calm(ctx context.Context) {
	s.trouble.Store(false)
	still, left, moved := 0, 0, time.Now()
	for still < 8 && time.Since(moved) < 2*time.Minute {
		s.alive()
		open := len(s.open(ctx))
		if open == 0 {
			still++ // an undo may be about to be asked for
		} else {
			still = 0
			s.clock.by.Add(int64(2 * time.Second))
		}
		if open != left {
			left, moved = open, time.Now()
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// open are the actions that are on their way.
func (s *soak) open(ctx context.Context) []string {
	var open []string
	for _, a := range s.actions(ctx) {
		unlogged := a.Status.Result != nil && a.Status.Result.LogIndex == nil
		if unlogged || !response.Settled(&a) && !response.Stalled(&a) {
			open = append(open, a.Name+": "+response.Standing(&a))
		}
	}
	return open
}

func (s *soak) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *soak) actions(ctx context.Context) []v1alpha1.ResponseAction {
	var list v1alpha1.ResponseActionList
	if err := s.watched.List(ctx, &list, client.InNamespace(s.namespace), client.UnsafeDisableDeepCopy); err != nil && ctx.Err() == nil {
		s.t.Error(err)
	}
	return list.Items
}

// Since implements responseaction.AdmissionProof.
func (s *soak) Since(context.Context) (time.Time, error) { return time.Now().Add(-time.Hour), nil }

// Behind implements responseaction.Requesters: nobody asks through a playbook or a ServiceAccount.
func (s *soak) Behind(context.Context, string, []string, []v1alpha1.Approval) ([]string, error) {
	return nil, nil
}

// Decide implements responseaction.Decider: always the same of an action of that name.
func (s *soak) Decide(_ context.Context, _ string, in policy.Input) v1alpha1.Decision {
	return demanded(in.Action.Name)
}

func demanded(action string) v1alpha1.Decision {
	h := fnv.New32a()
	_, _ = h.Write([]byte(action)) // which cannot fail
	d := v1alpha1.Decision{Outcome: v1alpha1.DecisionRequire, Tier: v1alpha1.TierSenior, Reasons: []string{"test: people decide"}, ApprovalTTL: &metav1.Duration{Duration: time.Hour}}
	switch n := h.Sum32() % 20; {
	case n < 6:
		d.Approvals = 1
	case n < 9:
		d.Approvals = 2
	case n == 9:
		return v1alpha1.Decision{Outcome: v1alpha1.DecisionDeny, Reasons: []string{"test: never"}}
	default:
		return v1alpha1.Decision{Outcome: v1alpha1.DecisionAllow, Reasons: []string{"test: allowed"}}
	}
	return d
}

// some action, on objects that others act on too.
func (s *soak) some(n int) *v1alpha1.ResponseAction {
	g := s.random(s.groups)
	name := s.meta(g).Name
	on := func(kind string, more ...any) map[string]any {
		with := map[string]any{"kind": kind, "namespace": s.namespace, "name": name}
		for i := 0; i < len(more); i += 2 {
			with[more[i].(string)] = more[i+1]
		}
		return with
	}
	uses := []struct {
		operation string
		with      map[string]any
	}{
		{"label", on("Pod", "labels", map[string]any{"soc.tocsin.dev/case": fmt.Sprintf("case-%d", n)})},
		{"label", on("Pod", "labels", map[string]any{"soc.tocsin.dev/case": fmt.Sprintf("case-%d", n), "soc.tocsin.dev/suspect": "yes"})},
		{"annotate", on("Pod", "annotations", map[string]any{"soc.tocsin.dev/why": fmt.Sprintf("for %d", n)})},
		{"isolate-pod", map[string]any{"pod": s.namespace + "/" + name}},
		{"isolate-pod", map[string]any{"pod": s.namespace + "/" + name}},
		{"scale-to-zero", on("Deployment")},
		{"restart-workload", on("Deployment")},
		{"cordon", map[string]any{"node": s.node(g).Name}},
		{"taint-node", map[string]any{"node": s.node(g).Name, "key": "soc.tocsin.dev/suspect", "value": fmt.Sprintf("v%d", n), "effect": "NoSchedule"}},
		{"suspend-cronjob", map[string]any{"cronJob": s.namespace + "/" + name}},
		{"remove-role-binding", on("RoleBinding")},
		{"delete-object", on("Service")},
		{"delete-pod", map[string]any{"pod": s.namespace + "/" + name}},
	}
	use := uses[n%len(uses)]
	a := s.action(fmt.Sprintf("act-%d", n), use.operation, use.with)
	switch s.random(10) {
	case 0:
		a.Spec.ExpiresAfter = &metav1.Duration{Duration: time.Duration(1+s.random(3)) * time.Second}
	case 1:
		a.Spec.UndoAfter = &metav1.Duration{Duration: time.Second}
	}
	return a
}

func (s *soak) action(name, operation string, with map[string]any) *v1alpha1.ResponseAction {
	raw, err := json.Marshal(with)
	s.must(err)
	return &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec: v1alpha1.ResponseActionSpec{
			Use:    &v1alpha1.ActionUse{Connector: "cluster", Operation: operation, With: &runtime.RawExtension{Raw: raw}},
			Reason: "a shell", RequestedBy: "playbook:shell", ExpiresAfter: &metav1.Duration{Duration: 24 * time.Hour},
		},
	}
}

func (s *soak) deployment(n int) *appsv1.Deployment {
	labels := s.meta(n).Labels
	return &appsv1.Deployment{ObjectMeta: s.meta(n), Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: s.pod(n).Spec},
	}}
}

// watch the actions until the test ends.
func (s *soak) watch() {
	watched, err := cache.New(s.cluster.Config, cache.Options{Scheme: s.cluster.Scheme})
	s.must(err)
	_, err = watched.GetInformer(s.t.Context(), &v1alpha1.ResponseAction{})
	s.must(err)
	go func() { _ = watched.Start(s.t.Context()) }() // it ends with the test
	if !watched.WaitForCacheSync(s.t.Context()) {
		s.t.Fatal("the actions cannot be watched")
	}
	s.watched = watched
}

// prepare makes what is acted on, and a ServiceAccount that may do all that is asked.
func (s *soak) prepare() {
	ctx, c := s.t.Context(), s.cluster.Client
	tenant := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "soak-"}}
	s.must(c.Create(ctx, tenant))
	s.namespace = tenant.Name
	admin := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"}
	s.must(c.Create(ctx, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: s.namespace}, RoleRef: admin,
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.namespace, Name: "connector"}},
	}))
	for n := range s.groups {
		template := s.deployment(n).Spec.Template
		template.Spec.RestartPolicy = corev1.RestartPolicyNever
		for _, object := range []client.Object{
			s.pod(n), s.deployment(n), s.service(n), s.node(n),
			&batchv1.CronJob{ObjectMeta: s.meta(n), Spec: batchv1.CronJobSpec{
				Schedule: "*/5 * * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template}},
			}},
			&rbacv1.RoleBinding{ObjectMeta: s.meta(n), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"}},
		} {
			s.must(c.Create(ctx, object))
		}
	}
}
