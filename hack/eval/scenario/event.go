package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// Source of an observation: the name of the AlertSource that its sensor posts to.
const (
	SourceAudit = "kubernetes-audit"
	SourceFalco = "falco"
)

// Body is what the sensor sends of an observation at a time, and to which source.
func (o Observation) Body(id string, at time.Time) (source string, body []byte, err error) {
	source, event := SourceFalco, filledFalco(o.Falco, at)
	if o.Audit != nil {
		source = SourceAudit
		event = map[string]any{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": []any{filledAudit(o.Audit, id, at)}}
	}
	body, err = json.Marshal(event)
	return source, bytes.ReplaceAll(body, []byte(loneSurrogate), []byte(`\ud800`)), err
}

// filledAudit fills in what every event of an API server has.
func filledAudit(given map[string]any, id string, at time.Time) map[string]any {
	stamp := at.UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	e := map[string]any{
		"kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": id, "stage": "ResponseComplete",
		"sourceIPs": []any{"10.0.0.10"}, "userAgent": "kubectl/v1.37.2 (linux/amd64) kubernetes/0000000",
		"requestReceivedTimestamp": stamp, "stageTimestamp": stamp,
		"responseStatus": map[string]any{"metadata": map[string]any{}, "code": 200},
	}
	if given["requestObject"] != nil || given["responseObject"] != nil {
		e["level"] = "RequestResponse"
	}
	if given["verb"] == "create" {
		e["responseStatus"] = map[string]any{"metadata": map[string]any{}, "code": 201}
	}
	maps.Copy(e, given)
	if name, ok := given["user"].(string); ok {
		e["user"] = user(name)
	}
	if who, _ := e["user"].(map[string]any); given["userAgent"] == nil && strings.HasPrefix(fmt.Sprint(who["username"]), "system:node:") {
		e["userAgent"] = "kubelet/v1.37.2 (linux/amd64) kubernetes/0000000"
	}
	if ref, ok := e["objectRef"].(map[string]any); ok && ref["apiVersion"] == nil {
		ref = maps.Clone(ref)
		ref["apiVersion"] = "v1"
		e["objectRef"] = ref
	}
	return e
}

// user is written short as its name, and for a ServiceAccount with the pod that its
// token is bound to: "system:serviceaccount:shop:web@web-0".
func user(short string) map[string]any {
	name, groups := short, []any{"system:authenticated"}
	u := map[string]any{}
	parts := strings.Split(short, ":")
	switch {
	case short == "system:anonymous":
		groups = []any{"system:unauthenticated"}
	case strings.HasPrefix(short, "system:node:"):
		groups = []any{"system:nodes", "system:authenticated"}
	case len(parts) == 4 && parts[1] == "serviceaccount":
		pod, bound := "", false
		if name, pod, bound = strings.Cut(short, "@"); bound {
			u["extra"] = map[string]any{"authentication.kubernetes.io/pod-name": []any{pod}}
		}
		groups = []any{"system:serviceaccounts", "system:serviceaccounts:" + parts[2], "system:authenticated"}
	}
	u["username"], u["groups"] = name, groups
	return u
}

// filledFalco fills in what every event of Falco has.
func filledFalco(given map[string]any, at time.Time) map[string]any {
	e := map[string]any{
		"hostname": "node-1", "priority": "Notice", "source": "syscall", "tags": []any{}, "time": at.UTC().Format(time.RFC3339Nano),
		"output": fmt.Sprint(given["rule"]), "output_fields": map[string]any{},
	}
	maps.Copy(e, given)
	return e
}
