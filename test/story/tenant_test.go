package story_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
	"github.com/tocsin-dev/tocsin/test/env"
)

const (
	falcoToken = "falco-token"
	auditToken = "audit-token"
)

// tenant is a namespace with all that an operations centre needs: sources, the
// shipped detections, playbooks and policies, and two people on call.
type tenant struct {
	t         *testing.T
	cluster   *env.Cluster
	operator  *operator
	namespace string
	// alice holds tier analyst, bob tier senior as well.
	alice, bob person

	// accepted are the ids of events that were answered with 202; lost counts
	// requests that broke off, whose events may have been stored or not.
	accepted []string
	lost     int
}

// person is somebody with a certificate of their own.
type person struct {
	name string
	client.Client
}

var tenants atomic.Int64

// openTenant sets up a namespace and waits until all of it is in force.
func openTenant(t *testing.T, c *env.Cluster, o *operator, name string) *tenant {
	t.Helper()
	s := &tenant{t: t, cluster: c, operator: o, namespace: fmt.Sprintf("soc-%s-%d", name, tenants.Add(1))}
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace}})
	s.alice, s.bob = s.onCall("alice", "tocsin-responder"), s.onCall("bob", "tocsin-senior")
	s.grants()
	for _, object := range s.configuration() {
		s.create(object)
	}
	for _, folder := range []string{"detections", "playbooks", "policies"} {
		s.apply(filepath.Join("../../config", folder))
	}
	s.inForce(&v1alpha1.AlertSourceList{}, &v1alpha1.ConnectorList{}, &v1alpha1.AnalystList{},
		&v1alpha1.DetectionRuleList{}, &v1alpha1.PlaybookList{}, &v1alpha1.ApprovalPolicyList{})
	return s
}

func (s *tenant) create(object client.Object) {
	s.t.Helper()
	if err := s.cluster.Client.Create(s.t.Context(), object); err != nil {
		s.t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func (s *tenant) onCall(name, role string) person {
	s.t.Helper()
	user := name + "@" + s.namespace
	s.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	})
	return person{name: user, Client: s.cluster.ClientAs(s.t, user)}
}

// grants are what the operator is pointed to in this namespace, and what its
// connector may do in the cluster.
func (s *tenant) grants() {
	s.t.Helper()
	s.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "responder"}})
	s.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "tocsin"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"senders"}, Verbs: []string{"get"}},
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts"}, ResourceNames: []string{"responder"}, Verbs: []string{"impersonate"}},
	}})
	s.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "tocsin"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tocsin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: operatorNamespace, Name: operatorAccount}},
	})
	for _, role := range []string{"tocsin-connector-reader", "tocsin-connector-responder"} {
		s.create(&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: s.namespace + "-" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: "responder"}},
		})
	}
}

func (s *tenant) configuration() []client.Object {
	here := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: s.namespace, Name: name} }
	return []client.Object{
		&corev1.Secret{ObjectMeta: here("senders"), StringData: map[string]string{"falco": falcoToken, "audit": auditToken}},
		&v1alpha1.AlertSource{ObjectMeta: here("falco"), Spec: v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco, Authentication: bearer("senders", "falco")}},
		&v1alpha1.AlertSource{ObjectMeta: here("audit"), Spec: v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatKubernetesAudit, Authentication: bearer("senders", "audit")}},
		&v1alpha1.Connector{ObjectMeta: here("cluster"), Spec: v1alpha1.ConnectorSpec{Type: v1alpha1.ConnectorKubernetes, ServiceAccountName: "responder"}},
		&v1alpha1.Analyst{ObjectMeta: here("default"), Spec: v1alpha1.AnalystSpec{KnownAutomation: []v1alpha1.KnownAutomation{{
			User: "system:serviceaccount:gitops-" + s.namespace + ":deployer", Namespaces: []string{"catalog-" + s.namespace}, Reason: "applies what was reviewed in Git",
		}}}},
	}
}

func bearer(secret, key string) v1alpha1.SourceAuthentication {
	return v1alpha1.SourceAuthentication{Bearer: &v1alpha1.BearerAuthentication{SecretRef: v1alpha1.SecretKeyReference{Name: secret, Key: key}}}
}

// apply creates the objects of a folder that Tocsin ships, in the tenant's namespace.
func (s *tenant) apply(folder string) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(raw, &object.Object); err != nil {
			s.t.Fatalf("%s: %v", file, err)
		}
		object.SetNamespace(s.namespace)
		s.create(object)
	}
}

