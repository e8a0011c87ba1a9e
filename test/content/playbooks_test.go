package content

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/playbook"
)

const folder = "../../config/playbooks"

// playbooks are those that Tocsin ships, compiled.
func playbooks(t *testing.T) []*playbook.Playbook {
	t.Helper()
	var list struct {
		Resources []string `json:"resources"`
	}
	read(t, filepath.Join(folder, "kustomization.yaml"), &list)
	found, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil || len(found) != len(list.Resources)+1 {
		t.Fatalf("kustomization.yaml lists %v, the folder holds %v (%v)", list.Resources, found, err)
	}
	var all []*playbook.Playbook
	for _, file := range list.Resources {
		var p v1alpha1.Playbook
		read(t, filepath.Join(folder, file), &p)
		if p.Name+".yaml" != file || p.Kind != "Playbook" {
			t.Errorf("%s holds %s %s", file, p.Kind, p.Name)
		}
		compiled, err := playbook.Compile(p.Name, p.Spec, shipped(t))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(p.Spec.Tests) == 0 {
			t.Errorf("%s has no tests", file)
		}
		if err := compiled.RunTests(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		all = append(all, compiled)
	}
	return all
}

func read(t *testing.T, file string, into any) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(raw, into); err != nil {
		if filepath.Base(file) == "kustomization.yaml" {
			err = yaml.Unmarshal(raw, into)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
}

// TestResponse runs the attack and its twin through everything that is shipped.
func TestResponse(t *testing.T) {
	universal, err := playbook.Universal("cluster", shipped(t))
	if err != nil {
		t.Fatal(err)
	}
	all := append([]*playbook.Playbook{universal}, playbooks(t)...)
	tests := map[string]struct {
		found       []evidence
		wantVerdict v1alpha1.Verdict
		want        []string
	}{
		"the attack": {
			found:       withPlaybooks(secretsListed(0.1), hostPod(), selfGrant(), shell()),
			wantVerdict: v1alpha1.TruePositive,
			want: []string{
				"delete-pod map[pod:shop/tmp-1]",
				"isolate-pod map[pod:shop/tmp-1]",
				"isolate-pod map[pod:shop/web-0]",
				"label map[kind:Pod labels:map[soc.tocsin.dev/suspect:true] name:web-0 namespace:shop]",
				"remove-role-binding map[kind:ClusterRoleBinding name:ops-sync]",
			},
		},
		"its first alert": {
			found:       withPlaybooks(secretsListed(0.1)),
			wantVerdict: v1alpha1.Undetermined,
		},
		"the benign twin": {
			found:       withPlaybooks(deployed(v1alpha1.SeverityCritical, "catalog", nil)),
			wantVerdict: v1alpha1.BenignPositive,
		},
		"a stolen deployer": {
			found:       withPlaybooks(deployed(v1alpha1.SeverityCritical, "catalog", nil), grantsItself()),
			wantVerdict: v1alpha1.TruePositive,
			want: []string{
				"remove-role-binding map[kind:ClusterRoleBinding name:mine]",
				"remove-role-binding map[kind:RoleBinding name:catalog-operator namespace:catalog]",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, proposals := investigate(t, all, tt.found...)
			for _, e := range c.Evidence {
				t.Logf("%s %+d %s %s [%s] %s", e.ID, e.Weight, e.Provenance, e.Finding, e.Question, e.Note)
			}
			if c.Verdict != tt.wantVerdict {
				t.Errorf("verdict %s at %+d, want %s", c.Verdict, c.Score, tt.wantVerdict)
			}
			var got []string
			for _, p := range proposals {
				got = append(got, fmt.Sprintf("%s %v", p.Operation, p.Arguments))
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("proposals (-want +got):\n%s", diff)
			}
		})
	}
}

// withPlaybooks answers the playbooks' questions as the universal ones.
func withPlaybooks(found ...evidence) []evidence {
	for _, e := range found {
		e.answers["created"], e.answers["others"], e.answers["probing"] = e.answers["target"], e.answers["related"], e.answers["related"]
	}
	return found
}

func spec(t *testing.T, text string) v1alpha1.PlaybookSpec {
	t.Helper()
	var s v1alpha1.PlaybookSpec
	if err := yaml.UnmarshalStrict([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}
