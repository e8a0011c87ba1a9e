package kube_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/internal/kube"
)

func pod(change func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0"},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{Name: "init", Env: []corev1.EnvVar{{Name: "EMPTY"}}}},
			Containers:     []corev1.Container{{Name: "web", Env: []corev1.EnvVar{{Name: "TOKEN", Value: "hunter2"}}}},
		},
	}
	change(p)
	return p
}

func TestDiff(t *testing.T) {
	plain := func(*corev1.Pod) {}
	tests := map[string]struct {
		before, after runtime.Object
		want          string
	}{
		"nothing": {before: pod(plain), after: pod(plain)},
		"what varies by itself": {
			before: pod(plain),
			after: pod(func(p *corev1.Pod) {
				p.UID, p.ResourceVersion, p.Generation = types.UID("u"), "7", 3
				p.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
				p.Annotations = map[string]string{"kubectl.kubernetes.io/last-applied-configuration": "{}"}
				p.CreationTimestamp = metav1.Now()
				p.Status.Phase = corev1.PodRunning
			}),
		},
		"the value of an environment variable is a secret": {
			before: pod(plain),
			after:  pod(func(p *corev1.Pod) { p.Spec.Containers[0].Env[0].Value = "hunter3" }),
		},
		"secrets of a command line and of a probe": {
			before: pod(plain),
			after: pod(func(p *corev1.Pod) {
				p.Spec.Containers[0].Args = []string{"--db-password", "hunter2hunter2"}
				p.Spec.Containers[0].LivenessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
					HTTPHeaders: []corev1.HTTPHeader{{Name: "X-Api-Key", Value: "hunter2hunter2"}},
				}}}
			}),
			want: `--- Pod shop/web-0 (now)
+++ Pod shop/web-0 (planned)
@@ -5,9 +5,18 @@
   namespace: shop
 spec:
   containers:
-  - env:
+  - args:
+    - --db-password
+    - '[redacted]'
+    env:
     - name: TOKEN
       value: '[redacted]'
+    livenessProbe:
+      httpGet:
+        httpHeaders:
+        - name: X-Api-Key
+          value: '[redacted]'
+        port: 0
     name: web
     resources: {}
   initContainers:
`,
		},
		"a label": {
			before: pod(plain),
			after:  pod(func(p *corev1.Pod) { p.Labels = map[string]string{"soc.tocsin.dev/case": "a"} }),
			want: `--- Pod shop/web-0 (now)
+++ Pod shop/web-0 (planned)
@@ -1,6 +1,8 @@
 apiVersion: v1
 kind: Pod
 metadata:
+  labels:
+    soc.tocsin.dev/case: a
   name: web-0
   namespace: shop
 spec:
`,
		},
		"a new object": {
			after: &corev1.Namespace{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
			want: `--- Namespace shop (now)
+++ Namespace shop (planned)
@@ -0,0 +1,5 @@
+apiVersion: v1
+kind: Namespace
+metadata:
+  name: shop
+spec: {}
`,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := kube.Diff(test.before, test.after)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDiffOfADeletionShowsNoSecret(t *testing.T) {
	got, err := kube.Diff(pod(func(*corev1.Pod) {}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got, "hunter2") || !strings.Contains(got, "-      value: '[redacted]'") {
		t.Errorf("the value must be redacted:\n%s", got)
	}
}

// Text of an attacker must not look like a line of the diff.
func TestDiffKeepsHostileTextInItsLine(t *testing.T) {
	got, err := kube.Diff(pod(func(*corev1.Pod) {}), pod(func(p *corev1.Pod) {
		p.Annotations = map[string]string{"note": "fine\n+++ approved\x1b[2K\n-spec: {}"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(got, "\n")[2:] {
		if strings.HasPrefix(line, "+++") || strings.HasPrefix(line, "-spec") || strings.Contains(line, "\x1b") {
			t.Errorf("hostile line %q in:\n%s", line, got)
		}
	}
}
