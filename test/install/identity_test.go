package install_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/test/env"
)

// token returns the configuration of a ServiceAccount with a token of its own,
// as its pod has one.
func token(t *testing.T, c *env.Cluster, ns, name string) *rest.Config {
	t.Helper()
	request := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	if err := c.Client.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	config := rest.AnonymousClientConfig(c.Config)
	config.QPS = -1
	config.BearerToken = request.Status.Token
	return config
}

func newClient(t *testing.T, c *env.Cluster, config *rest.Config) client.Client {
	t.Helper()
	cl, err := client.New(config, client.Options{Scheme: c.Scheme, Mapper: c.Client.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// The role edit holds the verb impersonate on ServiceAccounts.
func TestImpersonatorIsNotTheOperator(t *testing.T) {
	c := cluster(t)
	ns := newNamespace(t, c)
	// More rights than it is ever given, so that RBAC refuses nothing here.
	person(t, c, operator, "cluster-admin")
	real := newClient(t, c, token(t, c, namespace, "tocsin"))
	opened := &v1alpha1.Investigation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "case"}}
	if err := real.Create(t.Context(), opened.DeepCopy()); err != nil {
		t.Fatalf("the operator opening a case with its own token: %v", err)
	}
	verdict := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"verdict":"FalsePositive"}}`))
	if err := real.Status().Patch(t.Context(), opened.DeepCopy(), verdict); err != nil {
		t.Fatalf("the operator writing a verdict with its own token: %v", err)
	}

	person(t, c, "mallory", "edit")
	config := c.As(t, "mallory")
	config.Impersonate = rest.ImpersonationConfig{UserName: operator}
	mask := newClient(t, c, config)
	if err := refused(mask.Status().Patch(t.Context(), opened.DeepCopy(), verdict), "tocsin-status", "'"+operator+"' may not write the status of investigations"); err != nil {
		t.Errorf("a verdict: %v", err)
	}
	if err := refused(mask.Create(t.Context(), alert(ns)), "tocsin-alerts", "'"+operator+"' may not create alerts"); err != nil {
		t.Errorf("an alert: %v", err)
	}
	if err := refused(mask.Create(t.Context(), action(ns, "playbook:shell")), "tocsin-requesters", "spec.requestedBy"); err != nil {
		t.Errorf("an action: %v", err)
	}
	config = rest.CopyConfig(config)
	config.Impersonate.Extra = map[string][]string{"authentication.kubernetes.io/credential-id": {"JTI=forged"}}
	err := newClient(t, c, config).Status().Patch(t.Context(), opened.DeepCopy(), verdict)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "userextras") {
		t.Errorf("a forged credential-id: got %v, want Forbidden to impersonate userextras", err)
	}
}

// The role edit lets people impersonate ServiceAccounts, ask for their tokens and
// run as them: what one of those holds, it would hand to them.
func TestWhoActsAsAServiceAccountMayNotApprove(t *testing.T) {
	c := cluster(t)
	ns := newNamespace(t, c)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "on-call"}}
	if err := c.Client.Create(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	senior := "system:serviceaccount:" + ns + ":on-call"
	person(t, c, senior, "tocsin-senior")
	mallory := person(t, c, "mallory", "edit")

	minted := &authenticationv1.TokenRequest{}
	if err := mallory.SubResource("token").Create(t.Context(), account, minted); err != nil {
		t.Fatalf("mallory asking for a token: %v", err)
	}
	byToken := rest.AnonymousClientConfig(c.Config)
	byToken.BearerToken = minted.Status.Token
	byImpersonation := c.As(t, "mallory")
	byImpersonation.Impersonate = rest.ImpersonationConfig{UserName: senior}
	ways := map[string]*rest.Config{"with its token": byToken, "impersonating it": byImpersonation}
	for way, config := range ways {
		for _, tier := range []v1alpha1.Tier{v1alpha1.TierAnalyst, v1alpha1.TierSenior} {
			err := newClient(t, c, config).Create(t.Context(), approval(ns, senior, tier))
			if err := refused(err, "tocsin-approvals", "'"+senior+"' is a ServiceAccount, and none may decide"); err != nil {
				t.Errorf("%s, at tier %s: %v", way, tier, err)
			}
		}
	}
}

// tokenSecret asks for a token of the operator.
func tokenSecret(ns string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "token", Annotations: map[string]string{corev1.ServiceAccountNameKey: "tocsin"}},
		Type:       corev1.SecretTypeServiceAccountToken,
	}
}

// Whoever runs a pod in the operator's namespace is the operator.
func TestNobodyEntersTheOperatorsNamespace(t *testing.T) {
	c := cluster(t)
	pod := func(ns string) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "intruder"},
			Spec: corev1.PodSpec{
				ServiceAccountName: "tocsin",
				SecurityContext:    &corev1.PodSecurityContext{RunAsNonRoot: new(true), SeccompProfile: &corev1.SeccompProfile{Type: "RuntimeDefault"}},
				Containers: []corev1.Container{{Name: "c", Image: "i", SecurityContext: &corev1.SecurityContext{
					AllowPrivilegeEscalation: new(false), Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
				}}},
			},
		}
	}
	image := client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"tocsin","image":"evil"}]}}}}`))
	ways := map[string]func(context.Context, *rest.Config, string) error{
		"CREATE serviceaccounts/token": func(ctx context.Context, config *rest.Config, ns string) error {
			account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "tocsin"}}
			return newClient(t, c, config).SubResource("token").Create(ctx, account, &authenticationv1.TokenRequest{})
		},
		"CREATE pods": func(ctx context.Context, config *rest.Config, ns string) error {
			return newClient(t, c, config).Create(ctx, pod(ns), client.DryRunAll)
		},
		"CREATE secrets": func(ctx context.Context, config *rest.Config, ns string) error {
			return newClient(t, c, config).Create(ctx, tokenSecret(ns), client.DryRunAll)
		},
		"UPDATE deployments": func(ctx context.Context, config *rest.Config, ns string) error {
			deployment := find(t, kustomize(t, "manager"), "Deployment")
			deployment.SetNamespace(ns)
			return newClient(t, c, config).Patch(ctx, deployment, image, client.DryRunAll)
		},
		"CONNECT pods/exec": func(ctx context.Context, config *rest.Config, ns string) error {
			return kubernetes.NewForConfigOrDie(config).CoreV1().RESTClient().Post().Namespace(ns).
				Resource("pods").Name("tocsin-0").SubResource("exec").Param("command", "sh").Do(ctx).Error()
		},
	}
	person(t, c, "mallory", "edit")
	mallory := c.As(t, "mallory")
	for what, try := range ways {
		t.Run(what, func(t *testing.T) {
			err := try(t.Context(), mallory, namespace)
			if err := refused(err, "tocsin-operator", "'mallory' may not "+what+" in namespace tocsin-system, where the operator runs"); err != nil {
				t.Error(err)
			}
			elsewhere := newNamespace(t, c)
			if err := try(t.Context(), mallory, elsewhere); err != nil && !apierrors.IsNotFound(err) {
				t.Errorf("in namespace %s: %v", elsewhere, err)
			}
		})
	}

	plain := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "plain"}}
	if err := newClient(t, c, mallory).Create(t.Context(), plain, client.DryRunAll); err != nil {
		t.Errorf("a Secret that asks for no token: %v", err)
	}

	controller := "system:serviceaccount:kube-system:replicaset-controller"
	person(t, c, controller, "system:controller:replicaset-controller")
	if err := newClient(t, c, c.As(t, controller, "system:serviceaccounts", "system:serviceaccounts:kube-system")).Create(t.Context(), pod(namespace), client.DryRunAll); err != nil {
		t.Errorf("the controller of ReplicaSets: %v", err)
	}
	person(t, c, "system:node:n1", "system:node")
	if err := ways["CREATE serviceaccounts/token"](t.Context(), c.As(t, "system:node:n1", "system:nodes"), namespace); err != nil {
		t.Errorf("a node: %v", err)
	}
	person(t, c, "root", "cluster-admin")
	if err := ways["CREATE pods"](t.Context(), c.As(t, "root"), namespace); err != nil {
		t.Errorf("a cluster-admin: %v", err)
	}
}

