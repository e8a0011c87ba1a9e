package env

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Controllers runs some of kube-controller-manager's controllers until the test ends,
// such as deployment-controller. Only a cluster of the test's own may have them: they
// collect what other tests make up.
func (c *Cluster) Controllers(t testing.TB, names ...string) {
	t.Helper()
	folder := t.TempDir()
	config := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(config, c.environment.KubeConfig, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	manager := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"),
		"--kubeconfig="+config, "--leader-elect=false", "--secure-port=0", "--controllers="+strings.Join(names, ","))
	manager.Stdout, manager.Stderr = said, said
	if err := manager.Start(); err != nil {
		t.Fatalf("starting kube-controller-manager: %v", err)
	}
	t.Cleanup(func() {
		_ = manager.Process.Kill()
		_ = manager.Wait()
		_ = said.Close()
		if raw, err := os.ReadFile(said.Name()); err == nil && t.Failed() {
			t.Logf("kube-controller-manager:\n%s", raw)
		}
	})
}
