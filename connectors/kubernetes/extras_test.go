package kubernetes_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/test/env"
)

// newWorldWithExtras has the kinds of other projects too.
func newWorldWithExtras(t *testing.T, roles ...string) *world {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a real API server")
	}
	cluster := extended.Get(t)
	install(t, cluster)
	return newWorldIn(t, cluster, roles...)
}

// install serves the kinds of other projects, once. They stay as long as the API
// server, which takes its time to let go of kinds.
func install(t *testing.T, cluster *env.Cluster) {
	t.Helper()
	installed, err := envtest.InstallCRDs(cluster.Config, envtest.CRDInstallOptions{Paths: []string{"testdata/crds.yaml"}, ErrorIfPathMissing: true})
	if err != nil {
		t.Fatal(err)
	}
	listed(t, cluster, len(installed))
}

// listed waits until discovery lists as many kinds of other projects.
func listed(t *testing.T, cluster *env.Cluster, kinds int) {
	t.Helper()
	asked := discovery.NewDiscoveryClientForConfigOrDie(cluster.Config)
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		_, lists, err := asked.ServerGroupsAndResources()
		found := 0
		for _, list := range lists {
			for _, group := range []string{"aquasecurity.github.io", "wgpolicyk8s.io", "openreports.io", "cilium.io", "crd.projectcalico.org"} {
				if strings.HasPrefix(list.GroupVersion, group+"/") {
					found += len(list.APIResources)
				}
			}
		}
		return found >= kinds, err
	})
	if err != nil {
		t.Fatalf("the CRDs are not served: %v", err)
	}
}

// object makes one from YAML in which NAMESPACE and UID stand for the test's.
func (w *world) object(t *testing.T, text string, uid types.UID) {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(strings.NewReplacer("NAMESPACE", w.namespace, "UID", string(uid)).Replace(text)), &o.Object); err != nil {
		t.Fatal(err)
	}
	w.create(t, o)
}

// Where the cluster has none of it, nothing was found; its own policies are still read.
func TestWithoutTheirKindsNothingIsFound(t *testing.T) {
	w := newWorld(t, allRoles...)
	w.create(t, w.pod("web", nil))
	c := w.connector(t, kubernetes.Options{})
	for _, operation := range []string{"vulnerabilities", "policy-reports"} {
		if answer, err := c.Ask(t.Context(), operation, args("pod", w.namespace+"/web")); answer != nil || err != nil {
			t.Errorf("%s: got %v, %v, want nothing", operation, answer, err)
		}
	}
	want := map[string]any{"restricted": false, "outside": "Open", "policies": []any{}, "gaps": []any{}}
	if diff := cmp.Diff(want, only(ask(t, c, "network-rules", "pod", w.namespace+"/web"), "restricted", "outside", "policies", "gaps")); diff != "" {
		t.Errorf("network-rules (-want +got):\n%s", diff)
	}
}

const trivyReport = `
apiVersion: aquasecurity.github.io/v1alpha1
kind: VulnerabilityReport
metadata:
  namespace: NAMESPACE
  name: replicaset-web
  labels: {trivy-operator.resource.kind: ReplicaSet, trivy-operator.resource.name: web, trivy-operator.resource.namespace: NAMESPACE, trivy-operator.container.name: app}
report:
  updateTimestamp: "2026-03-01T00:00:00Z"
  artifact: {repository: example.com/web, tag: "1"}
  summary: {criticalCount: 2, highCount: 1, mediumCount: 4, lowCount: 0, unknownCount: -3}
  vulnerabilities:
  - {vulnerabilityID: CVE-2026-1, severity: HIGH, resource: zlib, installedVersion: "1.0", fixedVersion: "1.1", score: 8.1}
  - {vulnerabilityID: CVE-2026-2, severity: CRITICAL, resource: libssl, installedVersion: "3.0", fixedVersion: "", score: 10}
  - {vulnerabilityID: CVE-2026-3, severity: CRITICAL, resource: log4j, installedVersion: "2.14", fixedVersion: "2.17", score: 9.8}
`

