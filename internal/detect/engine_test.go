package detect

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// mistakes collects what an engine reports; it is safe for concurrent use.
type mistakes struct {
	mu    sync.Mutex
	found []string
}

func (m *mistakes) add(namespace, rule string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.found = append(m.found, fmt.Sprintf("%s/%s: %v", namespace, rule, err))
}

func makeRule(t testing.TB, name string, edit func(*v1alpha1.DetectionRuleSpec)) *Rule {
	t.Helper()
	rule := &v1alpha1.DetectionRule{ObjectMeta: metav1.ObjectMeta{Name: name}}
	rule.Spec = v1alpha1.DetectionRuleSpec{When: "true", Title: name, Severity: v1alpha1.SeverityLow}
	edit(&rule.Spec)
	compiled, err := Compile(rule)
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func TestCompileNamesTheField(t *testing.T) {
	tests := map[string]struct {
		edit func(*v1alpha1.DetectionRuleSpec)
		want string
	}{
		"when does not parse":       {func(s *v1alpha1.DetectionRuleSpec) { s.When = "event." }, "spec.when: "},
		"when is no condition":      {func(s *v1alpha1.DetectionRuleSpec) { s.When = `"yes"` }, "spec.when: "},
		"when names a new variable": {func(s *v1alpha1.DetectionRuleSpec) { s.When = "alert.x" }, "spec.when: "},
		"title is not closed":       {func(s *v1alpha1.DetectionRuleSpec) { s.Title = "a ${event.verb" }, "spec.title: "},
		"format of something else":  {func(s *v1alpha1.DetectionRuleSpec) { s.Format = v1alpha1.FormatFalco }, "spec.format: "},
		"second entity": {func(s *v1alpha1.DetectionRuleSpec) {
			s.Entities = []v1alpha1.EntityMapping{{Type: "Pod", Value: "event.verb"}, {Type: "Pod", Value: "event.("}}
		}, "spec.entities[1].value: "},
		"third exception": {func(s *v1alpha1.DetectionRuleSpec) {
			s.Exceptions = []v1alpha1.DetectionException{{When: "true"}, {When: "false"}, {When: "1"}}
		}, "spec.exceptions[2].when: "},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rule := &v1alpha1.DetectionRule{Spec: v1alpha1.DetectionRuleSpec{When: "true", Title: "t"}}
			test.edit(&rule.Spec)
			_, err := Compile(rule)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error is %v, want it to begin with %q", err, test.want)
			}
		})
	}
}