// inForce waits until all objects of some kinds are Ready.
func (s *tenant) inForce(lists ...client.ObjectList) {
	s.t.Helper()
	for _, list := range lists {
		eventually(s.t, fmt.Sprintf("%T to be in force", list), func(ctx context.Context) (bool, string) {
			if err := s.cluster.Client.List(ctx, list, client.InNamespace(s.namespace)); err != nil {
				return false, err.Error()
			}
			items, err := meta.ExtractList(list)
			if err != nil || len(items) == 0 {
				return false, fmt.Sprintf("%d objects, %v", len(items), err)
			}
			for _, item := range items {
				status := item.(interface {
					Configuration() *v1alpha1.ConfigurationStatus
				}).Configuration()
				if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
					return false, fmt.Sprintf("%s: %+v", item.(client.Object).GetName(), status.Conditions)
				}
			}
			return true, ""
		})
	}
}

// post sends an event as somebody with a token would, once.
func (s *tenant) post(ctx context.Context, source, token string, body []byte) (int, string, error) {
	url := "http://" + s.operator.ingest + "/v1/sources/" + s.namespace + "/" + source
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

// alerts of the tenant, by rule.
func (s *tenant) alerts() map[string][]v1alpha1.Alert {
	s.t.Helper()
	var list v1alpha1.AlertList
	s.list(&list)
	found := map[string][]v1alpha1.Alert{}
	for _, a := range list.Items {
		found[a.Spec.Rule] = append(found[a.Spec.Rule], a)
	}
	return found
}

func (s *tenant) list(list client.ObjectList) {
	s.t.Helper()
	if err := s.cluster.Client.List(s.t.Context(), list, client.InNamespace(s.namespace)); err != nil {
		s.t.Fatal(err)
	}
}

// theCase waits for the one Investigation of the tenant with some number of alerts and a verdict.
func (s *tenant) theCase(alerts int, verdict v1alpha1.Verdict) *v1alpha1.Investigation {
	s.t.Helper()
	var found v1alpha1.Investigation
	eventually(s.t, fmt.Sprintf("one %s case of %d alerts", verdict, alerts), func(ctx context.Context) (bool, string) {
		var list v1alpha1.InvestigationList
		if err := s.cluster.Client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
			return false, err.Error()
		}
		seen := ""
		for _, c := range list.Items {
			seen += fmt.Sprintf("%s: %s, %d alerts, %d actions\n%s\n", c.Name, c.Status.Verdict, c.Status.AlertCount, len(c.Status.Actions), c.Status.Narrative)
		}
		if len(list.Items) != 1 {
			return false, fmt.Sprintf("%d cases\n%s", len(list.Items), seen)
		}
		found = list.Items[0]
		return found.Status.Verdict == verdict && int(found.Status.AlertCount) == alerts, seen
	})
	return &found
}

// action waits until the action of an operation on a target stands somewhere.
func (s *tenant) action(operation, target, reason string) *v1alpha1.ResponseAction {
	s.t.Helper()
	var found v1alpha1.ResponseAction
	eventually(s.t, fmt.Sprintf("%s of %s to be %s", operation, target, reason), func(ctx context.Context) (bool, string) {
		var list v1alpha1.ResponseActionList
		if err := s.cluster.Client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
			return false, err.Error()
		}
		seen := ""
		for _, a := range list.Items {
			plan := a.Status.Plan
			seen += fmt.Sprintf("%s: %s\n", a.Name, response.Standing(&a))
			if plan != nil && a.Spec.Use != nil && a.Spec.Use.Operation == operation && plan.Target.Name == target && response.Standing(&a) == reason {
				found = a
				return true, ""
			}
		}
		return false, seen
	})
	return &found
}

// decide creates an Approval of the plan that an action has now.
func (s *tenant) decide(by person, action *v1alpha1.ResponseAction, tier v1alpha1.Tier, decision v1alpha1.ApprovalDecision) *v1alpha1.Approval {
	s.t.Helper()
	approval := newApproval(by, action, tier, decision)
	if err := by.Create(s.t.Context(), approval); err != nil {
		s.t.Fatalf("%s decides on %s: %v", by.name, action.Name, err)
	}
	return approval
}

func newApproval(by person, action *v1alpha1.ResponseAction, tier v1alpha1.Tier, decision v1alpha1.ApprovalDecision) *v1alpha1.Approval {
	return &v1alpha1.Approval{
		ObjectMeta: metav1.ObjectMeta{Namespace: action.Namespace, GenerateName: action.Name + "-"},
		Spec: v1alpha1.ApprovalSpec{
			Action: action.Name, PlanDigest: action.Status.Plan.Digest, Decision: decision, Tier: tier, Approver: by.name, Reason: "looked at it",
		},
	}
}
