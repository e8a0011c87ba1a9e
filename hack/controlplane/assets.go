package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// assetsDir is the folder with etcd, kube-apiserver and kubectl: the one the
// user names in KUBEBUILDER_ASSETS, else the cache.
func assetsDir(ctx context.Context) (string, error) {
	if dir := os.Getenv("KUBEBUILDER_ASSETS"); dir != "" {
		return dir, checkAssets(dir)
	}
	return kubernetes.ensureBuilt(ctx, binaries)
}

func checkAssets(dir string) error {
	for _, name := range []string{etcd, apiServer, kubectl} {
		if !isExecutable(filepath.Join(dir, name)) {
			return fmt.Errorf("KUBEBUILDER_ASSETS=%s has no %s: complete it, or unset it to have everything built", dir, name)
		}
	}
	return nil
}

// controllerManagerPath builds kube-controller-manager where the assets come
// without it, as those of setup-envtest do.
func controllerManagerPath(ctx context.Context, assets string) (string, error) {
	if path := filepath.Join(assets, controllerManager); isExecutable(path) {
		return path, nil
	}
	for _, b := range binaries {
		if b.name == controllerManager {
			dir, err := kubernetes.ensureBuilt(ctx, []binary{b})
			return filepath.Join(dir, controllerManager), err
		}
	}
	return "", fmt.Errorf("%s is not among the programs that can be built", controllerManager)
}
