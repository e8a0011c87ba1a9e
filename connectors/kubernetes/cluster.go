package kubernetes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/discovery"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
)

// cluster is the API server as the connector's ServiceAccount sees it.
type cluster struct {
	client.Client
	discovery  *discovery.DiscoveryClient
	clock      clock.PassiveClock
	account    account
	granted    *recent[grants]
	served     *recent[served]
	containers *inside
	archive    Archive
	captured   *captured
	// captures: capture-evidence is among the operations that are offered.
	captures bool
	enforced *recent[enforcement]
	marks    *marks
}

// account is the ServiceAccount that the connector acts as.
type account struct{ namespace, name string }

func (a account) String() string { return a.namespace + "/" + a.name }

// user is the account as the API server names it.
func (a account) user() string { return serviceAccountPrefix + a.namespace + ":" + a.name }

// age in whole seconds, for schemas that know numbers only.
func (c *cluster) age(since metav1.Time) int64 {
	return int64(c.clock.Since(since.Time) / time.Second)
}

// get reads an object; an error says which one, and is one of the contract's.
func (c *cluster) get(ctx context.Context, ref v1alpha1.TargetReference) (*unstructured.Unstructured, error) {
	object := blank(ref)
	if err := c.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return nil, c.explain(err, "reading "+name(ref))
	}
	return object, nil
}

// sameObject refuses an object that only has the name of the one that is meant.
func sameObject(found client.Object, target v1alpha1.TargetReference) error {
	if string(found.GetUID()) == target.UID {
		return nil
	}
	return fmt.Errorf("%w: %s is not the one that was planned: its uid is %s, not %q; plan again",
		connectors.ErrNotFound, name(target), found.GetUID(), target.UID)
}

func blank(ref v1alpha1.TargetReference) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(ref.APIVersion)
	object.SetKind(ref.Kind)
	object.SetNamespace(ref.Namespace)
	object.SetName(ref.Name)
	return object
}

// name of an object for humans, such as "Pod shop/web-0".
func name(ref v1alpha1.TargetReference) string {
	if ref.Namespace == "" {
		return ref.Kind + " " + ref.Name
	}
	return ref.Kind + " " + ref.Namespace + "/" + ref.Name
}

// split takes namespace/name apart, which the schemas guarantee to be that.
func split(namespacedName string) (namespace, name string) {
	namespace, name, _ = strings.Cut(namespacedName, "/")
	return namespace, name
}

// decode reads arguments that fit their schema.
func decode[T any](arguments any) (T, error) {
	var into T
	raw, err := json.Marshal(arguments)
	if err == nil {
		err = utiljson.Unmarshal(raw, &into) // keeps whole numbers whole, as the API server's are
	}
	if err != nil {
		return into, fmt.Errorf("%w: %w", connectors.ErrInvalid, err)
	}
	return into, nil
}

// answer is a result as the contract wants it: plain JSON values.
func answer(result any) (map[string]any, error) {
	raw, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	var plain map[string]any
	return plain, json.Unmarshal(raw, &plain)
}

// inverse keeps what an operation needs to take a change back.
func inverse(operation string, arguments any) (*connectors.Inverse, error) {
	raw, err := json.Marshal(arguments)
	if err != nil {
		return nil, err
	}
	return &connectors.Inverse{Operation: operation, Arguments: raw}, nil
}

// plannedInverse reads what a plan keeps to take its change back.
func plannedInverse[T any](plan connectors.Plan) (T, error) {
	var arguments T
	if plan.Inverse == nil {
		return arguments, fmt.Errorf("%w: the plan keeps no inverse, so nothing is changed", connectors.ErrInvalid)
	}
	if err := utiljson.Unmarshal(plan.Inverse.Arguments, &arguments); err != nil {
		return arguments, fmt.Errorf("%w: inverse: %w", connectors.ErrInvalid, err)
	}
	return arguments, nil
}
