package external

import (
	_ "embed"
	"fmt"

	"sigs.k8s.io/yaml"
)

//go:embed falco-k8saudit.yaml
var falco []byte

//go:embed panther-kubernetes.yaml
var panther []byte

// Falco maps Falco's rules for audit events; the optional rules are among their equivalents.
func Falco() (Mapping, error) { return readMapping("falco-k8saudit.yaml", falco) }

// Panther maps Panther's rules for Kubernetes.
func Panther() (Mapping, error) { return readMapping("panther-kubernetes.yaml", panther) }

func readMapping(name string, text []byte) (Mapping, error) {
	var m Mapping
	if err := yaml.UnmarshalStrict(text, &m); err != nil {
		return Mapping{}, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}
