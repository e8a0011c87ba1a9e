package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// permissions tells how far a ServiceAccount or user reaches, from the cluster's RBAC.
type permissions struct{}

func (permissions) describe() operation.Operation {
	const count, flag, texts = `{"type": "integer", "minimum": 0}`, `{"type": "boolean"}`, `{"type": "array", "items": {"type": "string"}}`
	return operation.Operation{
		Name: "permissions", Summary: "What a ServiceAccount or user may do: the blast radius",
		Mode: v1alpha1.OperationRead,
		Arguments: `{"type": "object", "additionalProperties": false, "properties": {
			"serviceAccount": ` + namespacedNameSchema + `, "user": ` + userSchema + `,
			"groups": {"type": "array", "maxItems": 64, "items": ` + userSchema + `}},
			"oneOf": [{"required": ["serviceAccount"], "properties": {"groups": false}}, {"required": ["user"]}]}`,
		Result: properties("subject", `{"type": "string"}`, "clusterAdmin", flag, "secretsReadable", count, "namespaces", count,
			"podsExec", count, "nodes", count, "canEscalate", flag, "canBind", flag, "canImpersonate", flag,
			"canCreatePods", flag, "canRequestTokens", flag,
			"takesOver?", texts, "becomesClusterAdmin?", flag, "worst", texts, "bindings", texts, "gaps", texts),
		// They hold names that whoever creates bindings chooses.
		Untrusted: []string{"subject", "takesOver", "worst", "bindings"},
	}
}

func (permissions) ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error) {
	a, err := decode[struct {
		ServiceAccount string   `json:"serviceAccount"`
		User           string   `json:"user"`
		Groups         []string `json:"groups"`
	}](arguments)
	if err != nil {
		return nil, err
	}
	subject := rbac.User(a.User, a.Groups...)
	if a.ServiceAccount != "" {
		subject = rbac.ServiceAccount(split(a.ServiceAccount))
	}
	granted, err := c.granted.get(ctx, c.clock, func() (grants, error) { return c.readGrants(ctx) })
	if err != nil {
		return nil, err
	}
	served, err := c.serves(ctx)
	if err != nil {
		return nil, err
	}
	s := survey{cluster: c, gaps: slices.Clone(granted.gaps)}
	rights := granted.objects.Evaluate(subject)
	inventory := s.inventory(ctx, rights)
	inventory.Namespaces, inventory.Namespaced = granted.namespaces, served.namespaced
	reach := granted.objects.Reach(rights, inventory)
	if s.err != nil {
		return nil, s.err
	}
	return answer(struct {
		Subject string `json:"subject"`
		rbac.Reach
		Gaps []string `json:"gaps"`
	}{subject.User, reach, s.gaps})
}

// survey lists what it may, and keeps what it may not as gaps. The first other error ends it.
type survey struct {
	*cluster
	gaps []string
	err  error
}

// list returns false where the list is not known.
func (s *survey) list(ctx context.Context, into client.ObjectList, what, instead string) bool {
	if s.err != nil {
		return false
	}
	err := s.List(ctx, into)
	if apierrors.IsForbidden(err) {
		s.gaps = append(s.gaps, fmt.Sprintf("ServiceAccount %s may not list %s: %s", s.account, what, instead))
		return false
	}
	s.err = s.explain(err, "listing "+what)
	return err == nil
}

// grantsFreshness is how old they may be: a burst of alerts then lists them twice
// a second, not once an alert.
const grantsFreshness = 500 * time.Millisecond

// grants are what every question starts from, whoever it is about.
type grants struct {
	objects    rbac.Objects
	namespaces []rbac.Namespace
	gaps       []string
}

func (c *cluster) readGrants(ctx context.Context) (grants, error) {
	var (
		clusterRoles        rbacv1.ClusterRoleList
		roles               rbacv1.RoleList
		clusterRoleBindings rbacv1.ClusterRoleBindingList
		roleBindings        rbacv1.RoleBindingList
		namespaces          corev1.NamespaceList
	)
	s := survey{cluster: c, gaps: []string{}}
	const tooLittle = "what they grant is missing here"
	s.list(ctx, &clusterRoleBindings, "clusterrolebindings", tooLittle)
	s.list(ctx, &roleBindings, "rolebindings", tooLittle)
	s.list(ctx, &clusterRoles, "clusterroles", tooLittle)
	s.list(ctx, &roles, "roles", tooLittle)
	s.list(ctx, &namespaces, "namespaces", "nothing in them is counted")
	g := grants{gaps: s.gaps, objects: rbac.Objects{
		ClusterRoles: clusterRoles.Items, Roles: roles.Items,
		ClusterRoleBindings: clusterRoleBindings.Items, RoleBindings: roleBindings.Items,
	}}
	for _, n := range namespaces.Items {
		g.namespaces = append(g.namespaces, rbac.Namespace{
			Name: n.Name, Criticality: n.Labels[v1alpha1.LabelCriticality], Restricted: restricted(n.Labels),
		})
	}
	return g, s.err
}

// inventory lists only what the rights reach at all, and only names: the data of
// a Secret is never read.
func (s *survey) inventory(ctx context.Context, rights rbac.Rights) rbac.Inventory {
	var i rbac.Inventory
	if rights.ReadsSecrets() {
		i.Secrets = s.names(ctx, "Secret", "secretsReadable counts namespaces instead")
	}
	if rights.RunsCommands() {
		i.Pods = s.names(ctx, "Pod", "podsExec is not counted")
	}
	if rights.UsesNodes() {
		i.Nodes = s.names(ctx, "Node", "nodes are not counted")[""]
	}
	return i
}

// names of all objects of a core kind, by namespace; nil where they may not be listed.
func (s *survey) names(ctx context.Context, kind, instead string) map[string][]string {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind + "List"))
	if !s.list(ctx, list, strings.ToLower(kind)+"s", instead) {
		return nil
	}
	byNamespace := map[string][]string{}
	for _, item := range list.Items {
		byNamespace[item.Namespace] = append(byNamespace[item.Namespace], item.Name)
	}
	return byNamespace
}

// restricted says whether Pod Security Admission enforces more than "privileged".
func restricted(labels map[string]string) bool {
	level := labels["pod-security.kubernetes.io/enforce"]
	return level == "baseline" || level == "restricted"
}
