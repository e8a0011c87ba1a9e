package detect

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// traffic of a cluster at work, as one event in a hundred makes an alert: leases,
// reads, status, a rollout with whole objects, and what the shipped rules look for.
func traffic() [][]byte {
	const user = `"user":{"username":%q,"uid":"8d5e1349","groups":["system:serviceaccounts","system:authenticated"],
		"extra":{"authentication.kubernetes.io/pod-name":["web-0"],"authentication.kubernetes.io/pod-uid":["5c1e"]}}`
	event := func(name, verb, uri, ref, bodies string) []byte {
		return fmt.Appendf(nil, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"a362d22b-db3c-4590-9505-23782f12925f",
			"stage":"ResponseComplete","requestURI":%q,"verb":%q,`+user+`,"sourceIPs":["10.0.0.1"],"userAgent":"kubelet/v1.33.0 (linux/amd64)",
			"objectRef":%s,"responseStatus":{"metadata":{},"code":200},%s
			"requestReceivedTimestamp":"2026-03-01T11:59:58.572676Z","stageTimestamp":"2026-03-01T11:59:58.581541Z",
			"annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding"}}`,
			uri, verb, name, ref, bodies)
	}
	container := `{"name":"web","image":"registry.example.com/shop/web:1.4.2","ports":[{"containerPort":8080}],"env":[` +
		strings.TrimSuffix(strings.Repeat(`{"name":"SETTING","value":"some value of it"},`, 12), ",") +
		`],"resources":{"limits":{"cpu":"1","memory":"512Mi"}},"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]}}}`
	rollout := fmt.Sprintf(`"requestObject":{"kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"}},"spec":{"replicas":3,
		"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[%s,%s],"volumes":[{"name":"tmp","emptyDir":{}}]}}}},`, container, container)
	lease := event("system:node:node-1", "update", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/node-1",
		`{"resource":"leases","namespace":"kube-node-lease","name":"node-1","apiGroup":"coordination.k8s.io"}`, `"requestObject":{"kind":"Lease","spec":{"holderIdentity":"node-1"}},`)
	read := event("system:serviceaccount:shop:web", "get", "/api/v1/namespaces/shop/configmaps/web", `{"resource":"configmaps","namespace":"shop","name":"web"}`, "")
	status := event("system:node:node-1", "patch", "/api/v1/namespaces/shop/pods/web-0/status",
		`{"resource":"pods","namespace":"shop","name":"web-0","subresource":"status"}`, `"requestObject":{"status":{"conditions":[{"type":"Ready","status":"True"}]}},`)
	deploy := event("system:serviceaccount:flux-system:kustomize-controller", "patch", "/apis/apps/v1/namespaces/shop/deployments/web",
		`{"resource":"deployments","namespace":"shop","name":"web","apiGroup":"apps"}`, rollout)
	attack := event("system:serviceaccount:shop:web", "list", "/api/v1/secrets", `{"resource":"secrets"}`, "")
	var events [][]byte
	for range 30 {
		events = append(events, lease, read, status)
	}
	for range 9 {
		events = append(events, deploy)
	}
	return append(events, attack)
}

// BenchmarkDetect decodes events and runs the shipped rules on them; beside it
// stands what decoding alone costs. The figures are for one core: run it with -cpu 1.
// They divide by processor time, so that what else runs on the machine counts less.
func BenchmarkDetect(b *testing.B) {
	engine := shippedEngine(b, func(_, rule string, err error) { b.Errorf("%s: %v", rule, err) })
	events := traffic()
	b.Run("decode", func(b *testing.B) {
		run(b, events, func(map[string]any) {})
	})
	b.Run("decode and detect", func(b *testing.B) {
		found := 0
		run(b, events, func(raw map[string]any) { found += len(engine.Detect("soc", raw)) })
		if want := b.N / len(events); found != want {
			b.Errorf("%d alerts, want %d", found, want)
		}
	})
}

func run(b *testing.B, events [][]byte, use func(raw map[string]any)) {
	b.ReportAllocs()
	begin := processorTime(b)
	for i := 0; b.Loop(); i++ {
		var raw map[string]any
		if err := json.Unmarshal(events[i%len(events)], &raw); err != nil {
			b.Fatal(err)
		}
		use(raw)
	}
	b.ReportMetric(float64(b.N)/(processorTime(b)-begin).Seconds(), "events/s")
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
