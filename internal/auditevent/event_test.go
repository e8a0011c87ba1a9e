package auditevent

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var raw map[string]any
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestDryRun(t *testing.T) {
	tests := map[string]struct {
		event string
		want  bool
	}{
		"create":           {`{"verb":"create","requestURI":"/api/v1/namespaces/a/pods?dryRun=All&x=y","objectRef":{"resource":"pods"}}`, true},
		"scale":            {`{"verb":"patch","requestURI":"/x?dryRun=All","objectRef":{"resource":"deployments","subresource":"scale"}}`, true},
		"body of a delete": {`{"verb":"delete","requestURI":"/x","objectRef":{"resource":"pods"},"requestObject":{"kind":"DeleteOptions","dryRun":["All"]}}`, true},
		"a delete goes by its body, whatever its query says": {`{"verb":"delete","requestURI":"/x?dryRun=All","objectRef":{"resource":"pods"},"requestObject":{"kind":"DeleteOptions"}}`, false},
		"a delete whose body is not shown":                   {`{"level":"Metadata","verb":"deletecollection","requestURI":"/x?dryRun=All","objectRef":{"resource":"pods"}}`, false},
		"body of something else":                             {`{"verb":"create","requestURI":"/x","objectRef":{"resource":"foos"},"requestObject":{"kind":"Foo","dryRun":["All"]}}`, false},
		"another parameter":                                  {`{"verb":"create","requestURI":"/x?fieldManager=dryRun=All","objectRef":{"resource":"pods"}}`, false},
		"reading is never dry":                               {`{"verb":"list","requestURI":"/api/v1/secrets?dryRun=All","objectRef":{"resource":"secrets"}}`, false},
		"exec is never dry":                                  {`{"verb":"create","requestURI":"/x/exec?dryRun=All","objectRef":{"resource":"pods","subresource":"exec"}}`, false},
		"tokens are never dry":                               {`{"verb":"create","requestURI":"/x/token?dryRun=All","objectRef":{"resource":"serviceaccounts","subresource":"token"}}`, false},
		"a query that cannot parse":                          {`{"verb":"create","requestURI":"/x?dryRun=All&%zz","objectRef":{"resource":"pods"}}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Read(decode(t, test.event)).DryRun; got != test.want {
				t.Errorf("DryRun is %v, want %v", got, test.want)
			}
		})
	}
}

func TestByControlPlane(t *testing.T) {
	tests := map[string]struct {
		event string
		want  bool
	}{
		"the API server":                     {`{"user":{"username":"system:apiserver"}}`, true},
		"a kubelet":                          {`{"user":{"username":"system:node:n1"}}`, true},
		"a controller":                       {`{"user":{"username":"system:serviceaccount:kube-system:job-controller"}}`, true},
		"an account beside the controllers":  {`{"user":{"username":"system:serviceaccount:kube-system:kube-controller"}}`, false},
		"a controller's token in a pod":      {`{"user":{"username":"system:serviceaccount:kube-system:job-controller","extra":{"authentication.kubernetes.io/pod-name":["x"]}}}`, false},
		"a workload of kube-system":          {`{"user":{"username":"system:serviceaccount:kube-system:coredns","extra":{"authentication.kubernetes.io/pod-name":["coredns-0"]}}}`, false},
		"a namespace that begins like it":    {`{"user":{"username":"system:serviceaccount:kube-system-2:x"}}`, false},
		"somebody who acts as the scheduler": {`{"user":{"username":"alice"},"impersonatedUser":{"username":"system:kube-scheduler"}}`, false},
		"a component that acts as somebody":  {`{"user":{"username":"system:kube-controller-manager"},"impersonatedUser":{"username":"alice"}}`, false},
		"a person":                           {`{"user":{"username":"alice","groups":["system:masters"]}}`, false},
		"nobody":                             {`{}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Read(decode(t, test.event)).ByControlPlane(); got != test.want {
				t.Errorf("ByControlPlane is %v, want %v", got, test.want)
			}
		})
	}
}

