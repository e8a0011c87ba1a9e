package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	distribution "github.com/distribution/reference"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// blockImage lets no new container run an image, in the whole cluster but for
// the namespaces that it needs to live.
var blockImage = &banning{
	operation: operation.Operation{
		Name: "block-image", Summary: "Let no pod start containers of an image, by digest or repository",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: `{"type": "object", "additionalProperties": false, "properties": {
			"digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}, "repository": {"type": "string", "minLength": 1, "maxLength": 253}},
			"oneOf": [{"required": ["digest"]}, {"required": ["repository"]}]}`,
		Result: noResult,
	},
	parse: parseBlock, warn: warnBlock, undo: "unblock-image",
}

var unblockImage = lifting{name: "unblock-image", summary: "Let pods start containers of a blocked image again"}

// unblockable namespaces are left out: the cluster cannot be repaired where its own pods do not start.
var unblockable = []string{"kube-system", "kube-public", "kube-node-lease"}

func parseBlock(_ *cluster, arguments map[string]any) (ban, error) {
	a, err := decode[struct {
		Digest     string `json:"digest"`
		Repository string `json:"repository"`
	}](arguments)
	if err != nil {
		return ban{}, err
	}
	what, pattern := a.Digest, "@"+a.Digest+"$"
	if a.Repository != "" {
		if what, pattern, err = repositoryPattern(a.Repository); err != nil {
			return ban{}, err
		}
	}
	return ban{
		target: v1alpha1.TargetReference{Kind: "ContainerImage", Name: what, UID: fingerprint(what)},
		name:   banName("tocsin-block-", what), summary: "block image " + what,
		spec: blockSpec(what, pattern),
	}, nil
}

// repositoryPattern is the repository in full, and an expression for every way
// to spell it: registries go by any case and by their default port, and those of
// Docker's own need not be named.
func repositoryPattern(repository string) (full, pattern string, err error) {
	named, err := distribution.ParseNormalizedNamed(repository)
	if err != nil || !distribution.IsNameOnly(named) {
		return "", "", fmt.Errorf("%w: repository: %q must be a repository without tag or digest, such as docker.io/library/nginx", connectors.ErrInvalid, repository)
	}
	host, path := strings.TrimSuffix(strings.ToLower(distribution.Domain(named)), ":443"), distribution.Path(named)
	registry := "(?i:" + regexp.QuoteMeta(host) + ")(:443)?/"
	if host == "docker.io" {
		registry = "((?i:(index\\.)?docker\\.io)(:443)?/)?"
		if short, official := strings.CutPrefix(path, "library/"); official {
			path, registry = short, registry+"(library/)?"
		}
	}
	return host + "/" + distribution.Path(named), "^" + registry + regexp.QuoteMeta(path) + "(:[^/@]*)?(@.*)?$", nil
}

// imagesOf is CEL for the images of all containers of a pod.
func imagesOf(pod string) string {
	parts := make([]string, 0, 3)
	for _, list := range []string{"containers", "initContainers", "ephemeralContainers"} {
		parts = append(parts, fmt.Sprintf("(has(%[1]s.spec.%[2]s) ? %[1]s.spec.%[2]s.map(c, has(c.image) ? c.image : '') : [])", pod, list))
	}
	return strings.Join(parts, " + ")
}

// blockSpec denies what a pod did not run before: else nobody could label or end one that runs the image already.
func blockSpec(what, pattern string) admissionregistrationv1.ValidatingAdmissionPolicySpec {
	fail, forbidden := admissionregistrationv1.Fail, metav1.StatusReasonForbidden
	pods := everyRequest("", "v1", []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update}, "pods", "pods/ephemeralcontainers")
	return admissionregistrationv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: matching(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpNotIn, Values: unblockable},
		}}, pods),
		Variables: []admissionregistrationv1.Variable{
			{Name: "images", Expression: imagesOf("object")},
			{Name: "before", Expression: "request.operation == 'UPDATE' ? " + imagesOf("oldObject") + " : []"},
		},
		Validations: []admissionregistrationv1.Validation{{
			Expression: "!variables.images.exists(i, i.matches(" + celString(pattern) + ") && !(i in variables.before))", Reason: &forbidden,
			Message: "image " + what + " is blocked by a response of Tocsin until that is undone",
		}},
	}
}

func warnBlock(ctx context.Context, c *cluster, d ban, plan *connectors.Plan) error {
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods); err != nil {
		return c.explain(err, "listing pods that run "+d.target.Name)
	}
	digest := strings.HasPrefix(d.target.Name, "sha256:")
	running, taken, byTag := runningImage(pods.Items, d.target.Name, digest)
	if digest {
		plan.Warnings = append(plan.Warnings, "it holds for pods that name the digest; one that names a tag passes, whatever is behind the tag: block the repository to hold those")
	} else {
		plan.Warnings = append(plan.Warnings, "the same image in another repository passes")
	}
	if len(byTag) > 0 {
		plan.Warnings = append(plan.Warnings, "it is run by tag from "+listed(byTag))
	}
	if len(running) == 0 {
		return nil
	}
	plan.Shares = surroundings{pods: pods.Items}.without(taken).shares
	var where []string
	total := 0
	for _, namespace := range slices.Sorted(maps.Keys(running)) {
		total += running[namespace]
		where = append(where, fmt.Sprintf("%s (%d)", namespace, running[namespace]))
		plan.Touches = append(plan.Touches, object{Kind: "Namespace", Name: namespace}.target())
	}
	plan.Warnings = append(plan.Warnings, fmt.Sprintf("%s it now; they run on, and nothing starts them again once they end: namespaces %s",
		counted(total, "pod runs", "pods run"), listed(where)))
	return nil
}

// runningImage counts, by namespace, the pods that the block would let start no
// more, tells which they are, and names the repositories from which others run the digest by tag.
func runningImage(pods []corev1.Pod, what string, digest bool) (running map[string]int, taken map[types.UID]bool, byTag []string) {
	running, taken, tags := map[string]int{}, map[types.UID]bool{}, map[string]bool{}
	matches := func(image string) bool { return strings.HasSuffix(image, "@"+what) }
	if !digest {
		// It was made from a repository, so it is one.
		_, pattern, _ := repositoryPattern(what)
		matches = regexp.MustCompile(pattern).MatchString
	}
	for i := range pods {
		p := &pods[i]
		if slices.Contains(unblockable, p.Namespace) {
			continue
		}
		if slices.ContainsFunc(images(p), matches) {
			running[p.Namespace]++
			taken[p.UID] = true
			continue
		}
		for _, status := range slices.Concat(p.Status.ContainerStatuses, p.Status.InitContainerStatuses, p.Status.EphemeralContainerStatuses) {
			if digest && strings.HasSuffix(status.ImageID, what) {
				tags[status.Image] = true
			}
		}
	}
	return running, taken, slices.Sorted(maps.Keys(tags))
}

func images(p *corev1.Pod) []string {
	var all []string
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		all = append(all, c.Image)
	}
	for _, c := range p.Spec.EphemeralContainers {
		all = append(all, c.Image)
	}
	return all
}
