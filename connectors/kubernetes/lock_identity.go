package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/internal/kube/rbac"
	"github.com/tocsin-dev/tocsin/internal/operation"
)

const serviceAccountPrefix = "system:serviceaccount:"

// lockIdentity denies every write of one user or ServiceAccount.
var lockIdentity = &banning{
	operation: operation.Operation{
		Name: "lock-identity", Summary: "Deny every write of a user or ServiceAccount",
		Mode: v1alpha1.OperationWrite, Risk: v1alpha1.RiskHigh, Undo: v1alpha1.UndoReversible,
		Arguments: `{"type": "object", "additionalProperties": false, "properties": {
			"serviceAccount": ` + namespacedNameSchema + `, "user": {"type": "string", "minLength": 1, "maxLength": 253}},
			"oneOf": [{"required": ["serviceAccount"]}, {"required": ["user"]}]}`,
		Result: noResult,
	},
	parse: parseLock, warn: warnLock, undo: "unlock-identity",
}

var unlockIdentity = lifting{name: "unlock-identity", summary: "Let a locked user or ServiceAccount write again"}

func parseLock(c *cluster, arguments map[string]any) (ban, error) {
	a, err := decode[struct {
		ServiceAccount string `json:"serviceAccount"`
		User           string `json:"user"`
	}](arguments)
	if err != nil {
		return ban{}, err
	}
	// A user is no object: kind and group are those that a binding names it by.
	d := ban{
		target:  v1alpha1.TargetReference{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: rbacv1.UserKind, Name: a.User, UID: fingerprint(a.User)},
		summary: "lock user " + a.User,
	}
	username := a.User
	if a.ServiceAccount != "" {
		namespace, account := split(a.ServiceAccount)
		username = serviceAccountPrefix + namespace + ":" + account
		d.target = object{Kind: "ServiceAccount", Namespace: namespace, Name: account}.target()
		d.summary = "lock ServiceAccount " + a.ServiceAccount
	}
	if err := lockable(c, a.User, a.ServiceAccount); err != nil {
		return d, err
	}
	d.affects = []string{username}
	d.name = banName("tocsin-lock-", username)
	d.spec = lockSpec(username)
	return d, nil
}

// lockable refuses who must go on writing: the control plane, and whoever would have to undo the lock.
func lockable(c *cluster, user, serviceAccount string) error {
	switch {
	case strings.HasPrefix(user, serviceAccountPrefix):
		return fmt.Errorf("%w: user: %s is a ServiceAccount; name it by the argument serviceAccount, as namespace/name", connectors.ErrInvalid, user)
	case strings.HasPrefix(user, "system:"):
		return fmt.Errorf("%w: user: %s belongs to the control plane, which stands still without it", connectors.ErrInvalid, user)
	case serviceAccount == c.account.String():
		return fmt.Errorf("%w: serviceAccount: Tocsin acts as %s itself here, and could not take the lock back", connectors.ErrInvalid, serviceAccount)
	}
	return nil
}

func lockSpec(username string) admissionregistrationv1.ValidatingAdmissionPolicySpec {
	fail, forbidden := admissionregistrationv1.Fail, metav1.StatusReasonForbidden
	every := everyRequest("*", "*", []admissionregistrationv1.OperationType{admissionregistrationv1.OperationAll}, "*/*")
	return admissionregistrationv1.ValidatingAdmissionPolicySpec{
		FailurePolicy:    &fail,
		MatchConstraints: matching(&metav1.LabelSelector{}, every),
		MatchConditions:  []admissionregistrationv1.MatchCondition{{Name: "identity", Expression: "request.userInfo.username == " + celString(username)}},
		Validations: []admissionregistrationv1.Validation{{
			Expression: "false", Reason: &forbidden,
			Message: "this identity is locked by a response of Tocsin and may write nothing until that is undone",
		}},
	}
}

// celString is a string literal of CEL. CEL reads every escape that this writes, and as the same.
func celString(text string) string { return strconv.QuoteToASCII(text) }

func warnLock(ctx context.Context, c *cluster, d ban, plan *connectors.Plan) error {
	plan.Warnings = append(plan.Warnings, "reads are not held: admission policies see writes only; to take away reading, remove its role bindings")
	subject := rbac.User(d.target.Name)
	if d.target.Kind == "ServiceAccount" {
		subject = rbac.ServiceAccount(d.target.Namespace, d.target.Name)
		users, err := c.podsOf(ctx, d.target)
		if err != nil {
			return err
		}
		if len(users) > 0 {
			plan.Warnings = append(plan.Warnings, fmt.Sprintf("%s as it, and can write nothing either: %s", counted(len(users), "pod runs", "pods run"), listed(users)))
		}
	}
	granted, err := c.granted.get(ctx, c.clock, func() (grants, error) { return c.readGrants(ctx) })
	if err != nil {
		return err
	}
	rights := granted.objects.Evaluate(subject)
	if rights.Somewhere("delete", admissionregistrationv1.GroupName, "validatingadmissionpolicybindings") ||
		rights.Somewhere("delete", admissionregistrationv1.GroupName, "validatingadmissionpolicies") {
		plan.Warnings = append(plan.Warnings, "it may delete admission policies, and no admission policy holds that: it can take this lock away; remove its role bindings too")
	}
	if rights.Somewhere("impersonate", "", "users") || rights.Somewhere("impersonate", "", "serviceaccounts") {
		plan.Warnings = append(plan.Warnings, "it may impersonate: what it does in another's name is not held")
	}
	plan.Warnings = append(plan.Warnings, granted.gaps...)
	return nil
}

// podsOf names the pods that run as a ServiceAccount and have not ended.
func (c *cluster) podsOf(ctx context.Context, account v1alpha1.TargetReference) ([]string, error) {
	pods := &corev1.PodList{}
	if err := c.List(ctx, pods, client.InNamespace(account.Namespace)); err != nil {
		return nil, c.explain(err, "listing pods of "+account.Namespace)
	}
	var found []string
	for _, p := range pods.Items {
		if p.Spec.ServiceAccountName == account.Name && p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			found = append(found, p.Name)
		}
	}
	slices.Sort(found)
	return found, nil
}

func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}
