package admission

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strictyaml "sigs.k8s.io/yaml"

	manifests "github.com/tocsin-dev/tocsin/config/admission"
)

// Rule is a policy with the binding that puts it in force.
type Rule struct {
	Policy  admissionv1.ValidatingAdmissionPolicy
	Binding admissionv1.ValidatingAdmissionPolicyBinding
}

// Rules returns the policies that this build relies on, for an operator that is
// the ServiceAccount tocsin of a namespace.
func Rules(namespace string) ([]Rule, error) {
	if namespace == "" {
		return nil, errors.New("admission policies need the operator's namespace: set POD_NAMESPACE")
	}
	entries, err := fs.ReadDir(manifests.Files, ".")
	if err != nil {
		return nil, err
	}
	rules := make([]Rule, 0, len(entries))
	for _, entry := range entries {
		raw, err := fs.ReadFile(manifests.Files, entry.Name())
		if err != nil {
			return nil, err
		}
		rule, err := decode(bytes.ReplaceAll(raw, []byte(manifests.Namespace), []byte(namespace)))
		if err != nil {
			return nil, fmt.Errorf("config/admission/%s: %w", entry.Name(), err)
		}
		rules = append(rules, rule)
	}
	return rules, nil
}

// decode reads a policy and then its binding.
func decode(raw []byte) (Rule, error) {
	var rule Rule
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(raw)))
	for _, into := range []any{&rule.Policy, &rule.Binding} {
		document, err := documents.Read()
		if err != nil {
			return rule, fmt.Errorf("expected a policy and its binding: %w", err)
		}
		if err := strictyaml.UnmarshalStrict(document, into); err != nil {
			return rule, err
		}
	}
	if _, err := documents.Read(); !errors.Is(err, io.EOF) {
		return rule, errors.New("expected nothing after the binding")
	}
	return rule, nil
}
