// Package kubernetes connects to the cluster's own API server, always acting as
// the Connector's ServiceAccount by impersonation.
package kubernetes

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// The rate of requests where the Connector sets none.
const (
	defaultPerSecond = 200
	defaultBurst     = 400
)

// Options of a connector. The zero value offers every operation at the default rate.
type Options struct {
	// Operations that are offered, with what takes them back; empty for all.
	Operations []string
	// RateLimit of requests to the API server; nil for 200 a second, bursts of 400.
	RateLimit *v1alpha1.RateLimit
	// Clock by which ages are told; nil for the real one.
	Clock clock.PassiveClock
	// Archive that keeps evidence; without one, none is captured.
	Archive Archive
}

// Connector asks and acts through the API server as one ServiceAccount.
type Connector struct {
	cluster    *cluster
	operations []operation.Operation
	questions  map[string]question
	actions    map[string]action
}

var (
	_ connectors.Asker     = &Connector{}
	_ connectors.Responder = &Connector{}
)

// question is a read-only operation.
type question interface {
	describe() operation.Operation
	// ask gets arguments that fit the schema; nil means that nothing was found.
	ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error)
}

// action is a writing operation. Its methods get arguments that fit the schema.
type action interface {
	describe() operation.Operation
	plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error)
	execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error)
	observe(ctx context.Context, c *cluster, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error)
}

// Factory makes connectors that reach the API server with cfg, and keep evidence in the
// archive; nil for none. An operation in spec.operations that does not exist, or that only
// takes another back, is ErrInvalid.
func Factory(cfg *rest.Config, archive Archive) connectors.Factory {
	return func(_ context.Context, spec *v1alpha1.Connector) (connectors.Connector, error) {
		c, err := New(cfg, spec.Namespace, spec.Spec.ServiceAccountName, Options{
			Operations: spec.Spec.Operations,
			RateLimit:  spec.Spec.RateLimit,
			Archive:    archive,
		})
		if err != nil {
			// Not c: a nil *Connector would be a Connector that is not nil.
			return nil, err
		}
		return c, nil
	}
}

// New returns a connector that acts as the ServiceAccount. It does not talk to the API server yet.
func New(cfg *rest.Config, namespace, serviceAccount string, options Options) (*Connector, error) {
	impersonating := kube.ActAs(cfg, namespace, serviceAccount)
	limit := options.RateLimit
	if limit == nil {
		limit = &v1alpha1.RateLimit{PerSecond: defaultPerSecond, Burst: defaultBurst}
	}
	// One limiter for all: from QPS and Burst, each client of each kind would make one of its own.
	impersonating.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(float32(limit.PerSecond), int(limit.Burst))
	api, asked, err := clients(impersonating)
	if err != nil {
		return nil, fmt.Errorf("connecting as ServiceAccount %s/%s: %w", namespace, serviceAccount, err)
	}
	containers, err := newInside(impersonating)
	if err != nil {
		return nil, fmt.Errorf("connecting as ServiceAccount %s/%s: %w", namespace, serviceAccount, err)
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	c := &Connector{
		cluster: &cluster{
			Client: api, discovery: asked, clock: options.Clock,
			containers: containers, archive: options.Archive, captured: newCaptured(),
			account: account{namespace: namespace, name: serviceAccount},
			granted: newRecent[grants](grantsFreshness), served: newRecent[served](servedFreshness),
			enforced: newRecent[enforcement](enforcementFreshness), marks: newMarks(),
		},
		questions: map[string]question{},
		actions:   map[string]action{},
	}
	if err := c.offer(options.Operations); err != nil {
		return nil, err
	}
	return c, nil
}

// clients share connections. Only discovery itself needs discovery.
func clients(cfg *rest.Config) (client.Client, *discovery.DiscoveryClient, error) {
	connections, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, nil, err
	}
	api, err := client.New(cfg, client.Options{HTTPClient: connections, Scheme: clientgoscheme.Scheme, Mapper: builtIn()})
	if err != nil {
		return nil, nil, err
	}
	served, err := discovery.NewDiscoveryClientForConfigAndClient(cfg, connections)
	return api, served, err
}

// offer takes up the allowed operations, each with what takes it back.
func (c *Connector) offer(allowed []string) error {
	var known []string
	for _, q := range questions() {
		o := q.describe()
		known = append(known, o.Name)
		if len(allowed) == 0 || slices.Contains(allowed, o.Name) {
			c.questions[o.Name] = q
			c.operations = append(c.operations, o)
		}
	}
	for _, pair := range actions() {
		o := pair.does.describe()
		known = append(known, o.Name)
		if len(allowed) > 0 && !slices.Contains(allowed, o.Name) {
			continue
		}
		for _, a := range pair.both() {
			o := a.describe()
			if c.actions[o.Name] != nil {
				continue // one action may take back several
			}
			c.actions[o.Name] = a
			c.operations = append(c.operations, o)
		}
	}
	for _, name := range allowed {
		if !slices.Contains(known, name) {
			return fmt.Errorf("spec.operations: %w: %q does not exist; there are %v", connectors.ErrInvalid, name, known)
		}
	}
	c.operations = operation.MustCompile(c.operations...)
	c.cluster.captures = c.actions[captureEvidence{}.describe().Name] != nil
	return nil
}

// Operations implements connectors.Connector.
func (c *Connector) Operations() []operation.Operation { return slices.Clone(c.operations) }

// Ask implements connectors.Asker.
func (c *Connector) Ask(ctx context.Context, name string, arguments map[string]any) (map[string]any, error) {
	q, ok := c.questions[name]
	if !ok {
		return nil, c.unsupported(name)
	}
	if err := c.fits(name, arguments); err != nil {
		return nil, err
	}
	return q.ask(ctx, c.cluster, arguments)
}

// Plan implements connectors.Responder.
func (c *Connector) Plan(ctx context.Context, request connectors.Request) (connectors.Plan, error) {
	a, err := c.action(request)
	if err != nil {
		return connectors.Plan{}, err
	}
	return a.plan(ctx, c.cluster, request)
}

// Execute implements connectors.Responder.
func (c *Connector) Execute(ctx context.Context, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	a, err := c.action(request)
	if err != nil {
		return failed(err)
	}
	if plan.Done {
		return connectors.Result{Outcome: v1alpha1.OutcomeSkipped, Message: "nothing to do"}, nil
	}
	return a.execute(ctx, c.cluster, request, plan)
}

// Observe implements connectors.Responder.
func (c *Connector) Observe(ctx context.Context, request connectors.Request, target v1alpha1.TargetReference) (connectors.Effect, error) {
	a, err := c.action(request)
	if err != nil {
		return connectors.EffectUnknown, err
	}
	return a.observe(ctx, c.cluster, request, target)
}

func (c *Connector) action(request connectors.Request) (action, error) {
	a, ok := c.actions[request.Operation]
	if !ok {
		return nil, c.unsupported(request.Operation)
	}
	return a, c.fits(request.Operation, request.Arguments)
}

// unsupported names what is offered instead; an operation of the other mode is unsupported too.
func (c *Connector) unsupported(name string) error {
	if _, err := connectors.Find(c, name); err != nil {
		return err
	}
	return fmt.Errorf("%w: %q is of the other mode (Read or Write)", connectors.ErrUnsupported, name)
}

func (c *Connector) fits(name string, arguments map[string]any) error {
	o, err := connectors.Find(c, name)
	if err != nil {
		return err
	}
	if err := o.ValidateArguments(arguments); err != nil {
		return fmt.Errorf("%w: %s: %w", connectors.ErrInvalid, name, err)
	}
	return nil
}