func TestVulnerabilities(t *testing.T) {
	w := newWorldWithExtras(t, allRoles...)
	long := strings.Repeat("w", 70)
	w.create(t, w.owned("web-0", func(*corev1.PodSpec) {}))
	named := w.owned("long-0", func(*corev1.PodSpec) {})
	named.OwnerReferences[0].Name, named.OwnerReferences[0].UID = long, "rs-2"
	w.create(t, named)
	w.create(t, w.pod("bare", nil))
	w.object(t, trivyReport, "")
	w.object(t, `{apiVersion: aquasecurity.github.io/v1alpha1, kind: VulnerabilityReport, report: {updateTimestamp: [], summary: 1},
		metadata: {namespace: NAMESPACE, name: forged, labels: {trivy-operator.resource.kind: ReplicaSet, trivy-operator.resource.name: web}}}`, "")
	w.object(t, `{apiVersion: aquasecurity.github.io/v1alpha1, kind: VulnerabilityReport, report: {updateTimestamp: "2026-03-02T00:00:00Z", summary: {lowCount: 1}, vulnerabilities: []},
		metadata: {namespace: NAMESPACE, name: hashed, labels: {trivy-operator.resource.kind: ReplicaSet, trivy-operator.resource.name-hash: 868458b9d6},
		ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: "`+long+`", uid: rs-2}]}}`, "")
	at := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	c := w.connector(t, kubernetes.Options{Clock: clocktesting.NewFakePassiveClock(at)})
	answer := ask(t, c, "vulnerabilities", "pod", w.namespace+"/web-0")
	want := map[string]any{
		"found": true, "reports": 1.0, "critical": 2.0, "high": 1.0, "medium": 4.0, "unknown": 0.0, "fixableCritical": 1.0, "fixableHigh": 1.0,
		"ageSeconds": 172800.0, "images": []any{"example.com/web:1"},
		"worst": []any{
			map[string]any{"id": "CVE-2026-3", "severity": "CRITICAL", "resource": "log4j", "installedVersion": "2.14", "fixedVersion": "2.17", "score": 9.8, "container": "app"},
			map[string]any{"id": "CVE-2026-2", "severity": "CRITICAL", "resource": "libssl", "installedVersion": "3.0", "fixedVersion": "", "score": 10.0, "container": "app"},
			map[string]any{"id": "CVE-2026-1", "severity": "HIGH", "resource": "zlib", "installedVersion": "1.0", "fixedVersion": "1.1", "score": 8.1, "container": "app"},
		},
	}
	got := only(answer, "found", "reports", "critical", "high", "medium", "unknown", "fixableCritical", "fixableHigh", "ageSeconds", "images", "worst")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("web-0 (-want +got):\n%s", diff)
	}
	if gaps := answer["gaps"].([]any); len(gaps) != 1 || !strings.Contains(gaps[0].(string), "VulnerabilityReport forged is not one that Trivy writes") {
		t.Errorf("gaps %v, want the report that cannot be read", gaps)
	}
	if diff := cmp.Diff(map[string]any{"reports": 1.0, "low": 1.0}, only(ask(t, c, "vulnerabilities", "pod", w.namespace+"/long-0"), "reports", "low")); diff != "" {
		t.Errorf("long-0 (-want +got):\n%s", diff)
	}
	if answer, err := c.Ask(t.Context(), "vulnerabilities", args("pod", w.namespace+"/bare")); answer != nil || err != nil {
		t.Errorf("a pod without reports: got %v, %v, want nothing", answer, err)
	}
}

