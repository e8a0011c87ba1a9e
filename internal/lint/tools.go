package lint

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/check"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// assumed is the connector that a tenant is taken to have where no Connector of it is
// among what is linted: the one in config/samples, and what an Analyst uses by default.
const assumed = "cluster"

// tools are the Connectors that are linted, built without reaching anything.
type tools struct {
	options Options
	all     []tool
	// sample stands in for a tenant without any.
	sample connectors.Connector
}

type tool struct {
	*object
	connectors.Connector
}

// add builds a Connector as the operator would.
func (t *tools) add(ctx context.Context, o *object, spec *v1alpha1.Connector) error {
	built, err := t.build(ctx, spec)
	if err != nil {
		return err
	}
	t.all = append(t.all, tool{object: o, Connector: built})
	return nil
}

func (t *tools) build(ctx context.Context, spec *v1alpha1.Connector) (connectors.Connector, error) {
	factory, ok := t.options.Factories[spec.Spec.Type]
	if !ok {
		return nil, fmt.Errorf("spec.type: %q is not built in", spec.Spec.Type)
	}
	return factory(ctx, spec)
}

// of returns the connectors that an object may use, by name. Objects without a namespace
// get one when they are applied, so they may be of any; of two Connectors of one name the
// nearer counts.
func (t *tools) of(ctx context.Context, o *object) map[string]connectors.Connector {
	near := slices.DeleteFunc(slices.Clone(t.all), func(c tool) bool {
		return c.namespace != "" && o.namespace != "" && c.namespace != o.namespace
	})
	slices.SortStableFunc(near, func(a, b tool) int { return cmp.Compare(distance(a.object, o), distance(b.object, o)) })
	found := map[string]connectors.Connector{connectors.MemoryName: t.options.Memory(o.namespace)}
	for _, c := range near {
		if _, taken := found[c.name]; !taken {
			found[c.name] = c.Connector
		}
	}
	if len(near) == 0 {
		if sample := t.stand(ctx); sample != nil {
			found[assumed] = sample
		}
	}
	return found
}

// stand makes the connector of config/samples once.
func (t *tools) stand(ctx context.Context) connectors.Connector {
	if t.sample == nil {
		spec := &v1alpha1.Connector{Spec: v1alpha1.ConnectorSpec{Type: v1alpha1.ConnectorKubernetes, ServiceAccountName: "responder"}}
		if built, err := t.build(ctx, spec); err == nil {
			t.sample = built
		}
	}
	return t.sample
}

// distance is how many folders of b's path are not above a. Another namespace is farther than any.
func distance(a, b *object) int {
	n := 0
	if a.namespace != b.namespace {
		n = 1 << 16
	}
	for dir := path.Dir(b.file); !above(dir, a.file); dir = path.Dir(dir) {
		n++
	}
	return n
}

func above(dir, file string) bool {
	return dir == "." || dir == "/" || strings.HasPrefix(file, dir+"/")
}

// catalog is what one object is checked against. An operation of a connector that is not
// among what is linted is taken to exist, with any arguments and answers, and noted.
type catalog struct {
	connectors map[string]connectors.Connector
	// modes are those in which operations are used, to take them at their word.
	modes   map[string]v1alpha1.OperationMode
	missing map[string]bool
}

// Operation implements operation.Catalog.
func (c *catalog) Operation(connector, name string) (operation.Operation, error) {
	if found, ok := c.connectors[connector]; ok {
		return connectors.Find(found, name)
	}
	c.missing[connector] = true
	taken := operation.Operation{Name: name, Mode: c.modes[connector+"/"+name], Arguments: "{}", Result: "{}"}
	return taken.Compile()
}

func (l *linter) catalog(ctx context.Context, o *object) *catalog {
	return &catalog{connectors: l.tools.of(ctx, o), modes: map[string]v1alpha1.OperationMode{}, missing: map[string]bool{}}
}

// use notes in which mode an operation is used first.
func (c *catalog) use(use v1alpha1.Use, mode v1alpha1.OperationMode) {
	key := use.Connector + "/" + use.Operation
	if _, noted := c.modes[key]; !noted {
		c.modes[key] = mode
	}
}

// absent warns of a connector that was not linted.
func (c *catalog) absent(path, connector string) []check.Remark {
	if _, ok := c.connectors[connector]; ok || connector == "" {
		return nil
	}
	return []check.Remark{check.Warningf(check.RuleReference, path, "there is no Connector %q among what was looked at, so its operations are not checked", connector)}
}