const secretsListed = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a-1","stage":"ResponseComplete",
	"requestURI":"/api/v1/secrets","verb":"list","requestReceivedTimestamp":"2026-03-01T11:59:58.123456Z","userAgent":"curl/8.5.0",
	"user":{"username":"system:serviceaccount:shop:web","groups":["system:authenticated"],"extra":{
		"authentication.kubernetes.io/pod-name":["web-0"],"authentication.kubernetes.io/node-name":["node-1"]}},
	"sourceIPs":["203.0.113.9","10.244.1.17"],"objectRef":{"resource":"secrets","apiVersion":"v1"},"responseStatus":{"code":200}}`

func TestDetectDescribesTheAlert(t *testing.T) {
	var seen mistakes
	engine := NewEngine(func() time.Time { return noon }, seen.add)
	engine.Set("soc", "r", makeRule(t, "r", func(s *v1alpha1.DetectionRuleSpec) {
		s.Verbs, s.Resources = []string{"list"}, []string{"secrets"}
		s.Title = "${event.serviceAccount} ${event.verb}s\n${event.responseStatus.code}"
		s.Techniques = []v1alpha1.Technique{"T1552.007"}
		s.Entities = []v1alpha1.EntityMapping{
			{Type: v1alpha1.EntityGroup, Value: "event.user.groups"},
			{Type: v1alpha1.EntityIP, Value: `"10.244.1.17"`, Role: v1alpha1.RoleActor},
		}
	}))
	want := []v1alpha1.AlertSpec{{
		Rule: "r", Title: "shop/web lists 200", Severity: v1alpha1.SeverityLow, Techniques: []v1alpha1.Technique{"T1552.007"},
		Entities: []v1alpha1.Entity{
			{Type: v1alpha1.EntityServiceAccount, Value: "shop/web", Role: v1alpha1.RoleActor},
			{Type: v1alpha1.EntityPod, Value: "shop/web-0", Role: v1alpha1.RoleActor},
			{Type: v1alpha1.EntityNode, Value: "node-1", Role: v1alpha1.RoleRelated},
			{Type: v1alpha1.EntityIP, Value: "10.244.1.17", Role: v1alpha1.RoleRelated},
			{Type: v1alpha1.EntityGroup, Value: "system:authenticated", Role: v1alpha1.RoleRelated},
		},
		Attributes: map[string]string{
			"verb": "list", "resource": "secrets", "user": "system:serviceaccount:shop:web", "userAgent": "curl/8.5.0",
			"requestURI": "/api/v1/secrets", "auditID": "a-1", "level": "Metadata", "code": "200", "forwardedFor": "203.0.113.9",
		},
		FirstSeen: metav1.NewMicroTime(time.Date(2026, 3, 1, 11, 59, 58, 123456000, time.UTC)),
	}}
	raw := decode(t, secretsListed)
	found := engine.Detect("soc", raw)
	for i := range found {
		found[i].Fingerprint = ""
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("alert (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(decode(t, secretsListed), raw); diff != "" {
		t.Errorf("the event was changed:\n%s", diff)
	}
	if len(seen.found) > 0 {
		t.Errorf("errors: %v", seen.found)
	}
}

// What was done under a name that is taken already is told apart from what was done before.
func TestDetectTellsDeedsApart(t *testing.T) {
	engine := shippedEngine(t, func(_, rule string, err error) { t.Errorf("%s: %v", rule, err) })
	binding := `{"auditID":"1","stage":"ResponseComplete","verb":"create","user":{"username":"deployer"},"sourceIPs":["10.0.0.1"],"userAgent":"flux",
		"requestReceivedTimestamp":"2026-03-01T11:59:58Z","objectRef":{"apiGroup":"rbac.authorization.k8s.io","resource":"rolebindings","namespace":"catalog","name":"catalog-operator"},
		"responseStatus":{"code":201},"requestObject":{"kind":"RoleBinding","roleRef":{"kind":"ClusterRole","name":"cluster-admin"},
		"subjects":[{"kind":"ServiceAccount","name":"operator","namespace":"catalog"},{"kind":"User","name":"alice"}]}}`
	workload := `{"auditID":"1","stage":"ResponseComplete","verb":"patch","user":{"username":"deployer"},
		"objectRef":{"apiGroup":"apps","resource":"deployments","namespace":"shop","name":"web"},"responseStatus":{"code":200},
		"requestObject":{"spec":{"template":{"spec":{"hostNetwork":true}}}}}`
	tests := map[string]struct {
		event    string
		edits    []string
		wantSame bool
	}{
		"repeated": {binding, []string{`"1"`, `"2"`, "11:59", "12:09", "flux", "curl", "10.0.0.1", "10.0.0.2"}, true},
		"same, in another order": {binding, []string{
			`{"kind":"ServiceAccount","name":"operator","namespace":"catalog"},{"kind":"User","name":"alice"}`,
			`{"kind":"User","name":"alice"},{"kind":"ServiceAccount","name":"operator","namespace":"catalog"}`,
		}, true},
		"another subject":      {binding, []string{`"alice"`, `"mallory"`}, false},
		"the subject as actor": {binding, []string{`"alice"`, `"deployer"`}, false},
		"one subject more":     {binding, []string{`"alice"}`, `"alice"},{"kind":"Group","name":"ops"}`}, false},
		"another verb":         {binding, []string{`"create"`, `"update"`}, false},
		"another mount":        {workload, []string{`"hostNetwork":true`, `"hostNetwork":true,"volumes":[{"name":"x","hostPath":{"path":"/"}}]`}, false},
		"patched again":        {workload, []string{`"1"`, `"2"`}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			before := engine.Detect("soc", decode(t, tc.event))
			after := engine.Detect("soc", decode(t, strings.NewReplacer(tc.edits...).Replace(tc.event)))
			if len(before) != 1 || len(after) != 1 || before[0].Rule != after[0].Rule {
				t.Fatalf("%+v and %+v", before, after)
			}
			if (before[0].Fingerprint == after[0].Fingerprint) != tc.wantSame || before[0].Fingerprint == "" {
				t.Errorf("%s and %s", before[0].Fingerprint, after[0].Fingerprint)
			}
		})
	}
}

func TestDetectFindsRules(t *testing.T) {
	event := func(edits ...string) string {
		text := secretsListed
		for i := 0; i < len(edits); i += 2 {
			text = strings.Replace(text, edits[i], edits[i+1], 1)
		}
		return text
	}
	tests := map[string]struct {
		namespace string
		event     string
		edit      func(*v1alpha1.DetectionRuleSpec)
		want      int
		wantError string
	}{
		"everything":          {edit: func(*v1alpha1.DetectionRuleSpec) {}, want: 1},
		"verb":                {edit: func(s *v1alpha1.DetectionRuleSpec) { s.Verbs = []string{"get", "list"} }, want: 1},
		"other verb":          {edit: func(s *v1alpha1.DetectionRuleSpec) { s.Verbs = []string{"get"} }},
		"resource":            {edit: func(s *v1alpha1.DetectionRuleSpec) { s.Resources = []string{"secrets"} }, want: 1},
		"subresource is told": {edit: func(s *v1alpha1.DetectionRuleSpec) { s.Resources = []string{"secrets/x"} }},
		"another namespace":   {namespace: "other", edit: func(*v1alpha1.DetectionRuleSpec) {}},
		"not answered yet":    {event: event("ResponseComplete", "RequestReceived"), edit: func(*v1alpha1.DetectionRuleSpec) {}},
		"a watch that began":  {event: event("ResponseComplete", "ResponseStarted"), edit: func(*v1alpha1.DetectionRuleSpec) {}, want: 1},
		"a panic":             {event: event("ResponseComplete", "Panic"), edit: func(*v1alpha1.DetectionRuleSpec) {}, want: 1},
		"no objectRef":        {event: `{"stage":"ResponseComplete","verb":"get","requestURI":"/metrics"}`, edit: func(*v1alpha1.DetectionRuleSpec) {}, want: 1},
		"no objectRef, but a rule for a resource": {
			event: `{"stage":"ResponseComplete","verb":"get"}`,
			edit:  func(s *v1alpha1.DetectionRuleSpec) { s.Resources = []string{"secrets"} },
		},
		"fields that are missing are empty": {
			event: `{"stage":"ResponseComplete"}`,
			edit: func(s *v1alpha1.DetectionRuleSpec) {
				s.When = `event.verb == "" && event.user.username == "" && size(event.user.groups) == 0 && event.objectRef.resource == "" &&
					event.objectRef.subresource == "" && event.objectRef.namespace == "" && event.objectRef.name == "" && event.objectRef.apiGroup == "" &&
					event.responseStatus.code == 0 && size(event.requestObject) == 0 && size(event.sourceIPs) == 0 && event.userAgent == "" &&
					size(event.annotations) == 0 && !has(event.impersonatedUser) && !event.dryRun && !event.byControlPlane &&
					size(event.containers) == 0 && size(event.podSpec) == 0 && size(event.object) == 0 && size(event.requestPatch) == 0`
			},
			want: 1,
		},
		"a rule that errs does not match": {
			edit:      func(s *v1alpha1.DetectionRuleSpec) { s.When = "event.nosuch.field" },
			wantError: "soc/r: spec.when: ",
		},
		"an event too large to look at matches": {
			event: event(`"groups":["system:authenticated"]`, `"groups":[`+strings.Repeat(`"g",`, 2000)+`"h"]`),
			edit: func(s *v1alpha1.DetectionRuleSpec) {
				s.When = `event.user.groups.all(a, event.user.groups.all(b, a != "x" && b != "y"))`
			},
			want: 1, wantError: "soc/r: spec.when: ",
		},
		"a title that errs does not hide the match": {
			edit: func(s *v1alpha1.DetectionRuleSpec) { s.Title = "${event.nosuch}" }, want: 1, wantError: "soc/r: spec.title: ",
		},
		"an exception in force": {
			edit: func(s *v1alpha1.DetectionRuleSpec) {
				s.Exceptions = []v1alpha1.DetectionException{{When: `event.verb == "list"`, Expires: metav1.NewTime(noon.Add(time.Second))}}
			},
		},
		"an exception that expired": {
			edit: func(s *v1alpha1.DetectionRuleSpec) {
				s.Exceptions = []v1alpha1.DetectionException{{When: "true", Expires: metav1.NewTime(noon)}}
			},
			want: 1,
		},
		"an exception that errs leaves nothing out": {
			edit: func(s *v1alpha1.DetectionRuleSpec) {
				s.Exceptions = []v1alpha1.DetectionException{{When: "event.nosuch", Expires: metav1.NewTime(noon.Add(time.Hour))}}
			},
			want: 1, wantError: "soc/r: spec.exceptions[0].when: ",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var seen mistakes
			engine := NewEngine(func() time.Time { return noon }, seen.add)
			engine.Set("soc", "r", makeRule(t, "r", test.edit))
			if test.namespace == "" {
				test.namespace = "soc"
			}
			if test.event == "" {
				test.event = secretsListed
			}
			if got := len(engine.Detect(test.namespace, decode(t, test.event))); got != test.want {
				t.Errorf("%d alerts, want %d", got, test.want)
			}
			if got := strings.Join(seen.found, "\n"); !strings.HasPrefix(got, test.wantError) || (test.wantError == "") != (got == "") {
				t.Errorf("error is %q, want %q", got, test.wantError)
			}
		})
	}
}

func TestDetectOrdersAndForgets(t *testing.T) {
	engine := NewEngine(time.Now, func(string, string, error) {})
	for _, name := range []string{"c", "a", "b"} {
		engine.Set("soc", name, makeRule(t, name, func(s *v1alpha1.DetectionRuleSpec) {
			if name != "a" {
				s.Verbs = []string{"list"}
			}
		}))
	}
	engine.Delete("soc", "b")
	engine.Delete("other", "a")
	var got []string
	for _, spec := range engine.Detect("soc", decode(t, secretsListed)) {
		got = append(got, spec.Rule)
	}
	if diff := cmp.Diff([]string{"a", "c"}, got); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
}

func TestEngineIsSafeForConcurrentUse(t *testing.T) {
	engine := NewEngine(time.Now, func(string, string, error) {})
	rule := makeRule(t, "r", func(*v1alpha1.DetectionRuleSpec) {})
	raw := decode(t, secretsListed)
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for range 200 {
				engine.Set("soc", "r", rule)
				engine.Detect("soc", raw)
				engine.Delete("soc", "r")
			}
		})
	}
	work.Wait()
}

func TestRunTestsSaysWhatHappened(t *testing.T) {
	test := func(expect v1alpha1.DetectionExpectation, event string) v1alpha1.DetectionTest {
		d := v1alpha1.DetectionTest{Name: "it", Expect: expect}
		d.Event.Raw = []byte(event)
		return d
	}
	tests := map[string]struct {
		test v1alpha1.DetectionTest
		want string
	}{
		"as expected": {test(v1alpha1.ExpectMatch, `{"stage":"ResponseComplete","verb":"list"}`), ""},
		"no match":    {test(v1alpha1.ExpectMatch, `{"stage":"ResponseComplete","verb":"list","userAgent":"x"}`), "spec.tests[it]: expected Match, but spec.when is false"},
		"match":       {test(v1alpha1.ExpectNoMatch, `{"stage":"ResponseComplete","verb":"list"}`), "spec.tests[it]: expected NoMatch, but the rule matches"},
		"other verb":  {test(v1alpha1.ExpectMatch, `{"stage":"ResponseComplete","verb":"get"}`), `spec.tests[it]: expected Match, but the event's verb "get" is not in spec.verbs`},
		"no stage":    {test(v1alpha1.ExpectMatch, `{"verb":"list"}`), `spec.tests[it]: expected Match, but the event's stage is ""`},
		"no object":   {test(v1alpha1.ExpectMatch, `[]`), "spec.tests[it]: event: must be a JSON object"},
		"an expired exception still counts in tests": {
			test(v1alpha1.ExpectNoMatch, `{"stage":"ResponseComplete","verb":"list","requestURI":"/known"}`), "",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			rule := makeRule(t, "r", func(s *v1alpha1.DetectionRuleSpec) {
				s.Verbs = []string{"list"}
				s.When = `event.userAgent == ""`
				s.Exceptions = []v1alpha1.DetectionException{{When: `event.requestURI == "/known"`, Expires: metav1.NewTime(time.Unix(0, 0))}}
				s.Tests = []v1alpha1.DetectionTest{tc.test}
			})
			err := rule.RunTests()
			if (err == nil) != (tc.want == "") || err != nil && !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error is %v, want %q", err, tc.want)
			}
		})
	}
}

