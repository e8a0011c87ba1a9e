package kubernetes

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// describeObject tells where an object comes from, by its metadata alone.
type describeObject struct{}

// maxOwners bounds the climb from an object to its owners.
const maxOwners = 8

// describedKinds are a closed list, so that no Secret and no custom resource with
// one inside is read.
const describedKinds = `"oneOf": [
	{"properties": {"apiVersion": {"const": "v1"}, "kind": {"enum": ["Pod", "Namespace", "Node", "ServiceAccount", "Service", "ReplicationController", "PersistentVolumeClaim"]}}},
	{"properties": {"apiVersion": {"const": "apps/v1"}, "kind": {"enum": ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"]}}},
	{"properties": {"apiVersion": {"const": "batch/v1"}, "kind": {"enum": ["Job", "CronJob"]}}},
	{"properties": {"apiVersion": {"const": "networking.k8s.io/v1"}, "kind": {"enum": ["NetworkPolicy", "Ingress"]}}},
	{"properties": {"apiVersion": {"const": "rbac.authorization.k8s.io/v1"}, "kind": {"enum": ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"]}}}
]`

func (describeObject) describe() operation.Operation {
	const text, texts = `{"type": "string"}`, `{"type": "object", "additionalProperties": {"type": "string"}}`
	return operation.Operation{
		Name: "describe-object", Summary: "Where an object comes from: age, owners, labels",
		Mode: v1alpha1.OperationRead,
		Arguments: "{" + members("apiVersion", text, "kind", text, "namespace?", namespaceSchema, "name", rbacNameSchema) +
			"," + describedKinds + "," + scoped("Namespace", "Node", "ClusterRole", "ClusterRoleBinding") + "}",
		Result: properties("found", `{"type": "boolean"}`, "uid", text, "createdAt", text, "ageSeconds", `{"type": "integer"}`,
			"ownerChain", `{"type": "array", "items": `+properties("kind", text, "name", text, "uid", text)+`}`,
			"labels", texts, "annotations", texts),
		// Whoever creates an object names its owners, labels and annotations.
		Untrusted: []string{"ownerChain", "labels", "annotations"},
	}
}

type describedObject struct {
	Found       bool              `json:"found"`
	UID         string            `json:"uid"`
	CreatedAt   string            `json:"createdAt"`
	AgeSeconds  int64             `json:"ageSeconds"`
	OwnerChain  []owner           `json:"ownerChain"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// owner is the controller of an object, as the object says.
type owner struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	UID  string `json:"uid"`
}

func (describeObject) ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error) {
	a, err := decode[struct {
		APIVersion string `json:"apiVersion"`
		object
	}](arguments)
	if err != nil {
		return nil, err
	}
	target := a.target()
	target.APIVersion = a.APIVersion
	found, err := c.metadata(ctx, target)
	if gone(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	owners, err := c.owners(ctx, found)
	if err != nil {
		return nil, err
	}
	return answer(describedObject{
		Found: true, UID: string(found.UID), CreatedAt: found.CreationTimestamp.UTC().Format(time.RFC3339),
		AgeSeconds: c.age(found.CreationTimestamp), OwnerChain: owners,
		Labels: orEmpty(found.Labels), Annotations: orEmpty(withoutLastApplied(found.Annotations)),
	})
}

func (c *cluster) metadata(ctx context.Context, ref v1alpha1.TargetReference) (*metav1.PartialObjectMetadata, error) {
	found := &metav1.PartialObjectMetadata{}
	found.SetGroupVersionKind(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	err := c.Get(ctx, client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}, found)
	return found, c.explain(err, "reading "+name(ref))
}

// owners climbs from controller to controller, as far as the kinds are known and
// the objects are there and are the ones that are meant.
func (c *cluster) owners(ctx context.Context, object *metav1.PartialObjectMetadata) ([]owner, error) {
	chain := []owner{}
	for len(chain) < maxOwners {
		reference := metav1.GetControllerOf(object)
		if reference == nil {
			break
		}
		chain = append(chain, owner{Kind: reference.Kind, Name: reference.Name, UID: string(reference.UID)})
		if apiVersions[reference.Kind] != reference.APIVersion {
			break
		}
		next, err := c.metadata(ctx, v1alpha1.TargetReference{
			APIVersion: reference.APIVersion, Kind: reference.Kind, Namespace: object.Namespace, Name: reference.Name,
		})
		if gone(err) || (err == nil && next.UID != reference.UID) {
			break
		}
		if err != nil {
			return nil, err
		}
		object = next
	}
	return chain, nil
}

// withoutLastApplied: that annotation repeats the object, environment variables and all.
func withoutLastApplied(annotations map[string]string) map[string]string {
	kept := map[string]string{}
	for key, value := range annotations {
		if key != "kubectl.kubernetes.io/last-applied-configuration" {
			kept[key] = value
		}
	}
	return kept
}

func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}
