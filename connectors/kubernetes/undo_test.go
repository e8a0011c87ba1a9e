package kubernetes_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// fate of an undo after somebody had a hand in.
type fate string

const (
	// refused: what they made of it stays, and the undo says so.
	refused fate = "refused"
	// idle: they took it back themselves, so there is nothing to do.
	idle fate = "nothing to do"
	// around: they changed something else, which stays, and the rest is as before the action.
	around fate = "taken back around it"
	// partly: what they changed stays, what they left is taken back, and the plan says which.
	partly fate = "the rest taken back"
)

// edit is what somebody does to the target between an action and its undo.
type edit func(t *testing.T, w *world, target v1alpha1.TargetReference)

// patch as kubectl would.
func patch(kind types.PatchType, body string) edit {
	return func(t *testing.T, w *world, target v1alpha1.TargetReference) {
		t.Helper()
		if err := w.Patch(t.Context(), referred(target), client.RawPatch(kind, []byte(body))); err != nil {
			t.Fatal(err)
		}
	}
}

func merge(body string) edit { return patch(types.MergePatchType, body) }

// again creates what has the target's name.
func again(object func(w *world) client.Object) edit {
	return func(t *testing.T, w *world, _ v1alpha1.TargetReference) {
		t.Helper()
		w.create(t, object(w))
	}
}

func referred(target v1alpha1.TargetReference) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(target.APIVersion)
	o.SetKind(target.Kind)
	o.SetNamespace(target.Namespace)
	o.SetName(target.Name)
	return o
}

const note = `{"metadata": {"annotations": {"team/note": "theirs"}}}`

var theirsTakenOff = merge(`{"metadata": {"annotations": {"team/note": null}, "labels": {"soc.tocsin.dev/quarantine": null}}}`)

// ofPolicies are actions that only write policies of their own, which trust no policy that
// somebody changed: tests of their own show it.
var ofPolicies = []string{"isolate-workload", "isolate-namespace", "block-destination", "lock-identity", "block-image"}

// TestUndoOverwritesNobody does each action that can be taken back, lets somebody change
// the target, and takes it back: by a plan from before their change, and by one from after.
func TestUndoOverwritesNobody(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	tried := map[string]bool{}
	for name, test := range w.changedUndos(t) {
		tried[test.action.Request.Operation] = true
		t.Run(name, func(t *testing.T) { takeBackAfter(t, w, c, test) })
	}
	for _, o := range c.Operations() {
		if o.Undo == v1alpha1.UndoReversible && !tried[o.Name] && !slices.Contains(ofPolicies, o.Name) {
			t.Errorf("%s can be taken back and is not tried here", o.Name)
		}
	}
}

type changedUndo struct {
	action conformance.Action
	edit   edit
	want   fate
}

