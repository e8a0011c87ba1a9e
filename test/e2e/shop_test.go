package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/hack/lab"
	"github.com/tocsin-dev/tocsin/internal/response"
)

const (
	soc  = "soc"
	here = "shop"
	// image of all containers, which the nodes have.
	image = "docker.io/local/busybox:1"
)

// shop is a namespace that pods run in, for one test.
type shop struct {
	*world
	t *testing.T
}

func openShop(t *testing.T) *shop {
	t.Helper()
	if !sandboxed() {
		t.Skip("it needs nodes that run pods: make e2e")
	}
	s := &shop{world: shared, t: t}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: here}}
	s.create(namespace)
	t.Cleanup(func() {
		if err := s.close(context.Background(), namespace); err != nil {
			t.Error(err)
		}
	})
	return s
}

// close ends all pods, so that the next test finds empty nodes.
func (s *shop) close(ctx context.Context, namespace *corev1.Namespace) error {
	if err := s.client.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(here), client.GracePeriodSeconds(0)); err != nil {
		return err
	}
	if err := s.client.Delete(ctx, namespace); err != nil {
		return err
	}
	return lab.Eventually(ctx, patience, "the shop to be gone", func(ctx context.Context) (bool, string, error) {
		err := s.client.Get(ctx, client.ObjectKeyFromObject(namespace), namespace)
		return apierrors.IsNotFound(err), "it is there", client.IgnoreNotFound(err)
	})
}

func (s *shop) create(object client.Object) {
	s.t.Helper()
	if err := s.client.Create(s.t.Context(), object); err != nil {
		s.t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func (s *shop) get(object client.Object) {
	s.t.Helper()
	if err := s.client.Get(s.t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		s.t.Fatal(err)
	}
}

// patch is a merge patch by the cluster's administrator.
func (s *shop) patch(object client.Object, patch string) {
	s.t.Helper()
	if err := s.client.Patch(s.t.Context(), object, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		s.t.Fatal(err)
	}
}

// eventually waits for a condition, and fails with what it saw last.
func (s *shop) eventually(what string, check func(context.Context) (ok bool, seen string, err error)) {
	s.t.Helper()
	if err := lab.Eventually(s.t.Context(), patience, what, check); err != nil {
		s.t.Fatal(err)
	}
}

// spec of a pod that runs a shell command.
func spec(command string) corev1.PodSpec {
	return corev1.PodSpec{
		AutomountServiceAccountToken:  ptr.To(false),
		TerminationGracePeriodSeconds: ptr.To(int64(1)),
		Containers:                    []corev1.Container{{Name: "main", Image: image, ImagePullPolicy: corev1.PullNever, Command: []string{"sh", "-c", command}}},
	}
}

func meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: here, Name: name, Labels: map[string]string{"app": name}}
}

func selector(app string) metav1.LabelSelector {
	return metav1.LabelSelector{MatchLabels: meta(app).Labels}
}

// deploy runs a Deployment until all its pods serve.
func (s *shop) deploy(name string, replicas int32, pod corev1.PodSpec) *appsv1.Deployment {
	s.t.Helper()
	d := &appsv1.Deployment{ObjectMeta: meta(name), Spec: appsv1.DeploymentSpec{
		Replicas: &replicas,
		Selector: ptr.To(selector(name)),
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta(name).Labels}, Spec: pod},
	}}
	s.create(d)
	s.serves(name, int(replicas))
	return d
}

// serves waits until just so many pods of an app are there, all of them ready.
func (s *shop) serves(app string, n int) []corev1.Pod {
	s.t.Helper()
	var pods []corev1.Pod
	s.eventually(fmt.Sprintf("%d pods of %s to serve", n, app), func(ctx context.Context) (bool, string, error) {
		var list corev1.PodList
		if err := s.client.List(ctx, &list, client.InNamespace(here), client.MatchingLabels{"app": app}); err != nil {
			return false, "", err
		}
		pods = list.Items
		return len(pods) == n && !slices.ContainsFunc(pods, func(p corev1.Pod) bool { return !serving(&p) }), told(pods), nil
	})
	return pods
}

func serving(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func told(pods []corev1.Pod) string {
	var lines []string
	for _, p := range pods {
		lines = append(lines, fmt.Sprintf("%s on %s: %s, ready %v %v", p.Name, p.Spec.NodeName, p.Status.Phase, serving(&p), p.Status.ContainerStatuses))
	}
	return strings.Join(lines, "\n")
}

// budget keeps so many pods of an app.
func (s *shop) budget(app string, least int32) *policyv1.PodDisruptionBudget {
	s.t.Helper()
	b := &policyv1.PodDisruptionBudget{ObjectMeta: meta(app), Spec: policyv1.PodDisruptionBudgetSpec{
		MinAvailable: ptr.To(intstr.FromInt32(least)),
		Selector:     ptr.To(selector(app)),
	}}
	s.create(b)
	s.eventually("the budget to be counted", func(ctx context.Context) (bool, string, error) {
		err := s.client.Get(ctx, client.ObjectKeyFromObject(b), b)
		return b.Status.ObservedGeneration == b.Generation && b.Status.CurrentHealthy >= least, fmt.Sprintf("%+v", b.Status), err
	})
	return b
}

// ask for an action, as the cluster's administrator.
func (s *shop) ask(operation string, with map[string]string) *v1alpha1.ResponseAction {
	s.t.Helper()
	raw, err := json.Marshal(with)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.request(operation, v1alpha1.ResponseActionSpec{
		Use: &v1alpha1.ActionUse{Connector: "cluster", Operation: operation, With: &runtime.RawExtension{Raw: raw}},
	})
}

// undo asks for an action to be taken back, and waits until it is.
func (s *shop) undo(action *v1alpha1.ResponseAction) {
	s.t.Helper()
	s.stands(s.request("undo", v1alpha1.ResponseActionSpec{Undo: action.Name}), v1alpha1.ReasonSucceeded)
	s.stands(action, v1alpha1.ReasonUndone)
}

func (s *shop) request(name string, spec v1alpha1.ResponseActionSpec) *v1alpha1.ResponseAction {
	s.t.Helper()
	spec.Reason, spec.RequestedBy = "an end-to-end test", "admin"
	action := &v1alpha1.ResponseAction{ObjectMeta: metav1.ObjectMeta{Namespace: soc, GenerateName: name + "-"}, Spec: spec}
	s.create(action)
	return action
}

// stands waits until an action has come to a point.
func (s *shop) stands(action *v1alpha1.ResponseAction, reason string) {
	s.t.Helper()
	s.eventually(action.Name+" to be "+reason, func(ctx context.Context) (bool, string, error) {
		err := s.client.Get(ctx, client.ObjectKeyFromObject(action), action)
		if err != nil {
			return false, "", err
		}
		return response.Standing(action) == reason, fmt.Sprintf("%+v", action.Status.Conditions), nil
	})
}

// done asks for an action and waits until it has succeeded.
func (s *shop) done(operation string, with map[string]string) *v1alpha1.ResponseAction {
	s.t.Helper()
	action := s.ask(operation, with)
	s.stands(action, v1alpha1.ReasonSucceeded)
	return action
}

// processes counts those on all nodes that have a text on their command line.
func processes(t *testing.T, text string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err == nil && bytes.Contains(raw, []byte(text)) { // a process may have ended meanwhile
			n++
		}
	}
	return n
}
