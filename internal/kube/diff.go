package kube

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/internal/redact"
)

// volatile are the fields that say nothing about the change itself: they differ
// between two dry runs, or are written by the API server or controllers.
var volatile = [][]string{
	{"metadata", "managedFields"},
	{"metadata", "resourceVersion"},
	{"metadata", "generation"},
	{"metadata", "uid"},
	{"metadata", "creationTimestamp"},
	{"metadata", "selfLink"},
	{"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"},
	{"status"},
}

// Diff compares two states of an object as YAML in unified form; nil stands for
// an object that is not there. Fields that vary by themselves are left out, and
// secrets redacted: a command line and a probe's headers hold them too. It is empty
// where nothing differs.
func Diff(before, after runtime.Object) (string, error) {
	from, title, err := document(before)
	if err != nil {
		return "", err
	}
	to, afterTitle, err := document(after)
	if err != nil {
		return "", err
	}
	if title == "" {
		title = afterTitle
	}
	return difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A:        slices.Collect(strings.Lines(from)),
		B:        slices.Collect(strings.Lines(to)),
		FromFile: title + " (now)",
		ToFile:   title + " (planned)",
		Context:  3,
	})
}

// document returns the object as comparable YAML, and its kind and name.
func document(object runtime.Object) (text, title string, err error) {
	if object == nil {
		return "", "", nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return "", "", fmt.Errorf("comparing %T: %w", object, err)
	}
	stable := withoutVolatile(&unstructured.Unstructured{Object: content})
	raw, err := yaml.Marshal(stable.Object)
	if err != nil {
		return "", "", fmt.Errorf("comparing %T: %w", object, err)
	}
	title = stable.GetKind() + " " + stable.GetName()
	if ns := stable.GetNamespace(); ns != "" {
		title = stable.GetKind() + " " + ns + "/" + stable.GetName()
	}
	return string(raw), title, nil
}

// withoutVolatile returns a copy that is fit to be compared and shown.
func withoutVolatile(object *unstructured.Unstructured) *unstructured.Unstructured {
	stable := object.DeepCopy()
	for _, path := range volatile {
		unstructured.RemoveNestedField(stable.Object, path...)
	}
	if len(stable.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(stable.Object, "metadata", "annotations")
	}
	stable.Object = Redacted(stable.Object)
	return stable
}

// Redacted returns a copy of an object without secrets: a command line and a probe's
// headers hold them too.
func Redacted(object map[string]any) map[string]any {
	copied := runtime.DeepCopyJSON(object)
	redactEnvironment(copied)
	return redact.JSON(copied).(map[string]any) // keeps types
}

// redactEnvironment takes out every value of an environment variable: many are credentials.
func redactEnvironment(value any) {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			redactEnvironment(item)
		}
	case map[string]any:
		variables, _ := v["env"].([]any)
		for _, item := range variables {
			if variable, ok := item.(map[string]any); ok && variable["value"] != nil {
				variable["value"] = redact.Mark
			}
		}
		for _, item := range v {
			redactEnvironment(item)
		}
	}
}
