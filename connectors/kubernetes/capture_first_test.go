package kubernetes_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// TestPlansSayWhatIsCapturedFirst: what ends processes does, and nothing else.
func TestPlansSayWhatIsCapturedFirst(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{Archive: &shelf{}})
	node := w.node(t, "captured-"+w.namespace, false)
	w.rolledOut(t, "web", 1, 2)
	app := map[string]string{"app": "web"}
	uids := map[string]types.UID{
		"web-1": w.runningPod(t, "web-1", node, app).UID,
		"web-0": w.runningPod(t, "web-0", node, app).UID,
		"other": w.runningPod(t, "other", "elsewhere", nil).UID,
	}
	cron := w.cronJob("nightly")
	w.create(t, cron)
	for name, of := range map[string]types.UID{"nightly-1": cron.UID, "of-others": "another"} {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: cron.Spec.JobTemplate.Spec}
		job.OwnerReferences = []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "CronJob", Name: "nightly", UID: of, Controller: new(bool)}}
		*job.OwnerReferences[0].Controller = true
		w.create(t, job)
		uids[name] = w.runningPod(t, name, "elsewhere", nil, func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(job, batchv1.SchemeGroupVersion.WithKind("Job"))}
		}).UID
	}

	workload := []any{"kind", "Deployment", "namespace", w.namespace, "name", "web"}
	of := func(pod string) []any { return []any{"pod", w.namespace + "/" + pod} }
	tests := map[string]struct {
		operation string
		arguments []any
		want      []string
	}{
		"delete a pod":       {"delete-pod", of("other"), []string{"other"}},
		"evict a pod":        {"evict-pod", of("web-0"), []string{"web-0"}},
		"drain":              {"drain", []any{"node", node}, []string{"web-0", "web-1"}},
		"scale to zero":      {"scale-to-zero", workload, []string{"web-0", "web-1"}},
		"restart":            {"restart-workload", workload, []string{"web-0", "web-1"}},
		"roll back":          {"rollback-workload", workload, []string{"web-0", "web-1"}},
		"delete a workload":  {"delete-object", workload, []string{"web-0", "web-1"}},
		"delete a CronJob":   {"delete-object", []any{"kind", "CronJob", "namespace", w.namespace, "name", "nightly"}, []string{"nightly-1"}},
		"suspend a CronJob":  {"suspend-cronjob", []any{"cronJob", w.namespace + "/nightly"}, nil},
		"isolate a pod":      {"isolate-pod", of("web-0"), nil},
		"isolate a workload": {"isolate-workload", workload, nil},
		"label":              {"label", []any{"kind", "Pod", "namespace", w.namespace, "name", "web-0", "labels", map[string]any{"soc.tocsin.dev/a": "b"}}, nil},
		"cordon":             {"cordon", []any{"node", node}, nil},
		"taint":              {"taint-node", []any{"node", node, "key", "soc.tocsin.dev/a", "effect", "NoSchedule"}, nil},
		"capture":            {"capture-evidence", of("web-0"), nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var want []connectors.Capture
			for _, pod := range tt.want {
				capture := connectors.Capture{Operation: "capture-evidence", Arguments: args("pod", w.namespace+"/"+pod)}
				capture.Target.APIVersion, capture.Target.Kind, capture.Target.Namespace, capture.Target.Name, capture.Target.UID = "v1", "Pod", w.namespace, pod, string(uids[pod])
				want = append(want, capture)
			}
			got := plan(t, c, request(tt.operation, tt.arguments...)).Captures
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("captures (-want +got):\n%s", diff)
			}
			for _, capture := range got {
				plan(t, c, connectors.Request{Operation: capture.Operation, Arguments: capture.Arguments, Key: "key-2"})
			}
		})
	}
}

func TestPlansSayWhyNothingIsCaptured(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.runningPod(t, "web-0", "n1", nil)
	tests := map[string]struct {
		options kubernetes.Options
		want    string
	}{
		"not offered": {kubernetes.Options{Archive: &shelf{}, Operations: []string{"delete-pod", "isolate-pod"}}, "the Connector does not offer capture-evidence"},
		"no archive":  {kubernetes.Options{}, "there is no archive that would keep it"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := w.connector(t, tt.options)
			p := plan(t, c, request("delete-pod", "pod", w.namespace+"/web-0"))
			if all := strings.Join(p.Warnings, "\n"); len(p.Captures) > 0 || !strings.Contains(all, "no evidence is captured before pods end: "+tt.want) {
				t.Errorf("captures %v, warnings %q; want one that says %q", p.Captures, p.Warnings, tt.want)
			}
			if p := plan(t, c, request("isolate-pod", "pod", w.namespace+"/web-0")); strings.Contains(strings.Join(p.Warnings, "\n"), "evidence") {
				t.Errorf("of isolation, which ends nothing: %q", p.Warnings)
			}
		})
	}
}

// Pods that cannot be listed are no reason to leave them as they are.
func TestReplacingPodsThatCannotBeListed(t *testing.T) {
	w := newWorld(t)
	w.rolledOut(t, "web", 1)
	role := "restarts-only-" + w.namespace
	w.create(t, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get", "patch"}},
	}})
	w.bind(t, role, role, w.namespace, "connector")
	w.inForce(t, "system:serviceaccount:"+w.namespace+":connector", authorizationv1.ResourceAttributes{Verb: "patch", Group: "apps", Resource: "deployments"})
	c := w.connector(t, kubernetes.Options{Archive: &shelf{}})
	p := plan(t, c, request("restart-workload", "kind", "Deployment", "namespace", w.namespace, "name", "web"))
	if all := strings.Join(p.Warnings, "\n"); len(p.Captures) > 0 || !strings.Contains(all, "no evidence is captured before pods end: forbidden") {
		t.Errorf("captures %v, warnings %q", p.Captures, p.Warnings)
	}
}
