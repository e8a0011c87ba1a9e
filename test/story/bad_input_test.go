package story_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

// Whatever is wrong is told to whom it concerns, by what is wrong, and has no effect.
func TestBadInput(t *testing.T) {
	c := cluster(t)
	s := openTenant(t, c, startOperator(t, c), "bad")
	t.Run("requests", s.badRequests)
	t.Run("configuration", s.badConfiguration)
	t.Run("approvals", s.badApprovals)
}

// in is the tenant as a subtest sees it.
func (s *tenant) in(t *testing.T) *tenant {
	narrowed := *s
	narrowed.t = t
	return &narrowed
}

func (s *tenant) badRequests(t *testing.T) {
	s = s.in(t)
	narrow := &v1alpha1.AlertSource{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "narrow"},
		Spec:       v1alpha1.AlertSourceSpec{Format: v1alpha1.FormatFalco, Authentication: bearer("senders", "falco"), MaxBodyBytes: 1024},
	}
	s.create(narrow)
	s.inForce(&v1alpha1.AlertSourceList{})
	event := shell(t, "shop", "web-0", 0)
	tests := map[string]struct {
		source, token, body string
		code                int
		words               string
	}{
		"malformed JSON": {
			source: "falco", token: falcoToken, body: "{\"rule\":\n oops}",
			code: http.StatusBadRequest, words: "malformed JSON at line 2, column 2",
		},
		"an empty body": {source: "falco", token: falcoToken, code: http.StatusBadRequest, words: "the body is empty"},
		"a wrong token": {
			source: "falco", token: auditToken, body: string(event),
			code: http.StatusUnauthorized, words: "wrong or missing token",
		},
		"no token": {source: "falco", body: string(event), code: http.StatusUnauthorized, words: "wrong or missing token"},
		"a body over the limit": {
			source: "narrow", token: falcoToken, body: `"` + strings.Repeat("x", 1024) + `"`,
			code: http.StatusRequestEntityTooLarge, words: "over spec.maxBodyBytes of the AlertSource, 1024 bytes",
		},
		"an unknown source": {
			source: "nobody", token: falcoToken, body: string(event),
			code: http.StatusNotFound, words: "no AlertSource \\\"nobody\\\" in namespace \\\"" + s.namespace + "\\\"",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			code, answer, err := s.post(t.Context(), tc.source, tc.token, []byte(tc.body))
			if err != nil || code != tc.code || !strings.Contains(answer, tc.words) {
				t.Errorf("got %d %s, %v; want %d with %q", code, answer, err, tc.code, tc.words)
			}
		})
	}
	t.Run("audit events without an objectRef, or with a wrong one", s.badAuditEvents)

	// What comes after is the first that has an effect.
	s.deliver("falco", falcoToken, event)
	s.theCase(1, v1alpha1.Undetermined)
	if alerts := s.alerts(); len(alerts) != 1 || len(alerts[shellRule]) != 1 {
		t.Errorf("bad requests made alerts: %v", alerts)
	}
}

// badAuditEvents: an event about a URL has no objectRef, and no rule takes
// offence at it. One that is no object is put aside, and the rest of its list counts.
func (s *tenant) badAuditEvents(t *testing.T) {
	s = s.in(t)
	body := `{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [
		{"level": "Metadata", "auditID": "a1", "stage": "ResponseComplete", "requestURI": "/version", "verb": "get",
		 "user": {"username": "system:serviceaccount:shop:web"}, "responseStatus": {"code": 200}},
		{"level": "Metadata", "auditID": "a2", "stage": "ResponseComplete", "requestURI": "/api/v1/secrets", "verb": "list",
		 "user": {"username": "system:serviceaccount:shop:web"}, "responseStatus": {"code": 200}, "objectRef": "secrets"}]}`
	s.deliver("audit", auditToken, []byte(body))
	eventually(t, "an event about what was put aside", func(ctx context.Context) (bool, string) {
		var list eventsv1.EventList
		if err := s.cluster.Client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
			return false, err.Error()
		}
		seen := ""
		for _, e := range list.Items {
			seen += e.Regarding.Name + " " + e.Reason + ": " + e.Note + "\n"
		}
		return strings.Contains(seen, "audit DeadLetter: ") && strings.Contains(seen, "items[1].objectRef: must be an object"), seen
	})
}

