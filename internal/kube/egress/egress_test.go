package egress

import (
	"encoding/json"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

var web = Pod{
	Namespace: "shop", ServiceAccount: "web", Labels: map[string]string{"app": "web", "tier": "front"},
	NamespaceLabels: map[string]string{"kubernetes.io/metadata.name": "shop", "team": "store"},
}

// policies of a test, as YAML by how they are read.
type policies struct {
	kubernetes, cilium, calico []string
}

func (all policies) read(t *testing.T) (found []Policy) {
	t.Helper()
	keep := func(p Policy, selected bool, err error) {
		if err != nil {
			t.Error(err)
		}
		if selected {
			found = append(found, p)
		}
	}
	for _, text := range all.kubernetes {
		var spec networkingv1.NetworkPolicySpec
		if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
			t.Fatal(err)
		}
		keep(Kubernetes(web, spec))
	}
	for _, text := range all.cilium {
		keep(Cilium(web, object(t, text)))
	}
	for _, text := range all.calico {
		keep(Calico(web, object(t, text)))
	}
	return found
}

func object(t testing.TB, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestOutside(t *testing.T) {
	const (
		denyAll   = `{podSelector: {}, policyTypes: [Ingress, Egress]}`
		inside    = `{podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}`
		world     = `{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.169.254/32]}}]}]}`
		denyWorld = `spec: {endpointSelector: {}, egressDeny: [{toEntities: [world]}]}`
		toWorld   = `spec: {endpointSelector: {matchLabels: {"k8s:app": web}}, egress: [{toEntities: [world]}]}`
	)
	tests := map[string]struct {
		policies
		want Outside
		// wantSelected is how many policies select the pod.
		wantSelected int
	}{
		"no policy":                          {policies{}, Open, 0},
		"nothing is allowed":                 {policies{kubernetes: []string{denyAll}}, Closed, 1},
		"only ingress is restricted":         {policies{kubernetes: []string{`{podSelector: {}, policyTypes: [Ingress]}`}}, Open, 0},
		"another pod":                        {policies{kubernetes: []string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}`}}, Open, 0},
		"inside only":                        {policies{kubernetes: []string{inside}}, Closed, 1},
		"the world but what is private":      {policies{kubernetes: []string{denyAll, world}}, Open, 2},
		"a public address":                   {policies{kubernetes: []string{`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.7/32}}]}]}`}}, Limited, 1},
		"the world but a public net":         {policies{kubernetes: []string{`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [203.0.113.0/24]}}]}]}`}}, Limited, 1},
		"a block that is excepted whole":     {policies{kubernetes: []string{`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.0/24]}}]}]}`}}, Closed, 1},
		"everything on one port":             {policies{kubernetes: []string{`{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}]}`}}, Limited, 1},
		"everything by TCP":                  {policies{kubernetes: []string{`{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{protocol: TCP}]}]}`}}, Open, 1},
		"everything by UDP":                  {policies{kubernetes: []string{`{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{protocol: UDP}]}]}`}}, Limited, 1},
		"Cilium: an empty rule":              {policies{cilium: []string{`spec: {endpointSelector: {}, egress: [{}]}`}}, Closed, 1},
		"Cilium: no rule":                    {policies{cilium: []string{`spec: {endpointSelector: {}, egress: []}`}}, Open, 0},
		"Cilium: the world":                  {policies{kubernetes: []string{denyAll}, cilium: []string{toWorld}}, Open, 2},
		"Cilium: names":                      {policies{cilium: []string{`spec: {endpointSelector: {}, egress: [{toFQDNs: [{matchName: example.com}]}]}`}}, Limited, 1},
		"Cilium: ports alone":                {policies{cilium: []string{`spec: {endpointSelector: {}, egress: [{toPorts: [{ports: [{port: "443"}]}]}]}`}}, Limited, 1},
		"Cilium: endpoints, on ports":        {policies{cilium: []string{`spec: {endpointSelector: {}, egress: [{toEndpoints: [{}], toPorts: [{ports: [{port: "53"}]}]}]}`}}, Closed, 1},
		"Cilium: a block but":                {policies{cilium: []string{`spec: {endpointSelector: {}, egress: [{toCIDRSet: [{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}]}]}`}}, Open, 1},
		"Cilium: a denial wins":              {policies{cilium: []string{toWorld, denyWorld}}, Closed, 2},
		"Cilium: a denial without a default": {policies{cilium: []string{`spec: {endpointSelector: {}, enableDefaultDeny: {egress: false}, egressDeny: [{toCIDR: [203.0.113.0/24]}]}`}}, Limited, 1},
		"Cilium: several, by namespace": {policies{cilium: []string{`specs: [{endpointSelector: {matchLabels: {"k8s:io.kubernetes.pod.namespace": shop}}, egress: [{}]},
			{endpointSelector: {matchExpressions: [{key: "k8s:io.cilium.k8s.namespace.labels.team", operator: In, values: [store]}]}, egress: [{toCIDR: [203.0.113.9]}]}]`}}, Limited, 1},
		"Cilium: nodes":                    {policies{cilium: []string{`spec: {nodeSelector: {}, egress: [{}]}`}}, Open, 0},
		"Cilium: what is no pod":           {policies{cilium: []string{`spec: {endpointSelector: {matchLabels: {"reserved:host": ""}}, egress: [{}]}`}}, Open, 0},
		"Calico: denied":                   {policies{calico: []string{`spec: {selector: all(), types: [Egress]}`}}, Closed, 1},
		"Calico: types by its rules":       {policies{calico: []string{`spec: {selector: "app == 'web'", egress: [{action: Allow}]}`}}, Open, 1},
		"Calico: ingress only":             {policies{calico: []string{`spec: {selector: all(), ingress: [{action: Allow}]}`}}, Open, 0},
		"Calico: by order":                 {policies{calico: []string{`spec: {order: 20, types: [Egress], egress: [{action: Allow}]}`, `spec: {order: 10, types: [Egress], egress: [{action: Deny}]}`}}, Closed, 2},
		"Calico: after an allowance":       {policies{calico: []string{`spec: {order: 20, types: [Egress], egress: [{action: Deny}]}`, `spec: {order: 10, types: [Egress], egress: [{action: Log}, {action: Allow, protocol: TCP}]}`}}, Open, 2},
		"Calico: before Kubernetes":        {policies{kubernetes: []string{world}, calico: []string{`spec: {order: 10, types: [Egress], egress: [{action: Deny, destination: {notNets: [10.0.0.0/8]}}]}`}}, Closed, 2},
		"Calico: after Kubernetes":         {policies{kubernetes: []string{world}, calico: []string{`spec: {types: [Egress], egress: [{action: Deny}]}`}}, Open, 2},
		"Calico: by a port":                {policies{calico: []string{`spec: {types: [Egress], egress: [{action: Allow, protocol: TCP, destination: {ports: [443]}}]}`}}, Limited, 1},
		"Calico: pods":                     {policies{calico: []string{`spec: {types: [Egress], egress: [{action: Allow, destination: {selector: app == "db"}}]}`}}, Closed, 1},
		"Calico: another tier":             {policies{calico: []string{`spec: {tier: platform, types: [Egress], egress: [{action: Allow}]}`}}, Unknown, 1},
		"Calico: passed on":                {policies{calico: []string{`spec: {types: [Egress], egress: [{action: Pass}]}`}}, Unknown, 1},
		"Calico: a namespace of that team": {policies{calico: []string{`spec: {namespaceSelector: "team == 'store'", types: [Egress]}`}}, Closed, 1},
		"Calico: another namespace":        {policies{calico: []string{`spec: {namespaceSelector: "projectcalico.org/name == 'till'", types: [Egress]}`}}, Open, 0},
		// The same words of both selectors are about different things.
		"Calico: a pod of a name, in a namespace of that name": {policies{calico: []string{`spec: {selector: "app == 'web'", namespaceSelector: "app == 'web'", types: [Egress]}`}}, Open, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			found := test.read(t)
			if got := Evaluate(found); got != test.want || len(found) != test.wantSelected {
				t.Errorf("%s by %d policies, want %s by %d", got, len(found), test.want, test.wantSelected)
			}
		})
	}
}

func TestSelectors(t *testing.T) {
	tests := map[string]struct {
		selector string
		want     bool
		wantErr  bool
	}{
		"empty":                   {"", true, false},
		"all":                     {"all()", true, false},
		"global":                  {"global()", false, false},
		"a value":                 {`app == "web"`, true, false},
		"another value":           {`app == 'db'`, false, false},
		"not a value it lacks":    {`zone != "a"`, true, false},
		"a set":                   {`app in {"web", 'db'}`, true, false},
		"an empty set":            {`app in {}`, false, false},
		"none of a set":           {`app not in {"web"}`, false, false},
		"none of what it lacks":   {`zone not in {"a"}`, true, false},
		"has":                     {"has(tier)", true, false},
		"has not":                 {"!has(zone)", true, false},
		"a part":                  {`tier contains "ron"`, true, false},
		"a start and an end":      {`tier starts with "fr" && tier ends with "nt"`, true, false},
		"and binds closer":        {`app == "web" || app == "db" && app == "x"`, true, false},
		"in parentheses":          {`(app == "web" || app == "db") && app == "x"`, false, false},
		"nested":                  {`!(!(!(has(zone))))`, true, false},
		"a label that is missing": {`zone == ""`, false, false},
		"no value":                {"app == web", false, true},
		"half of it":              {"app ==", false, true},
		"too much":                {"all() all()", false, true},
		"no such function":        {"any()", false, true},
		"no such sign":            {"app = 'web'", false, true},
		"left open":               {"(all()", false, true},
		"a set left open":         {`app in {"web"`, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := selects(test.selector, web.Labels)
			if got != test.want || (err != nil) != test.wantErr {
				t.Errorf("%q: got %v, %v", test.selector, got, err)
			}
		})
	}
}

// Whatever somebody writes as a policy is read, or is an error.
func FuzzPolicies(f *testing.F) {
	for _, seed := range []string{
		`{"spec": {"endpointSelector": {}, "egress": [{"toCIDR": ["x"]}]}}`, `{"spec": {"selector": "((app == 'a'", "types": ["Egress"], "egress": [{"action": "Deny"}]}}`,
		`{"spec": 1}`, `{"spec": {"types": ["Egress"], "egress": [{"action": "Allow", "destination": {"nets": ["::/0", "10.0.0.0/33"]}}]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		var o map[string]any
		if json.Unmarshal([]byte(text), &o) != nil {
			return
		}
		var all []Policy
		for _, read := range []func(Pod, map[string]any) (Policy, bool, error){Cilium, Calico} {
			if p, selected, err := read(web, o); err == nil && selected {
				all = append(all, p)
			}
		}
		Evaluate(all)
	})
}
