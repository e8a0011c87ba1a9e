package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestCacheRoot(t *testing.T) {
	tests := map[string]struct {
		env     map[string]string
		want    string
		wantErr bool
	}{
		"own variable first":     {env: map[string]string{"TOCSIN_CACHE": "/c", "XDG_CACHE_HOME": "/x", "HOME": "/h"}, want: "/c/controlplane"},
		"then the XDG folder":    {env: map[string]string{"XDG_CACHE_HOME": "/x", "HOME": "/h"}, want: "/x/tocsin/controlplane"},
		"then the home folder":   {env: map[string]string{"HOME": "/h"}, want: "/h/.cache/tocsin/controlplane"},
		"nowhere to keep things": {wantErr: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := cacheRoot(func(key string) string { return tt.env[key] })
			if got != tt.want || (err != nil) != tt.wantErr {
				t.Errorf("got %q, %v; want %q, error %v", got, err, tt.want, tt.wantErr)
			}
		})
	}
}

func TestRequiredVersion(t *testing.T) {
	tests := map[string]struct{ mod, want string }{
		"in a block":     {"require (\n\tgo.etcd.io/etcd/server/v3 v3.7.3\n\tk8s.io/kubernetes v1.37.2\n)\n", "v1.37.2"},
		"with a comment": {"\tk8s.io/kubernetes v1.30.0 // indirect\n", "v1.30.0"},
		"absent":         {"module x\n", "unknown"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := requiredVersion(tt.mod, kubernetes.release); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestModulesNameVersions(t *testing.T) {
	for _, m := range []module{kubernetes, containerRuntime} {
		if v, err := m.version(); err != nil || !strings.HasPrefix(v, "v") {
			t.Errorf("%s requires %s %q, %v", m.dir, m.release, v, err)
		}
	}
}

func TestCacheKeyFollowsDependencies(t *testing.T) {
	a, b := cacheKey("v1.37.2", []byte("a")), cacheKey("v1.37.2", []byte("b"))
	if a == b || !strings.HasPrefix(a, "v1.37.2-") {
		t.Errorf("keys %q and %q", a, b)
	}
}

func TestLinkFlags(t *testing.T) {
	const pkg = "-X k8s.io/component-base/version."
	want := "-s -w " + pkg + "gitVersion=v1.37.2 " + pkg + "gitMajor=1 " + pkg + "gitMinor=37"
	if got := linkFlags("v1.37.2"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestMissingIgnoresHalfBuilt(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, etcd), 0o755)
	write(t, filepath.Join(dir, "."+kubectl+".partial"), 0o755)
	write(t, filepath.Join(dir, apiServer), 0o644)

	var names []string
	for _, b := range missing(dir, binaries) {
		names = append(names, b.name)
	}
	if got, want := strings.Join(names, " "), "kube-apiserver kube-controller-manager kubectl"; got != want {
		t.Errorf("missing %q, want %q", got, want)
	}
}

func TestCheckAssetsNamesWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, etcd), 0o755)
	write(t, filepath.Join(dir, apiServer), 0o755)
	if err := checkAssets(dir); err == nil || !strings.Contains(err.Error(), "has no kubectl") {
		t.Errorf("got %v", err)
	}
	write(t, filepath.Join(dir, kubectl), 0o755)
	if err := checkAssets(dir); err != nil {
		t.Error(err)
	}
}

func TestProgressLine(t *testing.T) {
	tests := map[string]struct {
		outcome  string
		terminal bool
		want     string
	}{
		"on a terminal it overwrites itself": {"", true, "\r[1/4] etcd 61s"},
		"in a log it is a line":              {" done", false, "[1/4] etcd 61s done\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := progressLine("[1/4] etcd", 61*time.Second, tt.outcome, tt.terminal); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func write(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, nil, mode); err != nil {
		t.Fatal(err)
	}
}