// shippedEngine has every shipped rule in force.
func shippedEngine(t testing.TB, onError func(namespace, rule string, err error)) *Engine {
	t.Helper()
	engine := NewEngine(func() time.Time { return noon }, onError)
	for _, rule := range loadShipped(t) {
		compiled, err := Compile(rule)
		if err != nil {
			t.Fatal(err)
		}
		engine.Set("soc", rule.Name, compiled)
	}
	return engine
}

// FuzzDetect feeds arbitrary JSON to the shipped rules: no panic, no change of the
// event, and no alert that the API server would refuse.
func FuzzDetect(f *testing.F) {
	f.Add([]byte(secretsListed))
	for _, rule := range loadShipped(f) {
		for _, test := range rule.Spec.Tests {
			f.Add(test.Event.Raw)
		}
	}
	f.Add([]byte(`{"stage":"ResponseComplete","user":"x","objectRef":[],"verb":1,"requestObject":[{}],"responseStatus":{"code":"200"},"sourceIPs":[1]}`))
	engine := shippedEngine(f, func(string, string, error) {})
	f.Fuzz(func(t *testing.T, data []byte) {
		var raw, before map[string]any
		if json.Unmarshal(data, &raw) != nil || json.Unmarshal(data, &before) != nil {
			return
		}
		for _, spec := range engine.Detect("soc", raw) {
			checkBounds(t, spec)
		}
		if diff := cmp.Diff(before, raw); diff != "" {
			t.Errorf("the event was changed:\n%s", diff)
		}
	})
}

func checkBounds(t *testing.T, spec v1alpha1.AlertSpec) {
	t.Helper()
	if spec.Title == "" || len(spec.Title) > 512 || strings.ContainsAny(spec.Title, "\n\r\x1b") {
		t.Errorf("title %q", spec.Title)
	}
	if len(spec.Entities) > 32 || len(spec.Attributes) > 48 {
		t.Errorf("%d entities, %d attributes", len(spec.Entities), len(spec.Attributes))
	}
	for _, e := range spec.Entities {
		if e.Value == "" || len(e.Value) > 512 || e.Type == "" || e.Role == "" {
			t.Errorf("entity %+v", e)
		}
	}
	for name, value := range spec.Attributes {
		if len(name) > 64 || len(value) > 1024 {
			t.Errorf("attribute %s has %d bytes", name, len(value))
		}
	}
}
