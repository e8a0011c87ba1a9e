package docs

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// example is one object of Tocsin's own in a YAML block.
type example struct {
	page string
	raw  []byte
	*unstructured.Unstructured
}

func (e example) String() string {
	return e.page + ": " + e.GetKind() + " " + e.GetName() + e.GetGenerateName()
}

// into decodes the example into its Go type, and refuses fields that it does not have.
func (e example) into(t *testing.T, object any) {
	t.Helper()
	if err := yaml.UnmarshalStrict(e.raw, object); err != nil {
		t.Fatalf("%s: %v", e, err)
	}
}

// examples of every page, in their order.
func examples(t *testing.T) []example {
	t.Helper()
	var found []example
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.language != "yaml" || !strings.Contains(b.text, "apiVersion: "+v1alpha1.Group+"/") {
				continue
			}
			for _, raw := range documents(t, b.text) {
				object := &unstructured.Unstructured{}
				if err := yaml.UnmarshalStrict(raw, &object.Object); err != nil {
					t.Fatalf("%s: %v in\n%s", p.path, err, raw)
				}
				found = append(found, example{page: p.path, raw: raw, Unstructured: object})
			}
		}
	}
	return found
}

func documents(t *testing.T, text string) [][]byte {
	t.Helper()
	var all [][]byte
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewBufferString(text)))
	for {
		raw, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
}

// TestEveryKindHasAnExample: docs/spec has a page a kind, with the kind on it.
func TestEveryKindHasAnExample(t *testing.T) {
	var shown []string
	for _, e := range examples(t) {
		if e.page == "docs/spec/v1alpha1/"+strings.ToLower(e.GetKind())+".md" {
			shown = append(shown, e.GetKind())
		}
	}
	slices.Sort(shown)
	want := []string{
		"Alert", "AlertSource", "Analyst", "Approval", "ApprovalPolicy", "Connector",
		"DetectionRule", "Investigation", "Playbook", "ResponseAction",
	}
	if got := slices.Compact(shown); !slices.Equal(got, want) {
		t.Errorf("kinds with an example on their page: %v, want %v", got, want)
	}
}
