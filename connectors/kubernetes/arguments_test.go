package kubernetes_test

import (
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/client-go/rest"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

// unreachable is a connector that cannot ask anybody: what it refuses, it refuses by itself.
func unreachable(t testing.TB, options kubernetes.Options) *kubernetes.Connector {
	t.Helper()
	c, err := kubernetes.New(&rest.Config{Host: "http://127.0.0.1:1"}, "shop", "connector", options)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHostileArgumentsAreRefused(t *testing.T) {
	label := func(key, value string) map[string]any {
		return args("kind", "Pod", "namespace", "shop", "name", "web-0", "labels", map[string]any{key: value})
	}
	tests := map[string]struct {
		operation string
		arguments map[string]any
		wantName  string
	}{
		"a label that is not Tocsin's":      {"label", label("app", "web"), "app"},
		"a label that only looks like it":   {"label", label("soc.tocsin.dev.evil.com/a", "b"), "soc.tocsin.dev.evil.com/a"},
		"a label that isolates":             {"label", label("soc.tocsin.dev/quarantine", "x"), "soc.tocsin.dev/quarantine"},
		"a label that policies read":        {"label", label("soc.tocsin.dev/criticality", "low"), "soc.tocsin.dev/criticality"},
		"a label value of more lines":       {"label", label("soc.tocsin.dev/a", "b\nc"), "labels"},
		"no label":                          {"label", args("kind", "Pod", "namespace", "shop", "name", "web-0", "labels", map[string]any{}), "labels"},
		"a kind that is not known":          {"label", args("kind", "Secret", "namespace", "shop", "name", "a", "labels", map[string]any{"soc.tocsin.dev/a": "b"}), "kind"},
		"a namespace of what has none":      {"label", args("kind", "Node", "namespace", "shop", "name", "a", "labels", map[string]any{"soc.tocsin.dev/a": "b"}), "namespace"},
		"no namespace of what has one":      {"label", args("kind", "Pod", "name", "a", "labels", map[string]any{"soc.tocsin.dev/a": "b"}), "namespace"},
		"a pod without a namespace":         {"isolate-pod", args("pod", "web-0"), "pod"},
		"a pod elsewhere by its path":       {"delete-pod", args("pod", "shop/../../nodes/n1"), "pod"},
		"a pod with a query":                {"delete-pod", args("pod", "shop/web-0?dryRun=All"), "pod"},
		"a pod with a line break":           {"delete-pod", args("pod", "shop/web-0\n"), "pod"},
		"a pod with an escape":              {"delete-pod", args("pod", "shop/\x1b[2Jweb"), "pod"},
		"a binding that is a path":          {"remove-role-binding", args("kind", "ClusterRoleBinding", "name", ".."), "name"},
		"a binding of a namespace, nowhere": {"remove-role-binding", args("kind", "RoleBinding", "name", "a"), "namespace"},
		"something else as a binding": {"create-role-binding",
			args("binding", map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a"}, "roleRef": map[string]any{}}), "binding.kind"},
		"a Secret to delete":            {"delete-object", args("kind", "Secret", "namespace", "shop", "name", "db"), "kind"},
		"a Namespace to delete":         {"delete-object", args("kind", "Namespace", "name", "shop"), "kind"},
		"a Secret to put back":          {"recreate-object", args("object", map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "a"}}), "object.kind"},
		"the stop switch":               {"annotate", args("kind", "Namespace", "name", "shop", "annotations", map[string]any{"soc.tocsin.dev/stop": "x"}), "soc.tocsin.dev/stop"},
		"an annotation of others":       {"annotate", args("kind", "Pod", "namespace", "shop", "name", "a", "annotations", map[string]any{"team": "x"}), "team"},
		"an annotation with lines":      {"annotate", args("kind", "Pod", "namespace", "shop", "name", "a", "annotations", map[string]any{"soc.tocsin.dev/a": "b\nc"}), "annotations"},
		"a taint of others":             {"taint-node", args("node", "n1", "key", "node.kubernetes.io/not-ready", "effect", "NoSchedule"), "key"},
		"a taint that stops pods":       {"taint-node", args("node", "n1", "key", "soc.tocsin.dev/a", "effect", "NoExecute"), "effect"},
		"a ReplicaSet to roll back":     {"rollback-workload", args("kind", "ReplicaSet", "namespace", "shop", "name", "a"), "kind"},
		"a scale below zero":            {"scale", args("kind", "Deployment", "namespace", "a", "name", "b", "uid", "u", "from", 0, "to", -1), "to"},
		"a Secret":                      {"describe-object", args("apiVersion", "v1", "kind", "Secret", "namespace", "shop", "name", "db"), "kind"},
		"a Secret in other clothes":     {"describe-object", args("apiVersion", "apps/v1", "kind", "Pod", "namespace", "shop", "name", "db"), "kind"},
		"two subjects":                  {"permissions", args("serviceAccount", "a/b", "user", "alice"), "argument"},
		"no subject":                    {"permissions", args(), "serviceAccount"},
		"a pod and an account":          {"describe-workload", args("pod", "a/b", "serviceAccount", "a/b"), "argument"},
		"a user and an account to lock": {"lock-identity", args("serviceAccount", "a/b", "user", "alice"), "argument"},
		"nobody to lock":                {"lock-identity", args(), "serviceAccount"},
		"a pod as a workload":           {"isolate-workload", args("kind", "Pod", "namespace", "a", "name", "b"), "kind"},
		"a name as a destination":       {"block-destination", args("namespace", "a", "cidr", "evil.example.com"), "cidr"},
		"every destination":             {"block-destination", args("namespace", "a", "cidr", "0.0.0.0/0"), "cidr"},
		"a destination with more bits":  {"block-destination", args("namespace", "a", "cidr", "10.1.2.3/8"), "cidr"},
		"a destination of too many":     {"block-destination", args("namespace", "a", "cidr", "10.0.0.0/33"), "cidr"},
		"a destination in two families": {"block-destination", args("namespace", "a", "cidr", "::ffff:10.0.0.1"), "cidr"},
		"a part of a digest":            {"block-image", args("digest", "sha256:0"), "digest"},
		"a tag":                         {"block-image", args("repository", "nginx:1"), "repository"},
	}
	c := unreachable(t, kubernetes.Options{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := connectors.Find(c, test.operation)
			if err != nil {
				t.Fatal(err)
			}
			if o.Mode == v1alpha1.OperationRead {
				_, err = c.Ask(t.Context(), test.operation, test.arguments)
			} else {
				_, err = c.Plan(t.Context(), connectors.Request{Operation: test.operation, Arguments: test.arguments})
			}
			if !errors.Is(err, connectors.ErrInvalid) || !strings.Contains(err.Error(), test.wantName) {
				t.Errorf("got %v, want ErrInvalid that names %s", err, test.wantName)
			}
		})
	}
}

// Whatever passes as a name is one path segment and one line.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"web-0", "shop/web-0", "..", "a/..", "a/b/c", "ops:sync", "a%2fb", "a\nb", "", "A/b"} {
		f.Add(seed)
	}
	c := unreachable(f, kubernetes.Options{})
	pod, err := connectors.Find(c, "delete-pod")
	if err != nil {
		f.Fatal(err)
	}
	binding, err := connectors.Find(c, "remove-role-binding")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if pod.ValidateArguments(args("pod", name)) == nil {
			namespace, short, ok := strings.Cut(name, "/")
			if !ok || len(content.IsPathSegmentName(namespace))+len(content.IsPathSegmentName(short)) > 0 || strings.ContainsAny(name, "\n\r\x00 ?#") {
				t.Errorf("%q passes as a pod", name)
			}
		}
		if binding.ValidateArguments(args("kind", "ClusterRoleBinding", "name", name)) == nil && len(content.IsPathSegmentName(name)) > 0 {
			t.Errorf("%q passes as a binding", name)
		}
	})
}
