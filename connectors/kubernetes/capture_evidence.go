package kubernetes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// Archive keeps evidence under its SHA-256.
type Archive interface {
	// PutBlobs returns once it is kept.
	PutBlobs(ctx context.Context, bodies ...[]byte) error
	// Blob is what is kept under a hex SHA-256, or an error.
	Blob(ctx context.Context, digest string) ([]byte, error)
}

// captureEvidence keeps what is to be seen of a pod. It changes nothing in the cluster, so
// that it may be done again where nobody knows whether it was.
type captureEvidence struct{}

func (captureEvidence) describe() operation.Operation {
	return operation.Operation{
		Name: "capture-evidence", Summary: "Keep what is to be seen of a pod: itself, events, logs, owners, policies, processes",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskLow, Undo: v1alpha1.UndoIrreversible,
		Arguments: properties("pod", namespacedNameSchema), Result: noResult,
	}
}

func (captureEvidence) plan(ctx context.Context, c *cluster, request connectors.Request) (connectors.Plan, error) {
	a, err := decode[podArguments](request.Arguments)
	if err != nil {
		return connectors.Plan{}, err
	}
	target := pod(a.Pod, "")
	found, err := c.get(ctx, target)
	if err != nil {
		return connectors.Plan{}, err
	}
	target.UID = string(found.GetUID())
	plan := connectors.Plan{Target: target, Summary: "capture evidence of pod " + a.Pod, Done: c.hasCaptured(ctx, request.Key)}
	if plan.Done {
		return plan, nil
	}
	if c.archive == nil {
		return plan, fmt.Errorf("%w: there is no archive that would keep it", connectors.ErrUnsupported)
	}
	p, err := typedPod(found)
	if err != nil {
		return plan, err
	}
	examine, err := c.mayExamine(ctx, p)
	if err != nil {
		return plan, err
	}
	plan.Diff = captures(p, examine)
	plan.Warnings = warnCapture(p, examine)
	return plan, nil
}

// captures is what is read, as a person reads it.
func captures(p *corev1.Pod, examine bool) string {
	logs, commanded := texts(p, examine)
	lines := []string{"spec and status of pod " + p.Namespace + "/" + p.Name, "events, owners, NetworkPolicies that select it"}
	for _, t := range append(logs, commanded...) {
		lines = append(lines, t.String())
	}
	return "+keep " + strings.Join(lines, "\n+keep ") + "\n"
}

func warnCapture(p *corev1.Pod, examine bool) []string {
	if !examine {
		return []string{fmt.Sprintf("processes, sockets and mounts are not captured: the ServiceAccount may not create pods/exec in namespace %s; "+
			"ClusterRole tocsin-connector-examiner gives it", p.Namespace)}
	}
	return []string{"it runs commands in the pod's containers, which whoever is in there may notice, and may have replaced"}
}

// mayExamine asks whether commands may be run in the pod, which no dry run tells.
func (c *cluster) mayExamine(ctx context.Context, p *corev1.Pod) (bool, error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
		ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: p.Namespace, Verb: "create", Resource: "pods", Subresource: "exec", Name: p.Name},
	}}
	err := c.Create(ctx, review)
	return review.Status.Allowed, c.explain(err, "asking whether commands may be run in pod "+p.Namespace+"/"+p.Name)
}

func (captureEvidence) execute(ctx context.Context, c *cluster, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	found, err := c.get(ctx, plan.Target)
	if err == nil {
		err = sameObject(found, plan.Target)
	}
	if err == nil && c.archive == nil {
		err = fmt.Errorf("%w: there is no archive that would keep it", connectors.ErrUnsupported)
	}
	if err != nil {
		return failed(err)
	}
	gathered, body, err := c.capture(ctx, found)
	if err != nil {
		return failed(err)
	}
	if err := c.archive.PutBlobs(ctx, body); err != nil {
		return failed(fmt.Errorf("keeping the evidence: %w", err))
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	c.captured.add(request.Key, digest)
	message := fmt.Sprintf("evidence of %s is kept under sha256:%s, %d bytes", name(plan.Target), digest, len(body))
	if len(gathered.Missing) > 0 {
		message += "; missing is " + strings.Join(gathered.Missing, "; ")
	}
	return connectors.Result{Outcome: v1alpha1.OutcomeSucceeded, Message: message, Evidence: digest}, nil
}

func (c *cluster) capture(ctx context.Context, found *unstructured.Unstructured) (*evidence, []byte, error) {
	p, err := typedPod(found)
	if err != nil {
		return nil, nil, err
	}
	examine, err := c.mayExamine(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	gathered, err := c.gather(ctx, found, examine)
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	body, err := json.Marshal(gathered)
	return gathered, body, err
}

// Nothing in the cluster tells that it was done, so that after a restart it counts as absent.
func (captureEvidence) observe(ctx context.Context, c *cluster, request connectors.Request, _ v1alpha1.TargetReference) (connectors.Effect, error) {
	switch {
	case ctx.Err() != nil:
		return connectors.EffectUnknown, ctx.Err()
	case c.hasCaptured(ctx, request.Key):
		return connectors.EffectPresent, nil
	}
	return connectors.EffectAbsent, nil
}

// maxCaptured bounds what is remembered of captures; forgetting costs one more.
const maxCaptured = 1024

// captured remembers what the actions of this process have captured.
type captured struct {
	mu      sync.Mutex
	digests map[string]string
}

func newCaptured() *captured { return &captured{digests: map[string]string{}} }

func (d *captured) add(key, digest string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.digests) >= maxCaptured {
		clear(d.digests)
	}
	d.digests[key] = digest
}

func (d *captured) of(key string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.digests[key]
}

// hasCaptured: the action has captured, and the archive still has it.
func (c *cluster) hasCaptured(ctx context.Context, key string) bool {
	digest := c.captured.of(key)
	if digest == "" || c.archive == nil {
		return false
	}
	_, err := c.archive.Blob(ctx, digest)
	return err == nil
}