func TestEntities(t *testing.T) {
	tests := map[string]struct {
		event string
		want  []string
	}{
		"a person and a pod": {
			`{"user":{"username":"alice"},"objectRef":{"resource":"pods","subresource":"exec","namespace":"shop","name":"web-0"},"sourceIPs":["192.0.2.1"]}`,
			[]string{"Actor User:alice", "Target Pod:shop/web-0", "Related Namespace:shop", "Related IP:192.0.2.1"},
		},
		"only the address that connected, not those that are claimed": {
			`{"user":{"username":"alice"},"sourceIPs":["1.1.1.1","2.2.2.2","192.0.2.1"]}`,
			[]string{"Actor User:alice", "Related IP:192.0.2.1"},
		},
		"a ServiceAccount, its pod and node": {
			`{"user":{"username":"system:serviceaccount:shop:web","extra":{"authentication.kubernetes.io/pod-name":["web-0"],"authentication.kubernetes.io/node-name":["n1"]}}}`,
			[]string{"Actor ServiceAccount:shop/web", "Actor Pod:shop/web-0", "Related Node:n1"},
		},
		"extra of other users proves no pod": {
			`{"user":{"username":"alice","extra":{"authentication.kubernetes.io/pod-name":["web-0"]}}}`,
			[]string{"Actor User:alice"},
		},
		"extra of an impersonated user proves nothing": {
			`{"user":{"username":"alice"},"impersonatedUser":{"username":"system:serviceaccount:shop:web","extra":{"authentication.kubernetes.io/pod-name":["web-0"]}}}`,
			[]string{"Actor User:alice", "Actor ServiceAccount:shop/web"},
		},
		"anonymous": {`{"user":{"username":"system:anonymous"}}`, []string{"Actor User:system:anonymous"}},
		"a name that only looks like a ServiceAccount": {
			`{"user":{"username":"system:serviceaccount:a:b:c"}}`, []string{"Actor User:system:serviceaccount:a:b:c"},
		},
		"a list has no target": {`{"objectRef":{"resource":"secrets","namespace":"shop"}}`, []string{"Related Namespace:shop"}},
		"a namespace is one entity": {
			`{"objectRef":{"resource":"namespaces","namespace":"shop","name":"shop"}}`, []string{"Target Namespace:shop"},
		},
		"a workload":            {`{"objectRef":{"resource":"deployments","apiGroup":"apps","namespace":"shop","name":"web"}}`, []string{"Target Workload:Deployment/shop/web", "Related Namespace:shop"}},
		"a namesake of another": {`{"objectRef":{"resource":"deployments","apiGroup":"example.com","namespace":"shop","name":"web"}}`, []string{"Target KubernetesObject:deployments.example.com/shop/web", "Related Namespace:shop"}},
		"cluster scope":         {`{"objectRef":{"resource":"clusterrolebindings","apiGroup":"rbac.authorization.k8s.io","name":"x"}}`, []string{"Target KubernetesObject:clusterrolebindings.rbac.authorization.k8s.io/x"}},
		"core group":            {`{"objectRef":{"resource":"secrets","namespace":"shop","name":"x"}}`, []string{"Target KubernetesObject:secrets/shop/x", "Related Namespace:shop"}},
		"a name that the API server made": {
			`{"verb":"create","objectRef":{"resource":"pods","namespace":"shop"},"requestObject":{"metadata":{"generateName":"web-"}},"responseObject":{"kind":"Pod","metadata":{"name":"web-x1"}}}`,
			[]string{"Target Pod:shop/web-x1", "Related Namespace:shop"},
		},
		"a refusal names nothing": {
			`{"verb":"create","objectRef":{"resource":"pods","namespace":"shop"},"responseObject":{"kind":"Status","metadata":{"name":"no"}}}`,
			[]string{"Related Namespace:shop"},
		},
		"a token is about its ServiceAccount, which may be the actor": {
			`{"verb":"create","user":{"username":"system:serviceaccount:shop:web"},"objectRef":{"resource":"serviceaccounts","subresource":"token","namespace":"shop","name":"web"}}`,
			[]string{"Actor ServiceAccount:shop/web", "Related Namespace:shop"},
		},
		"nothing has its type": {`{"user":[],"objectRef":"x","sourceIPs":{},"impersonatedUser":1}`, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range Read(decode(t, test.event)).Entities() {
				got = append(got, string(e.Role)+" "+e.Key())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("entities (-want +got):\n%s", diff)
			}
		})
	}
}

