// Package install_test installs Tocsin, by kustomize and by helm, on a real API
// server, and attacks it there.
package install_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

const (
	namespace = "tocsin-system"
	operator  = "system:serviceaccount:tocsin-system:tocsin"
	chart     = "../../charts/tocsin"
)

// run returns what a tool prints. make test builds the tools and puts them on PATH.
func run(t testing.TB, tool string, args ...string) []byte {
	t.Helper()
	out, err := attempt(t, tool, args...)
	if err != nil {
		t.Fatalf("%s %v: %v", tool, args, err)
	}
	return out
}

// attempt is run for a tool that may refuse; the error holds its words.
func attempt(t testing.TB, tool string, args ...string) ([]byte, error) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if testing.Short() {
			t.Skipf("%v: run make test, which builds it", err)
		}
		t.Fatalf("%v: run make test, which builds it", err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, errors.Join(err, errors.New(stderr.String()), errors.New(stdout.String()))
	}
	return stdout.Bytes(), nil
}

func kustomize(t testing.TB, dir string) []*unstructured.Unstructured {
	t.Helper()
	return decode(t, run(t, "kustomize", "build", filepath.Join("../../config", dir)))
}

func helmTemplate(t testing.TB, namespace string, args ...string) []*unstructured.Unstructured {
	t.Helper()
	args = append([]string{"template", "tocsin", chart, "--namespace", namespace, "--include-crds", "--kube-version", "1.37.0"}, args...)
	return decode(t, run(t, "helm", args...))
}

func decode(t testing.TB, manifests []byte) []*unstructured.Unstructured {
	t.Helper()
	var objects []*unstructured.Unstructured
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifests)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// identity names an object across renderings.
func identity(object *unstructured.Unstructured) string {
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

func readFiles(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no file is %s (%v)", pattern, err)
	}
	files := make(map[string][]byte, len(paths))
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(path)] = raw
	}
	return files
}
