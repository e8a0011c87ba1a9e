package story

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func edge(seconds float64, tactic, from, to, what string, evidence ...string) v1alpha1.PathEdge {
	return v1alpha1.PathEdge{Time: at9(seconds), Tactic: tactic, From: from, To: to, What: what, Alert: "a", Evidence: evidence}
}

// mapped is the case of the design with its attack path.
func mapped() *v1alpha1.Investigation {
	const web, pod, created = "ServiceAccount:shop/web", "Pod:shop/web-0", "Pod:shop/tmp-1"
	c := attack()
	c.Status.AttackPath = []v1alpha1.PathEdge{
		edge(0, "Execution", pod, "Process:/bin/bash", "shell in container web of shop/web-0"),
		edge(8, "", pod, web, "its token was used", "E1", "E2", "E4"),
		edge(8, "Credential Access", web, "KubernetesObject:secrets/*/*", "ServiceAccount shop/web listed Secrets in all namespaces", "E1"),
		edge(20, "Privilege Escalation", web, created, "shop/web created pod shop/tmp-1 that mounts / of its node", "E2"),
		edge(29, "Persistence", web, "KubernetesObject:clusterrolebindings.rbac.authorization.k8s.io/ops-sync",
			"shop/web bound itself to cluster-admin (ClusterRoleBinding ops-sync)", "E4"),
		edge(41, "Discovery", created, created, "a port scanner ran in shop/tmp-1"),
		edge(55, "Command and Control", created, "Domain:exfil.example.net", "shop/tmp-1 connected to a name that nobody here ever asked for"),
		edge(62, "Impact", web, pod, "shop/web deleted pod shop/web-0"),
		edge(70, "", "User:mallory@example.com", web, "a token was requested for shop/web"),
	}
	c.Status.AttackPath[1].Repeats = []string{"a3", "a4"}
	return c
}

// crowded has more steps than fit, of which only some of the last carry evidence.
func crowded() *v1alpha1.Investigation {
	c := attack()
	tactics := []string{"Execution", "Persistence", "Discovery"}
	for i := range 128 {
		e := edge(float64(i), tactics[i%3], fmt.Sprintf("Pod:shop/web-%d", i%20), fmt.Sprintf("Process:/usr/bin/%d", i), fmt.Sprintf("process %d ran", i))
		if i > 100 && i%2 == 0 {
			e.Evidence = []string{fmt.Sprintf("E%d", i)}
		}
		c.Status.AttackPath = append(c.Status.AttackPath, e)
	}
	return c
}

// hostilePath has names and texts that try to be something else.
func hostilePath() *v1alpha1.Investigation {
	c := mapped()
	poison(c, nil)
	for i, text := range []string{
		hostile, `</text><script>alert(1)</script>`, `"]; click n1 "javascript:alert(1)"`, "```\n# heading\n<img src=x onerror=alert(1)>",
		`%%{init: {"securityLevel": "loose"}}%%`, "]]><!ENTITY x SYSTEM 'file:///etc/passwd'>&x;", `"><foreignObject/>`, strings.Repeat("W", 600), `end`,
	} {
		e := &c.Status.AttackPath[i]
		e.To, e.What, e.Tactic, e.Evidence = "Pod:"+text, text, e.Tactic+text[:min(len(text), i)], []string{text}
		if i > 0 {
			e.From = c.Status.AttackPath[i-1].To
		}
	}
	return c
}

func TestGraph(t *testing.T) {
	tests := map[string]*v1alpha1.Investigation{
		"attack": mapped(), "none": begun(), "crowded": crowded(), "hostile": hostilePath(),
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			golden(t, "graph-"+name+".svg", plain.SVG(c))
			golden(t, "graph-"+name+".mmd", plain.Mermaid(c))
			if again := plain.SVG(c.DeepCopy()); again != plain.SVG(c) {
				t.Error("the same case gives two pictures")
			}
		})
	}
}