func TestViewFindsWhatIsAskedFor(t *testing.T) {
	const stored = `{"kind":"Deployment","spec":{"template":{"spec":{"containers":[{"name":"old"}]}}}}`
	tests := map[string]struct {
		event      string
		containers []any
		patch      []any
	}{
		"pod": {
			`{"verb":"create","objectRef":{"resource":"pods"},"requestObject":{"spec":{"containers":[{"name":"a"}],"initContainers":[{"name":"b"},"junk"],"ephemeralContainers":[{"name":"c"}]}}}`,
			[]any{map[string]any{"name": "a"}, map[string]any{"name": "b"}, map[string]any{"name": "c"}}, []any{},
		},
		"merge patch": {
			`{"verb":"patch","objectRef":{"resource":"deployments"},"requestObject":{"spec":{"template":{"spec":{"containers":[{"name":"new"}]}}}},"responseObject":` + stored + `}`,
			[]any{map[string]any{"name": "new"}}, []any{},
		},
		"patch of something else": {
			`{"verb":"patch","objectRef":{"resource":"deployments"},"requestObject":{"metadata":{}},"responseObject":` + stored + `}`, []any{}, []any{},
		},
		"JSON patch of something else": {
			`{"verb":"patch","objectRef":{"resource":"deployments"},"requestObject":[{"op":"test"}],"responseObject":` + stored + `}`,
			[]any{}, []any{map[string]any{"op": "test"}},
		},
		"JSON patch that moves what was there": {
			`{"verb":"patch","objectRef":{"resource":"deployments"},"requestObject":[{"op":"move","from":"/metadata/x","path":"/spec/y"}],"responseObject":` + stored + `}`,
			[]any{map[string]any{"name": "old"}}, []any{map[string]any{"op": "move", "from": "/metadata/x", "path": "/spec/y"}},
		},
		"the answer to a refused JSON patch is no object": {
			`{"verb":"patch","objectRef":{"resource":"pods"},"requestObject":[],"responseObject":{"kind":"Status","spec":{"containers":[{"name":"x"}]}}}`, []any{}, []any{},
		},
		"a Service has no pod": {`{"verb":"create","objectRef":{"resource":"services"},"requestObject":{"spec":{"containers":[{"name":"x"}]}}}`, []any{}, []any{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			raw := decode(t, test.event)
			v := NewView(raw, Read(raw)).All()
			if diff := cmp.Diff(map[string]any{"containers": test.containers, "requestPatch": test.patch},
				map[string]any{"containers": v["containers"], "requestPatch": v["requestPatch"]}); diff != "" {
				t.Errorf("view (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadOldEvents(t *testing.T) {
	e := Read(decode(t, `{"apiVersion":"audit.k8s.io/v1beta1","timestamp":"2018-10-25T13:58:49Z","stage":"ResponseComplete"}`))
	if want := time.Date(2018, 10, 25, 13, 58, 49, 0, time.UTC); !e.Time.Equal(want) {
		t.Errorf("time is %s, want %s", e.Time, want)
	}
}

func TestBoundedKeepsTextsApart(t *testing.T) {
	long := strings.Repeat("é", 400)
	a, b := Bounded(long+"a", 512), Bounded(long+"b", 512)
	if a == b || len(a) > 512 || !strings.HasPrefix(a, "é") || strings.ContainsRune(a, '\uFFFD') {
		t.Errorf("%q and %q", a, b)
	}
	if got := Bounded("short", 512); got != "short" {
		t.Errorf("got %q", got)
	}
}

func patched(operations []any) map[string]any {
	set, _ := asObject(operations)
	return set
}

func TestJSONPatchSaysWhatItSets(t *testing.T) {
	tests := map[string]struct{ patch, want string }{
		"a field of a container": {
			`[{"op":"test","path":"/spec/x","value":1},{"op":"add","path":"/spec/containers/0/securityContext","value":{"privileged":true}}]`,
			`{"spec":{"containers":[{"securityContext":{"privileged":true}}]}}`,
		},
		"several fields of several items": {
			`[{"op":"replace","path":"/a/0/x","value":1},{"op":"replace","path":"/a/0/y","value":2},{"op":"add","path":"/a/-","value":{"z":3}},{"op":"add","path":"/a/-","value":{"z":4}}]`,
			`{"a":[{"z":3},{"z":4},{"x":1,"y":2}]}`,
		},
		"a list, then a field of its item": {
			`[{"op":"add","path":"/a","value":[{"x":1}]},{"op":"add","path":"/a/0/y","value":2}]`, `{"a":[{"x":1,"y":2}]}`,
		},
		"the whole object": {`[{"op":"replace","path":"","value":{"a":1}},{"op":"add","path":"/b","value":2}]`, `{"a":1,"b":2}`},
		"escapes":          {`[{"op":"add","path":"/labels/a.b~1c~0d","value":"x"}]`, `{"labels":{"a.b/c~d":"x"}}`},
		"nothing is set":   {`[{"op":"remove","path":"/a"},{"op":"move","from":"/a","path":"/b"},"junk",{"op":"add"},{"op":"add","path":"x"}]`, `{}`},
		"moved from where it was hidden": {
			`[{"op":"add","path":"/x","value":{"c":{"privileged":true}}},{"op":"move","from":"/x/c","path":"/spec/containers/0/securityContext"}]`,
			`{"x":{"c":{"privileged":true}},"spec":{"containers":[{"securityContext":{"privileged":true}}]}}`,
		},
		"copied in pieces": {
			`[{"op":"add","path":"/x/a/p","value":true},{"op":"copy","from":"/x/a","path":"/b"},{"op":"add","path":"/b/q","value":1},{"op":"copy","from":"/b","path":"/b/c"}]`,
			`{"x":{"a":{"p":true}},"b":{"p":true,"q":1,"c":{"p":true,"q":1}}}`,
		},
		"deeper than sense": {`[{"op":"add","path":"` + strings.Repeat("/a", 1000) + `","value":1}]`, `{}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			raw := decode(t, `{"p":`+test.patch+`}`)
			if diff := cmp.Diff(decode(t, test.want), patched(list(raw, "p"))); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(decode(t, `{"p":`+test.patch+`}`), raw); diff != "" {
				t.Errorf("the patch was changed:\n%s", diff)
			}
		})
	}
}

func TestCommand(t *testing.T) {
	tests := map[string]struct{ resource, subresource, uri, want string }{
		"of a session":        {"pods", "exec", "/api/v1/namespaces/shop/pods/web-0/exec?command=sh&command=-c&command=id%3B+ls&stdin=true", "sh -c id; ls"},
		"none":                {"pods", "attach", "/api/v1/namespaces/shop/pods/web-0/attach?stdin=true", ""},
		"of something else":   {"services", "proxy", "/api/v1/namespaces/shop/services/web/proxy?command=sh", ""},
		"that cannot be read": {"pods", "exec", "/exec?command=%zz", ""},
		"in no address":       {"pods", "exec", "%zz?command=sh", "%zz?command=sh"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e := Event{URI: tt.uri}
			e.Object.Resource, e.Object.Subresource = tt.resource, tt.subresource
			if got := e.Attributes()["command"]; got != tt.want {
				t.Errorf("command %q, want %q", got, tt.want)
			}
		})
	}
}
