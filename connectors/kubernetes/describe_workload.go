package kubernetes

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// describeWorkload tells what a pod is and how close it is to its node. Of the
// pods of a ServiceAccount it takes the one that is closest.
type describeWorkload struct{}

func (describeWorkload) describe() operation.Operation {
	const (
		text, flag, count = `{"type": "string"}`, `{"type": "boolean"}`, `{"type": "integer", "minimum": 0}`
		list              = `{"type": "array", "items": {"type": "string"}}`
		texts             = `{"type": "object", "additionalProperties": {"type": "string"}}`
	)
	return operation.Operation{
		Name: "describe-workload", Summary: "What a pod is, and how close it is to its node",
		Mode: v1alpha1.OperationRead,
		Arguments: `{"type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "properties": {
			"pod": ` + namespacedNameSchema + `, "serviceAccount": ` + namespacedNameSchema + `}}`,
		Result: properties("found", flag, "pod", text, "uid", text, "namespace", text, "serviceAccount", text, "node", text, "phase", text,
			"privileged", flag, "hostNetwork", flag, "hostPID", flag, "hostPath", flag, "hostPaths", list, "capabilities", list,
			"images", list, "owner?", properties("kind", text, "name", text, "uid", text), "ageSeconds", `{"type": "integer"}`,
			"startedBy?", text, "labels", texts, "annotations", texts, "automountToken", flag,
			"siblings", properties("total", count, "privileged", count, "hostPath", count), "criticality", text),
		// Whoever creates a pod chooses these, siblings through the owner it names.
		Untrusted: []string{"pod", "owner", "startedBy", "labels", "annotations", "images", "hostPaths", "siblings"},
	}
}

type describedWorkload struct {
	Found          bool   `json:"found"`
	Pod            string `json:"pod"`
	UID            string `json:"uid"`
	Namespace      string `json:"namespace"`
	ServiceAccount string `json:"serviceAccount"`
	Node           string `json:"node"`
	Phase          string `json:"phase"`
	exposure
	HostPaths      []string          `json:"hostPaths"`
	Capabilities   []string          `json:"capabilities"`
	Images         []string          `json:"images"`
	Owner          *owner            `json:"owner,omitempty"`
	AgeSeconds     int64             `json:"ageSeconds"`
	StartedBy      string            `json:"startedBy,omitempty"`
	Labels         map[string]string `json:"labels"`
	Annotations    map[string]string `json:"annotations"`
	AutomountToken bool              `json:"automountToken"`
	Siblings       siblings          `json:"siblings"`
	Criticality    string            `json:"criticality"`
}

// siblings are the other pods of the same owner.
type siblings struct {
	Total      int `json:"total"`
	Privileged int `json:"privileged"`
	HostPath   int `json:"hostPath"`
}

func (describeWorkload) ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error) {
	a, err := decode[struct {
		Pod            string `json:"pod"`
		ServiceAccount string `json:"serviceAccount"`
	}](arguments)
	if err != nil {
		return nil, err
	}
	found, err := c.workload(ctx, a.Pod, a.ServiceAccount)
	if err != nil || found == nil {
		return nil, err
	}
	described := describePod(found)
	described.AgeSeconds = c.age(found.CreationTimestamp)
	if described.Siblings, err = c.siblings(ctx, found); err != nil {
		return nil, err
	}
	if described.AutomountToken, err = c.automounts(ctx, found); err != nil {
		return nil, err
	}
	if described.Criticality, err = c.criticality(ctx, found.Namespace); err != nil {
		return nil, err
	}
	return answer(described)
}

// workload is the pod that is meant; nil where there is none.
func (c *cluster) workload(ctx context.Context, podName, serviceAccount string) (*corev1.Pod, error) {
	if podName == "" {
		return c.closest(ctx, serviceAccount)
	}
	found := &corev1.Pod{}
	namespace, name := split(podName)
	err := c.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, found)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return found, c.explain(err, "reading Pod "+podName)
}

