package kubernetes_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// Pods that go on without what they need count as taken too.
func TestPlansTellWhoseMeansAreTaken(t *testing.T) {
	w := newWorld(t, append(allRoles, admissionRole)...)
	c := w.connector(t, kubernetes.Options{})
	image := "example.com/" + w.namespace
	of := controlledBy("ReplicaSet", "web")
	w.runningPod(t, "web-0", "n1", nil, of, func(p *corev1.Pod) { p.Spec.Containers[0].Image = image + ":1" })
	w.runningPod(t, "web-1", "n1", nil, of, func(p *corev1.Pod) {
		token := corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}
		p.Spec.Volumes = []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{token}}}}}
	})
	w.runningPod(t, "web-2", "n1", nil, of, func(p *corev1.Pod) { p.Spec.HostNetwork = true })
	w.create(t, w.account("web"))
	tests := map[string]struct {
		request connectors.Request
		taken   int
	}{
		"the image of one": {request("block-image", "repository", image), 1},
		"the token of one": {request("revoke-service-account", "serviceAccount", w.namespace+"/web"), 1},
		"a destination of all that NetworkPolicies hold": {request("block-destination", "namespace", w.namespace, "cidr", "203.0.113.0/24"), 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			want := []connectors.Share{{
				Workload: v1alpha1.TargetReference{APIVersion: "apps/v1", Kind: "ReplicaSet", Namespace: w.namespace, Name: "web", UID: "ReplicaSetweb"},
				Pods:     3, Serving: 3, Taken: test.taken,
			}}
			if diff := cmp.Diff(want, plan(t, c, test.request).Shares); diff != "" {
				t.Errorf("shares (-want +got):\n%s", diff)
			}
		})
	}
}
