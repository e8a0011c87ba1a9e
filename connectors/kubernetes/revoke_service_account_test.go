package kubernetes_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/conformance"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
)

const tokenSecretsRole = "tocsin-connector-token-secrets"

func (w *world) account(name string) *corev1.ServiceAccount {
	mount := false
	return &corev1.ServiceAccount{
		ObjectMeta:                   metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: map[string]string{"team": "shop"}, Annotations: map[string]string{"role": "arn:web"}},
		ImagePullSecrets:             []corev1.LocalObjectReference{{Name: "registry"}},
		AutomountServiceAccountToken: &mount,
	}
}

func (w *world) tokenSecret(name, account string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Labels: map[string]string{"for": "ci"}, Annotations: map[string]string{corev1.ServiceAccountNameKey: account}},
		Type:       corev1.SecretTypeServiceAccountToken,
	}
}

func (w *world) revokeServiceAccount(t *testing.T) conformance.Action {
	fresh := func() client.Object { return w.account("revoked") }
	a := w.action(t, "revoke-service-account", args("serviceAccount", w.namespace+"/revoked"), fresh, true, "v1 ServiceAccount", "v1 Secret")
	anew := a.Prepare
	a.Prepare = func(t *testing.T) {
		anew(t)
		w.delete(t, w.tokenSecret("revoked-token", "revoked"))
		if err := w.Create(t.Context(), w.tokenSecret("revoked-token", "revoked")); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// token of the account, as a node asks for it.
func (w *world) token(t *testing.T, account string) string {
	t.Helper()
	hour := int64(3600)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &hour}}
	err := w.SubResource("token").Create(t.Context(), &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: account}}, request)
	if err != nil {
		t.Fatal(err)
	}
	return request.Status.Token
}

func (w *world) valid(t *testing.T, token string) bool {
	t.Helper()
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	if err := w.Create(t.Context(), review); err != nil {
		t.Fatal(err)
	}
	return review.Status.Authenticated
}

func TestRevokedTokensAreInvalid(t *testing.T) {
	w := newWorld(t, append(allRoles, tokenSecretsRole)...)
	c := w.connector(t, kubernetes.Options{})
	w.create(t, w.account("web"))
	w.create(t, w.tokenSecret("web-token", "web"))
	w.create(t, w.tokenSecret("of-another", "db"))
	holder := w.pod("holder", nil)
	path := corev1.VolumeProjection{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}
	holder.Spec.Volumes = []corev1.Volume{{Name: "token", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{path}}}}}
	w.create(t, holder)
	w.create(t, w.pod("without", nil))
	// The API server remembers for ten seconds that a token was valid.
	token, unseen := w.token(t, "web"), w.token(t, "web")
	if !w.valid(t, token) {
		t.Fatal("the token is not valid to begin with")
	}
	r := request("revoke-service-account", "serviceAccount", w.namespace+"/web")
	planned := plan(t, c, r)
	for _, want := range []string{"a revoked token stays revoked", "1 pod holds a token of it: holder.", "1 token Secret is deleted"} {
		if got := strings.Join(planned.Warnings, "\n"); !strings.Contains(got, want) {
			t.Errorf("warnings are %q, want %q", got, want)
		}
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	revoked(t, w, unseen)
	var account corev1.ServiceAccount
	if err := w.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "web"}, &account); err != nil {
		t.Fatal(err)
	}
	was := w.account("web")
	if account.Labels["team"] != "shop" || account.Annotations["role"] != "arn:web" || len(account.ImagePullSecrets) != 1 || *account.AutomountServiceAccountToken != *was.AutomountServiceAccountToken {
		t.Errorf("the account came back as %+v", account)
	}
	if got := w.secrets(t); !slices.Equal(got, []string{"of-another"}) {
		t.Errorf("Secrets left are %v, want that of another account", got)
	}
	newer := w.token(t, "web")
	if !w.valid(t, newer) {
		t.Error("the account gives no new tokens")
	}
	back := undo(t, planned)
	wantOutcome(t, c, back, plan(t, c, back), v1alpha1.OutcomeSucceeded)
	if got := w.secrets(t); !slices.Equal(got, []string{"of-another", "web-token"}) {
		t.Errorf("Secrets after the undo are %v", got)
	}
	revoked(t, w, unseen)
	if !w.valid(t, newer) {
		t.Error("the undo changed which tokens are valid")
	}
	again := request("revoke-service-account", "serviceAccount", w.namespace+"/web")
	again.Key = "key-2"
	if p := plan(t, c, again); p.Done {
		t.Error("a later request has nothing to revoke, though there are newer tokens")
	}
}

func revoked(t *testing.T, w *world, token string) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		return !w.valid(t, token), nil
	})
	if err != nil {
		t.Errorf("the token is still valid: %v", err)
	}
}

func (w *world) secrets(t *testing.T) []string {
	t.Helper()
	var list corev1.SecretList
	if err := w.List(t.Context(), &list, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list.Items {
		names = append(names, s.Name)
	}
	return names
}

func TestRevocationIsCompletedAfterACrash(t *testing.T) {
	w := newWorld(t, append(allRoles, tokenSecretsRole)...)
	c := w.connector(t, kubernetes.Options{})
	account := w.account("web")
	w.create(t, account)
	r := request("revoke-service-account", "serviceAccount", w.namespace+"/web")
	planned := plan(t, c, r)
	wantObserved(t, c, r, planned, connectors.EffectAbsent)
	w.delete(t, account) // and then it died
	wantObserved(t, c, r, planned, connectors.EffectPartial)
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	wantObserved(t, c, r, planned, connectors.EffectPresent)
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(account), account); err != nil || account.Labels["team"] != "shop" {
		t.Errorf("the account came back as %+v, %v", account, err)
	}
}