func (w *world) changedUndos(t *testing.T) map[string]changedUndo {
	label, annotation := w.label(t), w.annotate(t)
	isolation, scaling, cordon, drain := w.isolatePod(t), w.scaleToZero(t), w.cordon(t), w.drain(t)
	taint, suspension, binding, service := w.taintNode(t), w.suspendCronJob(t), w.removeRoleBinding(t), w.deleteService(t)
	rollback, setRollback := w.rollbackDeployment(t), w.rollbackStatefulSet(t)
	image := patch(types.JSONPatchType, `[{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "example.com/theirs"}]`)
	uncordoned := merge(`{"spec": {"unschedulable": null}}`)
	return map[string]changedUndo{
		"a label set otherwise":      {label, merge(`{"metadata": {"labels": {"soc.tocsin.dev/case": "theirs"}}}`), refused},
		"a label taken off":          {label, merge(`{"metadata": {"labels": {"soc.tocsin.dev/case": null}}}`), refused},
		"labels put back":            {label, merge(`{"metadata": {"labels": {"soc.tocsin.dev/case": "older", "soc.tocsin.dev/suspect": null}}}`), idle},
		"beside a label":             {label, merge(note), around},
		"an annotation set":          {annotation, merge(`{"metadata": {"annotations": {"soc.tocsin.dev/why": "theirs"}}}`), refused},
		"annotations put back":       {annotation, merge(`{"metadata": {"annotations": {"soc.tocsin.dev/case": "older", "soc.tocsin.dev/why": null}}}`), idle},
		"beside an annotation":       {annotation, merge(note), around},
		"an isolation made open":     {isolation, openIsolation, refused},
		"an isolated pod relabelled": {isolation, merge(`{"metadata": {"labels": {"soc.tocsin.dev/quarantine": "theirs"}}}`), partly},
		"beside an isolation":        {isolation, merge(note), around},
		"scaled otherwise":           {scaling, merge(`{"spec": {"replicas": 5}}`), refused},
		"scaled back":                {scaling, merge(`{"spec": {"replicas": 3}}`), idle},
		"beside a scale":             {scaling, merge(note), around},
		"uncordoned":                 {cordon, uncordoned, idle},
		"beside a cordon":            {cordon, merge(note), around},
		"uncordoned after a drain":   {drain, uncordoned, idle},
		"beside a drain":             {drain, merge(note), around},
		"a taint set otherwise":      {taint, retaint("theirs"), refused},
		"a taint taken off":          {taint, retaint(), refused},
		"a taint put back":           {taint, retaint("before"), idle},
		"beside a taint":             {taint, merge(note), around},
		"resumed":                    {suspension, merge(`{"spec": {"suspend": false}}`), idle},
		"beside a suspension":        {suspension, merge(note), around},
		"rolled out otherwise":       {rollback, image, refused},
		"beside a rollback":          {rollback, merge(note), around},
		"a set rolled out otherwise": {setRollback, image, refused},
		"beside a set's rollback":    {setRollback, merge(note), around},
		"another Service": {service, again(func(w *world) client.Object {
			return &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "planted"},
				Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 8080}}},
			}
		}), refused},
		"another binding": {binding, again(func(w *world) client.Object {
			return &rbacv1.RoleBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "removed"},
				RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "view"},
			}
		}), refused},
	}
}

// openIsolation lets the policy that isolates allow everything.
func openIsolation(t *testing.T, w *world, _ v1alpha1.TargetReference) {
	t.Helper()
	for _, policy := range w.policies(t) {
		policy.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{}}
		if err := w.Update(t.Context(), &policy); err != nil {
			t.Fatal(err)
		}
	}
}

// retaint gives the suspect's taint another value, or takes it off.
func retaint(values ...string) edit {
	taints := []string{`{"key": "team", "value": "shop", "effect": "NoSchedule"}`}
	for _, value := range values {
		taints = append(taints, fmt.Sprintf(`{"key": "soc.tocsin.dev/suspect", "value": %q, "effect": "NoSchedule"}`, value))
	}
	return merge(`{"spec": {"taints": [` + strings.Join(taints, ", ") + `]}}`)
}

func takeBackAfter(t *testing.T, w *world, c *kubernetes.Connector, test changedUndo) {
	test.action.Prepare(t)
	original := test.action.Snapshot(t)
	planned := plan(t, c, test.action.Request)
	wantOutcome(t, c, test.action.Request, planned, v1alpha1.OutcomeSucceeded)
	back := undo(t, planned)
	early := plan(t, c, back)
	test.edit(t, w, planned.Target)
	theirs := test.action.Snapshot(t)
	late, err := c.Plan(t.Context(), back)
	switch test.want {
	case refused:
		if !errors.Is(err, connectors.ErrConflict) {
			t.Errorf("planning the undo: got %+v, %v; want ErrConflict", late, err)
		}
		wantOutcome(t, c, back, early, v1alpha1.OutcomeFailed)
		wantUnchanged(t, theirs, test.action.Snapshot(t))
		return
	case idle:
		if err != nil || !late.Done {
			t.Errorf("planning the undo: got %+v, %v; want nothing to do", late, err)
		}
		wantOutcome(t, c, back, early, v1alpha1.OutcomeSucceeded)
		wantUnchanged(t, theirs, test.action.Snapshot(t))
		return
	}
	if err != nil || late.Done || (test.want == partly) != (len(late.Warnings) > 0) {
		t.Errorf("planning the undo: got %+v, %v; want a warning where something stays", late, err)
	}
	wantOutcome(t, c, back, early, v1alpha1.OutcomeSucceeded)
	if left := test.action.Snapshot(t); !strings.Contains(string(left), "theirs") {
		t.Errorf("what they changed is gone: %s", left)
	}
	theirsTakenOff(t, w, planned.Target)
	wantUnchanged(t, original, test.action.Snapshot(t))
}

func wantUnchanged(t *testing.T, want, got []byte) {
	t.Helper()
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the undo (-want +got):\n%s", diff)
	}
}
