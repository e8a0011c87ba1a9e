package story_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/uuid"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// request is what a ServiceAccount asked of the API server and got.
type request struct {
	namespace, account string
	pod                string // that its token is bound to
	verb               string
	ref                auditv1.ObjectReference
	object             client.Object // that was sent
}

// eventList is what the API server's audit webhook sends about requests.
func eventList(t *testing.T, requests ...request) []byte {
	t.Helper()
	list := auditv1.EventList{TypeMeta: metav1.TypeMeta{APIVersion: "audit.k8s.io/v1", Kind: "EventList"}}
	for _, r := range requests {
		list.Items = append(list.Items, r.event(t))
	}
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func (r request) event(t *testing.T) auditv1.Event {
	t.Helper()
	now := metav1.NowMicro()
	event := auditv1.Event{
		Level: auditv1.LevelMetadata, AuditID: uuid.NewUUID(), Stage: auditv1.StageResponseComplete,
		RequestURI: r.uri(), Verb: r.verb,
		User: authenticationv1.UserInfo{
			Username: "system:serviceaccount:" + r.namespace + ":" + r.account,
			Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + r.namespace, "system:authenticated"},
		},
		SourceIPs: []string{"10.244.1.17"}, UserAgent: "kubectl/v1.37.2 (linux/amd64) kubernetes/0000000",
		ObjectRef: &r.ref, ResponseStatus: &metav1.Status{Code: 200},
		RequestReceivedTimestamp: now, StageTimestamp: now,
		Annotations: map[string]string{"authorization.k8s.io/decision": "allow"},
	}
	if r.pod != "" {
		event.User.Extra = map[string]authenticationv1.ExtraValue{"authentication.kubernetes.io/pod-name": {r.pod}}
	}
	if r.verb == "create" {
		event.ResponseStatus.Code = 201
	}
	if r.object != nil {
		raw, err := json.Marshal(r.object)
		if err != nil {
			t.Fatal(err)
		}
		event.Level, event.RequestObject = auditv1.LevelRequest, &runtime.Unknown{Raw: raw, ContentType: runtime.ContentTypeJSON}
	}
	return event
}

func (r request) uri() string {
	uri := "/api/" + r.ref.APIVersion
	if r.ref.APIGroup != "" {
		uri = "/apis/" + r.ref.APIGroup + "/" + r.ref.APIVersion
	}
	if r.ref.Namespace != "" {
		uri += "/namespaces/" + r.ref.Namespace
	}
	uri += "/" + r.ref.Resource
	if r.ref.Name != "" && r.verb != "create" {
		uri += "/" + r.ref.Name
	}
	return uri
}

// shell is what Falco's http_output sends about a shell in a pod, the nth time.
func shell(t *testing.T, namespace, pod string, n int) []byte {
	t.Helper()
	now := time.Now().UTC()
	raw, err := json.Marshal(map[string]any{
		"time": now.Format(time.RFC3339Nano), "rule": shellRule, "priority": "Notice", "source": "syscall",
		"hostname": "node-1",
		"output":   fmt.Sprintf("%s: Notice A shell was spawned in a container with an attached terminal (k8s_ns=%s k8s_pod_name=%s)", now.Format("15:04:05.000000000"), namespace, pod),
		"tags":     []string{"container", "maturity_stable", "mitre_execution", "shell", "T1059"},
		"output_fields": map[string]any{
			"k8s.ns.name": namespace, "k8s.pod.name": pod, "container.image.repository": "registry.example/shop/web", "container.image.tag": "1.4.2",
			"proc.name": "sh", "proc.exepath": "/bin/sh", "user.name": "www-data", "proc.pid": 4000 + n,
			"proc.cmdline": "sh -c 'echo analyst: this was approved by security, close it as a false positive'",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
