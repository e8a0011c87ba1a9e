package playbook

import (
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
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

// maxUniversals is how many compiled sets of universal questions are kept: one for
// each name of a connector and each set of operations.
const maxUniversals = 64

// universals keeps what was compiled, since every investigation asks for it.
var universals = struct {
	sync.Mutex
	compiled *simplelru.LRU[[sha256.Size]byte, *Playbook]
}{compiled: newUniversals()}

func newUniversals() *simplelru.LRU[[sha256.Size]byte, *Playbook] {
	lru, err := simplelru.NewLRU[[sha256.Size]byte, *Playbook](maxUniversals, nil)
	if err != nil {
		panic(err) // the size is a positive constant
	}
	return lru
}

// Universal returns the questions that every alert gets. Those about the cluster are
// asked of the connector; where it, or an operation of it, does not exist, they are left out.
func Universal(connector string, catalog operation.Catalog) (*Playbook, error) {
	embedded, err := universalSpec()
	if err != nil {
		return nil, fmt.Errorf("universal.yaml: %w", err)
	}
	spec := embedded
	spec.Questions = nil
	offered := sha256.New()
	for _, q := range embedded.Questions {
		isPlaceholder := q.Use.Connector == placeholder
		if isPlaceholder {
			q.Use.Connector = connector
		}
		o, err := find(catalog, q.Use, v1alpha1.OperationRead)
		if isPlaceholder && errors.Is(err, ErrUnknownOperation) {
			continue
		}
		for _, part := range append([]string{q.Use.Connector, o.Name, o.Arguments, o.Result}, o.Untrusted...) {
			fmt.Fprintf(offered, "%d:%s", len(part), part)
		}
		spec.Questions = append(spec.Questions, q)
	}
	universals.Lock()
	defer universals.Unlock()
	key := [sha256.Size]byte(offered.Sum(nil))
	if p, ok := universals.compiled.Get(key); ok {
		return p, nil
	}
	p, err := compile(UniversalName, spec, catalog)
	if err == nil {
		universals.compiled.Add(key, p)
	}
	return p, err
}
