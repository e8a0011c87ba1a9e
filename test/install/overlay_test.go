package install_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fenced returns the block of a page that shows a kustomization.
func fenced(t *testing.T, page, language string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(string(raw), -1) {
		if block[1] == language && strings.Contains(block[2], "kind: Kustomization") {
			return block[2]
		}
	}
	t.Fatalf("%s shows no kustomization", page)
	return ""
}

// checkout is a folder in which config is, and in which users write their kustomization.
func checkout(t *testing.T) string {
	t.Helper()
	config, err := filepath.Abs("../../config")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(config, filepath.Join(dir, "config")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestTheReadmesKustomization(t *testing.T) {
	dir := checkout(t)
	script, _, _ := strings.Cut(fenced(t, "README.md", "sh"), "kubectl apply")
	shell := exec.CommandContext(t.Context(), "sh", "-ec", script)
	shell.Dir, shell.Env = dir, append(os.Environ(), "IMAGE=registry.example.com:5000/me/tocsin:v7")
	if out, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	objects := decode(t, run(t, "kustomize", "build", filepath.Join(dir, "my-tocsin")))
	if installed := kustomize(t, "default"); len(objects) != len(installed) {
		t.Errorf("%d objects, want the %d of config/default", len(objects), len(installed))
	}
	raw, err := find(t, objects, "Deployment").MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), `"image":"registry.example.com:5000/me/tocsin:v7"`) {
		t.Errorf("the image is another: %s", raw)
	}
}

// An upgrade changes the image where kubectl apply owns it: nothing conflicts, and TLS stays.
func TestUpgradeByKustomization(t *testing.T) {
	c := cluster(t)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "tocsin"}}
	if err := c.Client.Delete(t.Context(), deployment); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(checkout(t), "my-tocsin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	shown := fenced(t, "docs/operations.md", "yaml")
	for _, tag := range []string{"dev", "next"} {
		kustomization := strings.Replace(shown, "newTag: dev", "newTag: "+tag, 1)
		if err := os.WriteFile(filepath.Join(dir, "kustomization.yaml"), []byte(kustomization), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, object := range decode(t, run(t, "kustomize", "build", dir)) {
			if err := c.Client.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("kubectl")); err != nil {
				t.Errorf("applying %s with tag %s: %v", identity(object), tag, err)
			}
		}
		if err := c.Client.Get(t.Context(), client.ObjectKeyFromObject(deployment), deployment); err != nil {
			t.Fatal(err)
		}
		container := deployment.Spec.Template.Spec.Containers[0]
		got := append([]string{container.Image}, container.Args...)
		want := []string{
			"registry.example.com/you/tocsin:" + tag, "--data-dir=/var/lib/tocsin",
			"--ingest-tls-cert-file=/etc/tocsin-ingest/tls.crt", "--ingest-tls-key-file=/etc/tocsin-ingest/tls.key",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("image and args with tag %s (-want +got):\n%s", tag, diff)
		}
		if n := len(container.VolumeMounts); n != 2 || len(deployment.Spec.Template.Spec.Volumes) != 2 {
			t.Errorf("volumes %v, mounted %v: want data and certificate", deployment.Spec.Template.Spec.Volumes, container.VolumeMounts)
		}
	}
}
