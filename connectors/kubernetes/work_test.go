package kubernetes_test

import (
	"encoding/json"
	"strconv"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/connectors/conformance"
)

func (w *world) annotate(t *testing.T) conformance.Action {
	fresh := func() client.Object {
		p := w.pod("annotated", nil)
		p.Annotations = map[string]string{"team": "shop", "soc.tocsin.dev/case": "older"}
		return p
	}
	return w.action(t, "annotate", args("kind", "Pod", "namespace", w.namespace, "name", "annotated",
		"annotations", map[string]any{"soc.tocsin.dev/case": "shop-7f3a", "soc.tocsin.dev/why": "a shell, seen twice"}), fresh, true, "v1 Pod")
}

func (w *world) evictPod(t *testing.T) conformance.Action {
	fresh := func() client.Object { return w.pod("evicted", nil) }
	return w.action(t, "evict-pod", args("pod", w.namespace+"/evicted"), fresh, true, "v1 Pod")
}

// template of a pod; the image tells revisions apart.
func template(image string) corev1.PodTemplateSpec {
	spec := podSpec()
	spec.Containers[0].Image = image
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: spec}
}

func (w *world) deployment(name, image string) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: template(image)},
	}
}

func (w *world) restartWorkload(t *testing.T) conformance.Action {
	fresh := func() client.Object { return w.deployment("restarted", "example.com/web:1") }
	return w.action(t, "restart-workload", args("kind", "Deployment", "namespace", w.namespace, "name", "restarted"), fresh, true, "apps/v1 Deployment")
}

// prepare replaces how the object of an action is made anew.
func prepare(a conformance.Action, fresh func(t *testing.T)) conformance.Action {
	a.Prepare = fresh
	return a
}

func (w *world) rollbackDeployment(t *testing.T) conformance.Action {
	fresh := func() client.Object { return w.deployment("rolled", "example.com/web:2") }
	a := w.action(t, "rollback-workload", args("kind", "Deployment", "namespace", w.namespace, "name", "rolled"), fresh, true, "apps/v1 Deployment")
	return prepare(a, func(t *testing.T) { w.rolledOut(t, "rolled", 1, 2) })
}

// rolledOut makes a Deployment with a ReplicaSet for each revision, as its controller
// would; its template is that of the last one.
func (w *world) rolledOut(t *testing.T, name string, revisions ...int) *appsv1.Deployment {
	t.Helper()
	image := func(revision int) string { return "example.com/web:" + strconv.Itoa(revision) }
	d := w.deployment(name, image(revisions[len(revisions)-1]))
	w.delete(t, d)
	w.create(t, d)
	for _, revision := range revisions {
		set := &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: w.namespace, Name: name + "-" + strconv.Itoa(revision),
				Annotations:     map[string]string{"deployment.kubernetes.io/revision": strconv.Itoa(revision)},
				OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
			},
			Spec: appsv1.ReplicaSetSpec{Selector: d.Spec.Selector, Template: template(image(revision))},
		}
		set.Spec.Template.Labels["pod-template-hash"] = strconv.Itoa(revision)
		w.delete(t, set)
		w.create(t, set)
	}
	return d
}

func (w *world) rollbackStatefulSet(t *testing.T) conformance.Action {
	fresh := func() client.Object {
		return &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "rolled"},
			Spec: appsv1.StatefulSetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: template("example.com/web:2"),
			},
		}
	}
	a := w.action(t, "rollback-workload", args("kind", "StatefulSet", "namespace", w.namespace, "name", "rolled"), fresh, true, "apps/v1 StatefulSet")
	return prepare(a, func(t *testing.T) {
		set := fresh().(*appsv1.StatefulSet)
		w.delete(t, set)
		w.create(t, set)
		second := set.Spec.Template
		first := second.DeepCopy()
		first.Spec.Containers[0].Image = "example.com/web:1"
		w.controllerRevision(t, set, 1, *first)
		w.controllerRevision(t, set, 2, second)
	})
}

// controllerRevision is as the controllers of StatefulSets and DaemonSets keep it.
func (w *world) controllerRevision(t *testing.T, set *appsv1.StatefulSet, number int64, template corev1.PodTemplateSpec) {
	t.Helper()
	raw, err := json.Marshal(template)
	if err != nil {
		t.Fatal(err)
	}
	var patch map[string]any
	if err := json.Unmarshal(raw, &patch); err != nil {
		t.Fatal(err)
	}
	patch["$patch"] = "replace"
	raw, err = json.Marshal(map[string]any{"spec": map[string]any{"template": patch}})
	if err != nil {
		t.Fatal(err)
	}
	kept := &appsv1.ControllerRevision{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.namespace, Name: set.Name + "-" + strconv.FormatInt(number, 10),
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))},
		},
		Revision: number, Data: runtime.RawExtension{Raw: raw},
	}
	w.delete(t, kept)
	w.create(t, kept)
}

func (w *world) suspendCronJob(t *testing.T) conformance.Action {
	fresh := func() client.Object { return w.cronJob("sync") }
	return w.action(t, "suspend-cronjob", args("cronJob", w.namespace+"/sync"), fresh, true, "batch/v1 CronJob")
}

func (w *world) taintNode(t *testing.T) conformance.Action {
	node := "tainted-" + w.namespace
	fresh := func() client.Object {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: corev1.NodeSpec{Taints: []corev1.Taint{
			{Key: "team", Value: "shop", Effect: corev1.TaintEffectNoSchedule},
			{Key: "soc.tocsin.dev/suspect", Value: "before", Effect: corev1.TaintEffectNoSchedule},
		}}}
	}
	return w.action(t, "taint-node", args("node", node, "key", "soc.tocsin.dev/suspect", "effect", "NoSchedule"), fresh, true, "v1 Node")
}

// Its pods do not come back, so that only the node is compared.
func (w *world) drain(t *testing.T) conformance.Action {
	node := "drained-" + w.namespace
	fresh := func() client.Object { return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: node}} }
	a := w.action(t, "drain", args("node", node), fresh, true, "v1 Node")
	return prepare(a, func(t *testing.T) {
		w.delete(t, fresh())
		w.create(t, fresh())
		w.runningPod(t, "on-node", node, nil)
	})
}

// runningPod makes a pod anew that is bound to a node and ready.
func (w *world) runningPod(t *testing.T, name, node string, labels map[string]string, alter ...func(*corev1.Pod)) *corev1.Pod {
	t.Helper()
	p := w.pod(name, labels)
	p.Spec.NodeName = node
	for _, f := range alter {
		f(p)
	}
	w.delete(t, p)
	w.create(t, p)
	p.Status = corev1.PodStatus{
		Phase:      corev1.PodRunning,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	if err := w.Status().Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func (w *world) uidOf(t *testing.T, replicaSet string) types.UID {
	t.Helper()
	set := &appsv1.ReplicaSet{}
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: replicaSet}, set); err != nil {
		t.Fatal(err)
	}
	return set.UID
}
