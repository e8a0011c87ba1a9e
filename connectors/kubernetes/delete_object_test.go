package kubernetes_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

func (w *world) cronJob(name string) *batchv1.CronJob {
	pod := podSpec()
	pod.RestartPolicy = corev1.RestartPolicyNever
	return &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Annotations: map[string]string{"why": "said so"}},
		Spec: batchv1.CronJobSpec{
			Schedule:    "*/5 * * * *",
			JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: corev1.PodTemplateSpec{Spec: pod}}},
		},
	}
}

func (w *world) deleteCronJob(t *testing.T) conformance.Action {
	return w.action(t, "delete-object", args("kind", "CronJob", "namespace", w.namespace, "name", "planted"),
		func() client.Object { return w.cronJob("planted") }, false, "batch/v1 CronJob")
}

// A Job's selector and labels are made anew from its UID.
func (w *world) deleteJob(t *testing.T) conformance.Action {
	fresh := func() client.Object {
		return &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "planted"}, Spec: w.cronJob("").Spec.JobTemplate.Spec}
	}
	a := w.action(t, "delete-object", args("kind", "Job", "namespace", w.namespace, "name", "planted"), fresh, false)
	a.Snapshot = func(t *testing.T) []byte {
		jobs := &batchv1.JobList{}
		if err := w.List(t.Context(), jobs, client.InNamespace(w.namespace)); err != nil {
			t.Fatal(err)
		}
		raw := string(w.snapshot(t, false, "batch/v1 Job"))
		for _, job := range jobs.Items {
			raw = strings.ReplaceAll(raw, string(job.UID), "the-uid")
		}
		return []byte(raw)
	}
	return a
}

func (w *world) deleteService(t *testing.T) conformance.Action {
	fresh := func() client.Object {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "planted"},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 80}}}}
	}
	return w.action(t, "delete-object", args("kind", "Service", "namespace", w.namespace, "name", "planted"), fresh, false, "v1 Service")
}

func (w *world) deleteWebhook(t *testing.T) conformance.Action {
	url, none, ignore := "https://example.com", admissionv1.SideEffectClassNone, admissionv1.Ignore
	fresh := func() client.Object {
		return &admissionv1.MutatingWebhookConfiguration{
			ObjectMeta: metav1.ObjectMeta{Name: "planted-" + w.namespace},
			Webhooks: []admissionv1.MutatingWebhook{{
				Name: "a.example.com", ClientConfig: admissionv1.WebhookClientConfig{URL: &url}, SideEffects: &none,
				FailurePolicy: &ignore, AdmissionReviewVersions: []string{"v1"},
			}},
		}
	}
	return w.action(t, "delete-object", args("kind", "MutatingWebhookConfiguration", "name", "planted-"+w.namespace), fresh, false,
		"admissionregistration.k8s.io/v1 MutatingWebhookConfiguration")
}

func TestDeletionOfWhatChangedIsRefused(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	planted := w.cronJob("planted")
	w.create(t, planted)
	r := request("delete-object", "kind", "CronJob", "namespace", w.namespace, "name", "planted")
	planned := plan(t, c, r)
	schedule := client.RawPatch(types.MergePatchType, []byte(`{"spec": {"schedule": "0 3 * * *"}}`))
	if err := w.Patch(t.Context(), planted, schedule); err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)
	planned = plan(t, c, r)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)

	w.create(t, w.cronJob("planted"))
	if _, err := c.Plan(t.Context(), undo(t, planned)); !errors.Is(err, connectors.ErrConflict) {
		t.Errorf("planning the undo over another of that name: got %v, want ErrConflict", err)
	}
}

// Whoever plants a secret must not keep the object from being deleted by that.
func TestSecretsAreNotKept(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	planted := w.cronJob("planted")
	planted.Spec.JobTemplate.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "DB_PASSWORD", Value: "hunter2"}}
	w.create(t, planted)
	r := request("delete-object", "kind", "CronJob", "namespace", w.namespace, "name", "planted")
	planned := plan(t, c, r)
	if planned.Inverse != nil || !strings.Contains(strings.Join(planned.Warnings, "\n"), "looks like a secret, which is kept nowhere: there is no undo") {
		t.Errorf("inverse is %v, warnings are %q", planned.Inverse, planned.Warnings)
	}
	if strings.Contains(planned.Diff, "hunter2") {
		t.Errorf("the diff shows it: %s", planned.Diff)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
}

// What somebody holds by a finalizer is not gone, nor are the pods that it owns, and nobody shall believe so.
func TestAFinalizerHoldsADeletion(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	planted := w.cronJob("planted")
	planted.Finalizers = []string{"evil.example.com/stay"}
	w.create(t, planted)
	t.Cleanup(func() {
		_ = w.Patch(context.Background(), planted, client.RawPatch(types.MergePatchType, []byte(`{"metadata": {"finalizers": null}}`)))
	})
	r := request("delete-object", "kind", "CronJob", "namespace", w.namespace, "name", "planted")
	planned := plan(t, c, r)
	const stays = "until its finalizers are done: evil.example.com/stay"
	if got := strings.Join(planned.Warnings, "\n"); !strings.Contains(got, stays) {
		t.Errorf("warnings are %q", got)
	}
	if got, err := c.Execute(t.Context(), r, planned); err != nil || got.Outcome != v1alpha1.OutcomeSucceeded || !strings.Contains(got.Message, stays) {
		t.Errorf("executing: got %+v, %v", got, err)
	}
	if again := plan(t, c, r); !again.Done || !strings.Contains(again.Summary, stays) {
		t.Errorf("planning again: done is %t, summary %q", again.Done, again.Summary)
	}
	_, err := c.Plan(t.Context(), undo(t, planned))
	if err == nil || errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "still being deleted") {
		t.Errorf("planning the undo: got %v, want an error that passes", err)
	}
}

func TestAJobThatIsPutBackBeginsAnew(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.deleteJob(t).Prepare(t)
	planned := plan(t, w.connector(t, kubernetes.Options{}), request("delete-object", "kind", "Job", "namespace", w.namespace, "name", "planted"))
	if got := strings.Join(planned.Warnings, "\n"); !strings.Contains(got, "undo starts it from the beginning") {
		t.Errorf("warnings are %q, want one that the Job is run again", got)
	}
}

func TestIsolationIsNotDeleted(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	w.create(t, &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tocsin-quarantine-web-0-12345678"}})
	_, err := c.Plan(t.Context(), request("delete-object", "kind", "NetworkPolicy", "namespace", w.namespace, "name", "tocsin-quarantine-web-0-12345678"))
	if !errors.Is(err, connectors.ErrConflict) || !strings.Contains(err.Error(), "undo the action that made it") {
		t.Errorf("got %v, want ErrConflict that says what to do", err)
	}
}
