package playbook

import (
	_ "embed"
	"errors"
	"fmt"
	"sync"

	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// UniversalName is the name of the playbook of universal questions.
const UniversalName = "universal"

// Ids of universal questions whose answers are used beside their weights.
const (
	// QuestionWorkload and QuestionTarget tell the criticality of what is concerned.
	QuestionWorkload = "workload"
	QuestionTarget   = "target"
	// QuestionPermissions and QuestionReach tell how far an identity reaches.
	QuestionPermissions = "permissions"
	QuestionReach       = "reach"
	// QuestionHistory tells how the rule was graded.
	QuestionHistory = "history"
)

// placeholder stands for the Analyst's connector in universal.yaml.
const placeholder = "cluster"

//go:embed universal.yaml
var universalYAML []byte

var universalSpec = sync.OnceValues(func() (v1alpha1.PlaybookSpec, error) {
	var spec v1alpha1.PlaybookSpec
	err := yaml.UnmarshalStrict(universalYAML, &spec)
	return spec, err
})

// Universal returns the questions that every alert gets. Those about the cluster are
// asked of the connector; where it, or an operation of it, does not exist, they are left out.
func Universal(connector string, catalog operation.Catalog) (*Playbook, error) {
	embedded, err := universalSpec()
	if err != nil {
		return nil, fmt.Errorf("universal.yaml: %w", err)
	}
	spec := embedded
	spec.Questions = nil
	for _, q := range embedded.Questions {
		if q.Use.Connector == placeholder {
			q.Use.Connector = connector
			if _, err := find(catalog, q.Use, v1alpha1.OperationRead); errors.Is(err, ErrUnknownOperation) {
				continue
			}
		}
		spec.Questions = append(spec.Questions, q)
	}
	return compile(UniversalName, spec, catalog)
}