// The control plane makes an account called default again by itself, and empty.
func TestRevocationOfAnAccountThatIsMadeAgainFirst(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	account := w.account("web")
	w.create(t, account)
	r := request("revoke-service-account", "serviceAccount", w.namespace+"/web")
	planned := plan(t, c, r)
	w.delete(t, account)
	w.create(t, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "web"}})
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeSucceeded)
	if err := w.Get(t.Context(), client.ObjectKeyFromObject(account), account); err != nil || len(account.ImagePullSecrets) != 1 || account.Labels["team"] != "shop" {
		t.Errorf("the account is %+v, %v; want what the old one had", account, err)
	}
}

func TestRevocationIsRefused(t *testing.T) {
	tests := map[string]struct {
		account string
		prepare func(t *testing.T, w *world)
		want    string
		err     error
	}{
		"of who acts here":    {"connector", func(*testing.T, *world) {}, "Tocsin acts as", connectors.ErrInvalid},
		"of who is not there": {"gone", func(*testing.T, *world) {}, "gone", connectors.ErrNotFound},
		"where it would wait": {"web", func(t *testing.T, w *world) { w.finalized(t) }, "finalizers", connectors.ErrConflict},
		"of who is being deleted": {"web", func(t *testing.T, w *world) {
			if err := w.Delete(t.Context(), w.finalized(t)); err != nil {
				t.Fatal(err)
			}
		}, "being deleted", connectors.ErrConflict},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, allRoles...)
			test.prepare(t, w)
			_, err := w.connector(t, kubernetes.Options{}).Plan(t.Context(), request("revoke-service-account", "serviceAccount", w.namespace+"/"+test.account))
			if !errors.Is(err, test.err) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %v with %q", err, test.err, test.want)
			}
		})
	}
}

// finalized is an account whose deletion does not end before the test does.
func (w *world) finalized(t *testing.T) *corev1.ServiceAccount {
	t.Helper()
	account := w.account("web")
	account.Finalizers = []string{"example.com/wait"}
	w.create(t, account)
	t.Cleanup(func() {
		free := client.RawPatch("application/merge-patch+json", []byte(`{"metadata": {"finalizers": null}}`))
		if err := w.Patch(context.Background(), account, free); err != nil {
			t.Log(err)
		}
	})
	return account
}

func TestRevocationOfAChangedAccountIsPlannedAgain(t *testing.T) {
	w := newWorld(t, allRoles...)
	c := w.connector(t, kubernetes.Options{})
	account := w.account("web")
	w.create(t, account)
	w.create(t, w.tokenSecret("web-token", "web"))
	r := request("revoke-service-account", "serviceAccount", w.namespace+"/web")
	planned := plan(t, c, r)
	if got := strings.Join(planned.Warnings, "\n"); !strings.Contains(got, "may not list and delete secrets") {
		t.Errorf("warnings are %q, want one about token Secrets that are not seen", got)
	}
	account.Labels["team"] = "another"
	if err := w.Update(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	wantOutcome(t, c, r, planned, v1alpha1.OutcomeFailed)
	wantObserved(t, c, r, planned, connectors.EffectAbsent)
}

// What is deleted and cannot be made again, or not be put back, must be known before.
func TestARightToDeleteIsNoneToPutBack(t *testing.T) {
	w := newWorld(t)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "deletes-" + w.namespace}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, Verbs: []string{"get", "delete"}},
		{APIGroups: []string{""}, Resources: []string{"pods", "services"}, Verbs: []string{"list"}},
		{APIGroups: []string{"batch"}, Resources: []string{"cronjobs"}, Verbs: []string{"get", "delete"}},
	}}
	w.create(t, role)
	w.bind(t, role.Name, role.Name, w.namespace, "connector")
	w.inForce(t, "system:serviceaccount:"+w.namespace+":connector", authorizationv1.ResourceAttributes{Verb: "delete", Group: "batch", Resource: "cronjobs"})
	c := w.connector(t, kubernetes.Options{})
	w.create(t, w.account("web"))
	_, err := c.Plan(t.Context(), request("revoke-service-account", "serviceAccount", w.namespace+"/web"))
	if !errors.Is(err, connectors.ErrForbidden) || !strings.Contains(err.Error(), "lacks verb create on resource \"serviceaccounts\"") {
		t.Errorf("revoking: got %v, want ErrForbidden that names what is missing", err)
	}
	w.create(t, w.cronJob("planted"))
	planned := plan(t, c, request("delete-object", "kind", "CronJob", "namespace", w.namespace, "name", "planted"))
	if got := strings.Join(planned.Warnings, "\n"); !strings.Contains(got, "undo will be refused as things are") || !strings.Contains(got, "lacks verb create on resource \"cronjobs\"") {
		t.Errorf("deleting: warnings are %q", got)
	}
}