func TestPolicyReports(t *testing.T) {
	w := newWorldWithExtras(t, allRoles...)
	p := w.owned("web-0", func(*corev1.PodSpec) {})
	w.create(t, p)
	for _, text := range []string{
		// A report a resource, as Kyverno writes them.
		`{apiVersion: wgpolicyk8s.io/v1alpha2, kind: PolicyReport, metadata: {namespace: NAMESPACE, name: UID}, scope: {apiVersion: v1, kind: Pod, name: web-0, namespace: NAMESPACE, uid: UID},
			results: [{source: kyverno, policy: disallow-latest, rule: tag, result: pass}, {source: kyverno, policy: run-as-nonroot, rule: check, result: fail, severity: medium, message: "no"},
				{source: kyverno, policy: no-host-path, rule: volumes, result: fail, severity: high}]}`,
		// One for many, by name, and about a pod that had the name before.
		`{apiVersion: wgpolicyk8s.io/v1alpha2, kind: ClusterPolicyReport, metadata: {name: all-NAMESPACE}, results: [
			{policy: labels, result: warn, resources: [{kind: ReplicaSet, namespace: NAMESPACE, name: web}, {kind: Pod, namespace: elsewhere, name: web-0}]},
			{policy: former, result: fail, resources: [{kind: Pod, namespace: NAMESPACE, name: web-0, uid: another}]}]}`,
		`{apiVersion: openreports.io/v1alpha1, kind: Report, metadata: {namespace: NAMESPACE, name: a}, source: other, results: [{policy: signed, result: error, resources: [{kind: Pod, name: web-0, uid: UID}]}]}`,
		`{apiVersion: openreports.io/v1alpha1, kind: Report, metadata: {namespace: NAMESPACE, name: broken}, results: what}`,
	} {
		w.object(t, text, p.UID)
	}
	answer := ask(t, w.connector(t, kubernetes.Options{}), "policy-reports", "pod", w.namespace+"/web-0")
	result := func(result, severity, policy, rule, source, about, message string) any {
		return map[string]any{"result": result, "severity": severity, "policy": policy, "rule": rule, "source": source, "about": about, "message": message}
	}
	pod, set := "Pod "+w.namespace+"/web-0", "ReplicaSet "+w.namespace+"/web"
	want := map[string]any{
		"fails": 2.0, "failsHigh": 1.0, "warns": 1.0, "errors": 1.0, "passes": 1.0,
		"results": []any{
			result("fail", "high", "no-host-path", "volumes", "kyverno", pod, ""), result("fail", "medium", "run-as-nonroot", "check", "kyverno", pod, "no"),
			result("warn", "", "labels", "", "", set, ""), result("error", "", "signed", "", "other", pod, ""),
		},
	}
	if diff := cmp.Diff(want, only(answer, "fails", "failsHigh", "warns", "errors", "passes", "results")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if gaps := answer["gaps"].([]any); len(gaps) != 1 || !strings.Contains(gaps[0].(string), "Report broken") {
		t.Errorf("gaps %v, want the report that cannot be read", gaps)
	}
}

func TestNetworkRules(t *testing.T) {
	w := newWorldWithExtras(t, allRoles...)
	w.create(t, w.pod("web", map[string]string{"app": "web"}))
	onNode := w.pod("on-node", map[string]string{"app": "web"})
	onNode.Spec.HostNetwork = true
	w.create(t, onNode)
	w.create(t, &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "nothing"},
		Spec:       networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}},
	})
	c := w.connector(t, kubernetes.Options{})
	steps := []struct {
		name, adds string
		want       map[string]any
	}{
		{"nothing is allowed", "", map[string]any{"restricted": true, "outside": "Closed", "policies": []any{"NetworkPolicy NAMESPACE/nothing"}, "gaps": []any{}}},
		{"Cilium allows a name", `{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {namespace: NAMESPACE, name: updates},
			spec: {endpointSelector: {matchLabels: {app: web}}, egress: [{toFQDNs: [{matchName: example.com}]}]}}`,
			map[string]any{"restricted": true, "outside": "Limited", "policies": []any{"NetworkPolicy NAMESPACE/nothing", "CiliumNetworkPolicy.cilium.io NAMESPACE/updates"}, "gaps": []any{}}},
		{"Calico allows all, before the others", `{apiVersion: crd.projectcalico.org/v1, kind: GlobalNetworkPolicy, metadata: {name: default.NAMESPACE},
			spec: {order: 1, namespaceSelector: "projectcalico.org/name == 'NAMESPACE'", types: [Egress], egress: [{action: Allow}]}}`,
			map[string]any{"restricted": true, "outside": "Open", "policies": []any{"NetworkPolicy NAMESPACE/nothing", "CiliumNetworkPolicy.cilium.io NAMESPACE/updates",
				"GlobalNetworkPolicy.crd.projectcalico.org default.NAMESPACE"}, "gaps": []any{}}},
		{"one that is not understood", `{apiVersion: crd.projectcalico.org/v1, kind: NetworkPolicy, metadata: {namespace: NAMESPACE, name: default.broken}, spec: {selector: what, types: [Egress]}}`,
			map[string]any{"restricted": true, "outside": "Unknown", "policies": []any{"NetworkPolicy NAMESPACE/nothing", "CiliumNetworkPolicy.cilium.io NAMESPACE/updates",
				"GlobalNetworkPolicy.crd.projectcalico.org default.NAMESPACE"},
				"gaps": []any{`NetworkPolicy.crd.projectcalico.org NAMESPACE/default.broken was not understood: selector "what": expected an operator at the end`}}},
	}
	for _, step := range steps {
		if step.adds != "" {
			w.object(t, step.adds, "")
		}
		got := only(ask(t, c, "network-rules", "pod", w.namespace+"/web"), "restricted", "outside", "policies", "gaps")
		if diff := cmp.Diff(inNamespace(step.want, w.namespace), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	want := map[string]any{"hostNetwork": true, "restricted": false, "outside": "Open"}
	if diff := cmp.Diff(want, only(ask(t, c, "network-rules", "pod", w.namespace+"/on-node"), "hostNetwork", "restricted", "outside")); diff != "" {
		t.Errorf("on the network of its node (-want +got):\n%s", diff)
	}
}

// inNamespace puts the test's namespace where NAMESPACE stands.
func inNamespace(value any, namespace string) map[string]any {
	var put func(any) any
	put = func(v any) any {
		switch v := v.(type) {
		case string:
			return strings.ReplaceAll(v, "NAMESPACE", namespace)
		case []any:
			all := []any{}
			for _, item := range v {
				all = append(all, put(item))
			}
			return all
		case map[string]any:
			all := map[string]any{}
			for key, item := range v {
				all[key] = put(item)
			}
			return all
		}
		return v
	}
	return put(value).(map[string]any)
}

// A right that is missing is an error where a tenant could have it, and a gap where
// only somebody who sees the whole cluster could.
func TestReportsThatMayNotBeRead(t *testing.T) {
	w := newWorldWithExtras(t)
	w.create(t, w.pod("web", nil))
	role := "pods-" + w.namespace
	w.create(t, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods", "namespaces"}, Verbs: []string{"get"}},
		{APIGroups: []string{"networking.k8s.io", "crd.projectcalico.org"}, Resources: []string{"networkpolicies"}, Verbs: []string{"list"}},
		{APIGroups: []string{"cilium.io"}, Resources: []string{"ciliumnetworkpolicies"}, Verbs: []string{"list"}},
	}})
	w.bind(t, role, role, w.namespace, "connector")
	w.inForce(t, "system:serviceaccount:"+w.namespace+":connector", authorizationv1.ResourceAttributes{Verb: "list", Group: "cilium.io", Resource: "ciliumnetworkpolicies"})
	c := w.connector(t, kubernetes.Options{})
	for operation, missing := range map[string]string{
		"vulnerabilities": `lacks verb list on resource "vulnerabilityreports" in API group "aquasecurity.github.io"; grant it`,
		"policy-reports":  `lacks verb list on resource "policyreports" in API group "wgpolicyk8s.io"; grant it`,
	} {
		_, err := c.Ask(t.Context(), operation, args("pod", w.namespace+"/web"))
		if !errors.Is(err, connectors.ErrForbidden) || !strings.Contains(err.Error(), missing) {
			t.Errorf("%s: got %v, want ErrForbidden that says %q", operation, err, missing)
		}
	}
	answer := ask(t, c, "network-rules", "pod", w.namespace+"/web")
	gaps := answer["gaps"].([]any)
	if answer["outside"] != "Unknown" || len(gaps) != 2 || !strings.Contains(gaps[0].(string), `"ciliumclusterwidenetworkpolicies"`) || !strings.Contains(gaps[1].(string), `"globalnetworkpolicies"`) {
		t.Errorf("network-rules: %v, want Unknown for lack of what is cluster-wide", answer)
	}
}