// closest is the pod of a ServiceAccount that is closest to its node; the oldest of several.
func (c *cluster) closest(ctx context.Context, serviceAccount string) (*corev1.Pod, error) {
	namespace, account := split(serviceAccount)
	pods := &corev1.PodList{}
	err := c.List(ctx, pods, client.InNamespace(namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("spec.serviceAccountName", account)})
	if err != nil {
		return nil, c.explain(err, "listing pods of ServiceAccount "+serviceAccount)
	}
	if len(pods.Items) == 0 {
		return nil, nil
	}
	slices.SortFunc(pods.Items, func(a, b corev1.Pod) int {
		return cmp.Or(exposureOf(&b).rank()-exposureOf(&a).rank(),
			a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	return &pods.Items[0], nil
}

func describePod(p *corev1.Pod) describedWorkload {
	d := describedWorkload{
		Found: true, Pod: p.Namespace + "/" + p.Name, UID: string(p.UID), Namespace: p.Namespace, ServiceAccount: p.Spec.ServiceAccountName,
		Node: p.Spec.NodeName, Phase: string(p.Status.Phase), exposure: exposureOf(p), HostPaths: hostPaths(p),
		Capabilities: []string{}, Images: []string{}, StartedBy: firstManager(p.ManagedFields),
		Labels: orEmpty(p.Labels), Annotations: withoutLastApplied(p.Annotations),
	}
	if controller := metav1.GetControllerOf(p); controller != nil {
		d.Owner = &owner{Kind: controller.Kind, Name: controller.Name, UID: string(controller.UID)}
	}
	for container := range containers(p) {
		d.Images = append(d.Images, container.Image)
		if s := container.SecurityContext; s != nil && s.Capabilities != nil {
			for _, added := range s.Capabilities.Add {
				d.Capabilities = append(d.Capabilities, string(added))
			}
		}
	}
	slices.Sort(d.Capabilities)
	d.Capabilities = slices.Compact(d.Capabilities)
	return d
}

// firstManager is the field manager that wrote first, as it calls itself.
func firstManager(entries []metav1.ManagedFieldsEntry) string {
	var first metav1.ManagedFieldsEntry
	for _, entry := range entries {
		if entry.Time != nil && (first.Time == nil || entry.Time.Before(first.Time)) {
			first = entry
		}
	}
	return first.Manager
}

func (c *cluster) siblings(ctx context.Context, p *corev1.Pod) (siblings, error) {
	var found siblings
	controller := metav1.GetControllerOf(p)
	if controller == nil {
		return found, nil
	}
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, client.InNamespace(p.Namespace)); err != nil {
		return found, c.explain(err, "listing pods of namespace "+p.Namespace)
	}
	for _, other := range pods.Items {
		if other.UID == p.UID || !metav1.IsControlledBy(&other, &metav1.ObjectMeta{UID: controller.UID}) {
			continue
		}
		found.Total++
		exposed := exposureOf(&other)
		if exposed.Privileged {
			found.Privileged++
		}
		if exposed.HostPath {
			found.HostPath++
		}
	}
	return found, nil
}

// automounts says whether the pod holds its ServiceAccount's token: the pod
// decides, then the ServiceAccount, and the default is yes.
func (c *cluster) automounts(ctx context.Context, p *corev1.Pod) (bool, error) {
	if p.Spec.AutomountServiceAccountToken != nil {
		return *p.Spec.AutomountServiceAccountToken, nil
	}
	if p.Spec.ServiceAccountName == "" {
		// A static pod: it has no ServiceAccount, so no token either.
		return false, nil
	}
	account := &corev1.ServiceAccount{}
	err := c.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: p.Spec.ServiceAccountName}, account)
	if client.IgnoreNotFound(err) != nil {
		return false, c.explain(err, "reading ServiceAccount "+p.Namespace+"/"+p.Spec.ServiceAccountName)
	}
	return account.AutomountServiceAccountToken == nil || *account.AutomountServiceAccountToken, nil
}

// criticality of a namespace as its label says; empty for none.
func (c *cluster) criticality(ctx context.Context, namespace string) (string, error) {
	found, err := c.metadata(ctx, object{Kind: "Namespace", Name: namespace}.target())
	if err != nil {
		return "", err
	}
	return found.Labels[v1alpha1.LabelCriticality], nil
}