// What kubectl auth can-i --list shows for the operator: nowhere a wildcard, and of
// Secrets and other identities only what a tenant handed over, by name.
func TestOperatorsRights(t *testing.T) {
	c := cluster(t)
	apply(t, c.Client, kustomize(t, "samples"))
	waitUntilAllowed(t, c, operator, authorizationv1.ResourceAttributes{Namespace: "soc", Verb: "get", Resource: "secrets", Name: "falco"})
	asOperator := newClient(t, c, token(t, c, namespace, "tocsin"))
	tests := map[string]struct {
		namespace string
		want      []string
	}{
		"its own namespace": {namespace: namespace},
		"a namespace":       {namespace: newNamespace(t, c)},
		"the tenant of config/samples": {namespace: "soc", want: []string{
			"get secrets falco kubernetes-audit alertmanager", "impersonate serviceaccounts responder",
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, handedOver(t, rulesIn(t, asOperator, tc.namespace))); diff != "" {
				t.Errorf("handed over (-want +got):\n%s", diff)
			}
		})
	}
	ns := newNamespace(t, c)
	if err := asOperator.Create(t.Context(), approval(ns, operator, "analyst")); !apierrors.IsForbidden(err) || strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
		t.Errorf("creating an Approval: got %v, want RBAC's refusal", err)
	}
}

// rulesIn are the rules of a user in a namespace.
func rulesIn(t *testing.T, user client.Client, ns string) []authorizationv1.ResourceRule {
	t.Helper()
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: ns}}
	if err := user.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	if review.Status.Incomplete {
		t.Fatalf("the review is incomplete: %s", review.Status.EvaluationError)
	}
	ofTocsin := func(r authorizationv1.ResourceRule) bool { return slices.Contains(r.APIGroups, v1alpha1.Group) }
	if !slices.ContainsFunc(review.Status.ResourceRules, ofTocsin) {
		t.Error("it may do nothing in soc.tocsin.dev: is its ClusterRole bound?")
	}
	return review.Status.ResourceRules
}

// handedOver are the rules on Secrets and identities; none may say more than it must.
func handedOver(t *testing.T, rules []authorizationv1.ResourceRule) []string {
	t.Helper()
	var handed []string
	for _, rule := range rules {
		everything := strings.Join(slices.Concat(rule.APIGroups, rule.Resources, rule.ResourceNames, rule.Verbs), " ")
		if strings.Contains(everything, "*") {
			t.Errorf("a wildcard: %v", rule)
		}
		for _, verb := range []string{"approve", "escalate", "bind"} {
			if slices.Contains(rule.Verbs, verb) {
				t.Errorf("too much: %v", rule)
			}
		}
		if slices.Contains(rule.Resources, "approvals") && slices.Contains(rule.Verbs, "create") {
			t.Errorf("it may create Approvals: %v", rule)
		}
		if slices.Contains(rule.Resources, "secrets") || slices.Contains(rule.Verbs, "impersonate") {
			handed = append(handed, strings.Join(slices.Concat(rule.Verbs, rule.Resources, rule.ResourceNames), " "))
		}
	}
	slices.Sort(handed)
	return handed
}