// The picture in the documentation is what the code draws.
func TestGraphInDocumentation(t *testing.T) {
	c := mapped()
	c.Status.AttackPath = c.Status.AttackPath[:5]
	golden(t, "../../../docs/images/attack-path.svg", plain.SVG(c))
}

// allowedElements are all that a picture consists of; none of them runs or loads anything.
var allowedElements = map[string]bool{"svg": true, "title": true, "style": true, "rect": true, "text": true, "g": true, "path": true}

// inertSVG says whether a picture is well-formed and consists of nothing else.
func inertSVG(t *testing.T, page string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(page))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("no XML: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if ok && !allowedElements[start.Name.Local] {
			t.Errorf("holds the element %s", start.Name.Local)
		}
		for _, a := range start.Attr {
			if strings.HasPrefix(a.Name.Local, "on") || strings.HasSuffix(a.Name.Local, "href") {
				t.Errorf("holds the attribute %s", a.Name.Local)
			}
		}
	}
}

// inertMermaid says whether no line of a flowchart is more than nodes with labels.
func inertMermaid(t *testing.T, page string) {
	t.Helper()
	for line := range strings.Lines(page) {
		rest := strings.TrimLeft(line, " ")
		if !strings.HasPrefix(rest, "%% ") && strings.ContainsAny(strings.ReplaceAll(line, "<br/>", ""), "<`{}%'\\") {
			t.Errorf("is more than a label: %s", line)
		}
		if strings.Count(line, `"`) > 2 {
			t.Errorf("leaves its label: %s", line)
		}
	}
}

func TestGraphIsInert(t *testing.T) {
	c := hostilePath()
	inertSVG(t, plain.SVG(c))
	inertMermaid(t, plain.Mermaid(c))
	for _, page := range []string{plain.SVG(c), plain.Mermaid(c)} {
		if i := strings.IndexFunc(page, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }); i >= 0 {
			t.Errorf("holds an invisible character: %q", page[i:min(len(page), i+20)])
		}
	}
}

func FuzzGraph(f *testing.F) {
	f.Add("Pod:shop/web-0", hostile, "Execution", "E1")
	f.Add("KubernetesObject:secrets/*/*", `"]; click n1 "x"`, "", "</svg>")
	f.Fuzz(func(t *testing.T, key, what, tactic, id string) {
		c := attack()
		c.Name, c.Status.Title = what, key
		c.Status.AttackPath = []v1alpha1.PathEdge{edge(0, tactic, key, what, what, id), edge(1, "", what, key, key), edge(2, what, key, key, tactic)}
		inertSVG(t, plain.SVG(c))
		inertMermaid(t, plain.Mermaid(c))
	})
}

// Whatever the path of a case is, its picture is bounded.
func TestGraphIsBounded(t *testing.T) {
	c := attack()
	wide := strings.Repeat("W", 600)
	for i := range 128 {
		c.Status.AttackPath = append(c.Status.AttackPath, edge(float64(i), "Impact", fmt.Sprint("Pod:", i, wide), fmt.Sprint("Pod:", i+1000, wide), wide[:256], "E1", "E2", "E3", "E4", "E5", "E6"))
	}
	if svg, mermaid := plain.SVG(c), plain.Mermaid(c); len(svg) > 300<<10 || len(mermaid) > 50<<10 {
		t.Errorf("%d bytes of SVG, %d of Mermaid", len(svg), len(mermaid))
	}
}

// Steps with evidence are drawn, however many others there are.
func TestGraphKeepsWhatHasEvidence(t *testing.T) {
	page := plain.Mermaid(crowded())
	for i := 102; i < 128; i += 2 {
		if !strings.Contains(page, fmt.Sprintf("· E%d<", i)) {
			t.Errorf("step %d is not drawn", i+1)
		}
	}
	if !strings.Contains(page, "80 steps not drawn") {
		t.Errorf("does not say how much is left out:\n%s", page)
	}
}
