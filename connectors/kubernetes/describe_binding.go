package kubernetes

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

// describeBinding tells what a binding grants, and to whom.
type describeBinding struct{}

func (describeBinding) describe() operation.Operation {
	const text, flag = `{"type": "string"}`, `{"type": "boolean"}`
	return operation.Operation{
		Name: "describe-binding", Summary: "What a RoleBinding or ClusterRoleBinding grants, and to whom",
		Mode: v1alpha1.OperationRead,
		Arguments: "{" + members("kind", bindingKinds, "namespace?", namespaceSchema, "name", rbacNameSchema, "actor?", userSchema) +
			"," + bindingScope + "}",
		Result: properties("found", flag, "role", properties("kind", text, "name", text), "grantsClusterAdmin", flag,
			"subjects", `{"type": "array", "items": `+text+`}`, "grantsActor", flag,
			"createdAt", text, "ageSeconds", `{"type": "integer"}`, "manager?", text),
		// A client chooses the name of its field manager, of roles, and of subjects that need not exist.
		Untrusted: []string{"manager", "subjects", "role.name"},
	}
}

type roleReference struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
}

type describedBinding struct {
	Found              bool          `json:"found"`
	Role               roleReference `json:"role"`
	GrantsClusterAdmin bool          `json:"grantsClusterAdmin"`
	Subjects           []string      `json:"subjects"`
	GrantsActor        bool          `json:"grantsActor"`
	CreatedAt          string        `json:"createdAt"`
	AgeSeconds         int64         `json:"ageSeconds"`
	Manager            string        `json:"manager,omitempty"`
}

func (describeBinding) ask(ctx context.Context, c *cluster, arguments map[string]any) (map[string]any, error) {
	a, err := decode[struct {
		object
		Actor string `json:"actor"`
	}](arguments)
	if err != nil {
		return nil, err
	}
	b, err := c.binding(ctx, a.object)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, c.explain(err, "reading "+name(a.target()))
	}
	everything, err := c.grantsEverything(ctx, b)
	if err != nil {
		return nil, err
	}
	described := describedBinding{
		Found: true, Role: roleReference{Kind: b.RoleRef.Kind, Name: b.RoleRef.Name}, GrantsClusterAdmin: everything,
		Subjects: []string{}, CreatedAt: b.CreationTimestamp.UTC().Format(time.RFC3339), AgeSeconds: c.age(b.CreationTimestamp),
		Manager: lastManager(b.ManagedFields),
	}
	for _, s := range b.Subjects {
		described.Subjects = append(described.Subjects, subjectText(s))
		described.GrantsActor = described.GrantsActor || slices.ContainsFunc(identities(a.Actor), func(who rbac.Subject) bool {
			return who.Is(s, b.Namespace)
		})
	}
	return answer(described)
}

// binding reads either kind as a RoleBinding, which has the same fields.
func (c *cluster) binding(ctx context.Context, o object) (*rbacv1.RoleBinding, error) {
	key := client.ObjectKey{Namespace: o.Namespace, Name: o.Name}
	if o.Kind == "RoleBinding" {
		b := &rbacv1.RoleBinding{}
		return b, c.Get(ctx, key, b)
	}
	b := &rbacv1.ClusterRoleBinding{}
	err := c.Get(ctx, key, b)
	return &rbacv1.RoleBinding{ObjectMeta: b.ObjectMeta, Subjects: b.Subjects, RoleRef: b.RoleRef}, err
}

// grantsEverything says whether the role allows every verb on every resource,
// under whatever name. A binding to a role that does not exist grants nothing yet.
func (c *cluster) grantsEverything(ctx context.Context, b *rbacv1.RoleBinding) (bool, error) {
	if b.RoleRef.Kind == "ClusterRole" && b.RoleRef.Name == "cluster-admin" {
		return true, nil
	}
	var rules []rbacv1.PolicyRule
	var err error
	if b.RoleRef.Kind == "ClusterRole" {
		role := &rbacv1.ClusterRole{}
		err = c.Get(ctx, client.ObjectKey{Name: b.RoleRef.Name}, role)
		rules = role.Rules
	} else {
		role := &rbacv1.Role{}
		err = c.Get(ctx, client.ObjectKey{Namespace: b.Namespace, Name: b.RoleRef.Name}, role)
		rules = role.Rules
	}
	if client.IgnoreNotFound(err) != nil {
		return false, c.explain(err, fmt.Sprintf("reading %s %s", b.RoleRef.Kind, b.RoleRef.Name))
	}
	return rbac.Rights{Grants: []rbac.Grant{{Rules: rules}}}.Everything(), nil
}

var accountName = regexp.MustCompile(`^([a-z0-9][-a-z0-9]*)/([a-z0-9][-.a-z0-9]*)$`)

// identities that an actor's name may mean: a user name, or namespace/name of a ServiceAccount.
func identities(actor string) []rbac.Subject {
	if actor == "" {
		return nil
	}
	all := []rbac.Subject{rbac.User(actor)}
	if match := accountName.FindStringSubmatch(actor); match != nil {
		all = append(all, rbac.ServiceAccount(match[1], match[2]))
	}
	return all
}

func subjectText(s rbacv1.Subject) string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return fmt.Sprintf("%s %s/%s", s.Kind, s.Namespace, s.Name)
	}
	return s.Kind + " " + s.Name
}

// lastManager is the field manager that wrote last, as it calls itself.
func lastManager(fields []metav1.ManagedFieldsEntry) string {
	var last metav1.ManagedFieldsEntry
	for _, entry := range fields {
		if entry.Time != nil && (last.Time == nil || !entry.Time.Before(last.Time)) {
			last = entry
		}
	}
	return last.Manager
}