func (s *tenant) badConfiguration(t *testing.T) {
	s = s.in(t)
	here := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: s.namespace, Name: name} }
	act := func(operation, with string) v1alpha1.PlaybookSpec {
		return v1alpha1.PlaybookSpec{Match: "true", Actions: []v1alpha1.ProposedAction{{
			ID: "act", When: "true", Use: v1alpha1.Use{Connector: "cluster", Operation: operation, With: &runtime.RawExtension{Raw: []byte(with)}},
		}}}
	}
	tests := map[string]struct {
		object interface {
			client.Object
			Configuration() *v1alpha1.ConfigurationStatus
		}
		reason string
		words  []string
	}{
		"CEL of a detection that does not compile": {
			object: &v1alpha1.DetectionRule{ObjectMeta: here("cel"), Spec: v1alpha1.DetectionRuleSpec{When: "event.verb ==", Title: "t", Severity: v1alpha1.SeverityLow}},
			reason: v1alpha1.ReasonCompileFailed, words: []string{"spec.when", "Syntax error"},
		},
		"CEL of a mapping that does not compile": {
			object: &v1alpha1.AlertSource{ObjectMeta: here("mapping"), Spec: v1alpha1.AlertSourceSpec{
				Format: v1alpha1.FormatGeneric, Authentication: bearer("senders", "falco"), Mapping: &v1alpha1.GenericMapping{Rule: "nothing.rule"},
			}},
			reason: v1alpha1.ReasonInvalidSpec, words: []string{"spec.mapping.rule", "undeclared reference to 'nothing'"},
		},
		"Rego that does not compile": {
			object: &v1alpha1.ApprovalPolicy{ObjectMeta: here("rego"), Spec: v1alpha1.ApprovalPolicySpec{
				Module: "package tocsin.approval\n\nallow contains \"all\" if nobody(knows)\n", Tests: "package tocsin.approval_test\n",
				Scope: &v1alpha1.PolicyScope{Operations: []string{"cordon"}},
			}},
			reason: v1alpha1.ReasonCompileFailed, words: []string{"spec.module", "3:", "undefined function nobody"},
		},
		"a playbook that names an operation which does not exist": {
			object: &v1alpha1.Playbook{ObjectMeta: here("operation"), Spec: act("nuke-cluster", "{}")},
			reason: v1alpha1.ReasonUnknownOperation, words: []string{"spec.actions[0].use", "nuke-cluster", "isolate-pod"},
		},
		"a playbook whose arguments violate the operation's schema": {
			object: &v1alpha1.Playbook{ObjectMeta: here("arguments"), Spec: act("isolate-pod", `{"pod": 7}`)},
			reason: v1alpha1.ReasonCompileFailed, words: []string{"spec.actions[0].use.with", "pod"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := s.in(t)
			s.create(tc.object)
			eventually(t, "its conditions", func(ctx context.Context) (bool, string) {
				err := s.cluster.Client.Get(ctx, client.ObjectKeyFromObject(tc.object), tc.object)
				return err == nil && len(tc.object.Configuration().Conditions) > 0, fmt.Sprint(err)
			})
			conditions := tc.object.Configuration().Conditions
			ready := meta.FindStatusCondition(conditions, v1alpha1.ConditionReady)
			if ready.Status != metav1.ConditionFalse || ready.Reason != tc.reason || !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionStalled) {
				t.Errorf("got %+v, want it stalled as %s", conditions, tc.reason)
			}
			for _, words := range tc.words {
				if !strings.Contains(ready.Message, words) {
					t.Errorf("the message does not say %q: %s", words, ready.Message)
				}
			}
		})
	}
}
