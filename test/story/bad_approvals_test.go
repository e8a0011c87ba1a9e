package story_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// badApprovals come last: one of them takes the admission policies away.
func (s *tenant) badApprovals(t *testing.T) {
	s = s.in(t)
	proven(t, s.cluster)
	s.policies()
	t.Run("arguments that violate the operation's schema", s.badArguments)
	tests := map[string]struct {
		// pods are isolated by namespace: one approval is awaited, or two, for an hour or a second.
		policy string
		// approve returns the approval that must not count.
		approve func(*tenant, *v1alpha1.ResponseAction) *v1alpha1.Approval
		reason  string
		words   string
	}{
		"for another plan": {
			policy: "one", reason: v1alpha1.ReasonStalePlan, words: "spec.planDigest is 000000000000",
			approve: func(s *tenant, a *v1alpha1.ResponseAction) *v1alpha1.Approval {
				a.Status.Plan.Digest = strings.Repeat("0", 64)
				return s.decide(s.bob, a, v1alpha1.TierAnalyst, v1alpha1.Approve)
			},
		},
		"by who asked": {
			policy: "one", reason: v1alpha1.ReasonSelfApproval, words: "nobody approves what they asked for",
			approve: func(s *tenant, a *v1alpha1.ResponseAction) *v1alpha1.Approval {
				return s.decide(s.alice, a, v1alpha1.TierAnalyst, v1alpha1.Approve)
			},
		},
		"expired": {
			policy: "brief", reason: v1alpha1.ReasonExpired, words: "approvals of this plan count for 1s",
			approve: func(s *tenant, a *v1alpha1.ResponseAction) *v1alpha1.Approval {
				return s.decide(s.bob, a, v1alpha1.TierAnalyst, v1alpha1.Approve)
			},
		},
		"twice by the same": {
			policy: "two", reason: v1alpha1.ReasonDuplicate, words: "counts once; somebody else must approve as well",
			approve: func(s *tenant, a *v1alpha1.ResponseAction) *v1alpha1.Approval {
				first := s.decide(s.bob, a, v1alpha1.TierAnalyst, v1alpha1.Approve)
				s.ruled(first, v1alpha1.ReasonCounted, "counts until")
				// Of approvals of one second, the order of their names decides which is the first.
				second := newApproval(s.bob, a, v1alpha1.TierSenior, v1alpha1.Approve)
				second.Name = first.Name + "-again"
				if err := s.bob.Create(s.t.Context(), second); err != nil {
					s.t.Fatal(err)
				}
				return second
			},
		},
		"at a tier that is too low": {
			policy: "senior", reason: v1alpha1.ReasonTierTooLow, words: "tier senior is needed, not analyst",
			approve: func(s *tenant, a *v1alpha1.ResponseAction) *v1alpha1.Approval {
				return s.decide(s.bob, a, v1alpha1.TierAnalyst, v1alpha1.Approve)
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := s.in(t)
			waiting := s.ask(tc.policy, strings.ReplaceAll(name, " ", "-"))
			s.ruled(tc.approve(s, waiting), tc.reason, tc.words)
			s.untouched(waiting)
		})
	}
	t.Run("while the admission policies are missing", s.unprovenApproval)
}

// badArguments of an action that a person asks for.
func (s *tenant) badArguments(t *testing.T) {
	s = s.in(t)
	asked := s.newAction("arguments", `{"pod": 7, "force": true}`)
	if err := s.alice.Create(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	refused := s.standing(asked.Name, v1alpha1.ReasonInvalidSpec)
	message := meta.FindStatusCondition(refused.Status.Conditions, v1alpha1.ConditionReady).Message
	for _, words := range []string{"spec.use.with", "pod", "force"} {
		if !strings.Contains(message, words) {
			t.Errorf("the message does not say %q: %s", words, message)
		}
	}
	if refused.Status.Plan != nil || refused.Status.Execution != nil {
		t.Errorf("what cannot be planned has %+v", refused.Status)
	}
}

// unprovenApproval: somebody takes a policy away, and approves while nothing
// proves who they are. It counts neither then nor when the policy is back.
func (s *tenant) unprovenApproval(t *testing.T) {
	s = s.in(t)
	waiting := s.ask("one", "unproven")
	missing := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "tocsin-approvals"}}
	if err := s.cluster.Client.Delete(t.Context(), missing); err != nil {
		t.Fatal(err)
	}
	early := s.decide(s.bob, waiting, v1alpha1.TierAnalyst, v1alpha1.Approve)
	s.ruled(early, v1alpha1.ReasonAdmissionUnproven, "tocsin-approvals")
	s.untouched(waiting)

	kubectl(t, s.cluster, "apply", "--server-side", "--force-conflicts", "-k", "../../config/admission")
	proven(t, s.cluster)
	s.decide(s.bob, waiting, v1alpha1.TierAnalyst, v1alpha1.Approve)
	done := s.standing(waiting.Name, v1alpha1.ReasonSucceeded)
	if counted := done.Status.Approvals; len(counted) != 1 || counted[0].Name == early.Name {
		t.Errorf("counted were %+v, want only the approval after the policies were back", counted)
	}
}

// policies about who must approve, by the namespace of the target.
func (s *tenant) policies() {
	s.t.Helper()
	for name, p := range map[string]struct {
		tier      v1alpha1.Tier
		approvals int
		ttl       time.Duration
	}{
		"one": {v1alpha1.TierAnalyst, 1, time.Hour}, "two": {v1alpha1.TierAnalyst, 2, time.Hour},
		"brief": {v1alpha1.TierAnalyst, 2, time.Second}, "senior": {v1alpha1.TierSenior, 1, time.Hour},
	} {
		target := name + "-" + s.namespace
		s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: target}})
		s.create(&v1alpha1.ApprovalPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Spec: v1alpha1.ApprovalPolicySpec{
			Scope:       &v1alpha1.PolicyScope{TargetNamespaces: []string{target}},
			ApprovalTTL: &metav1.Duration{Duration: p.ttl},
			Module: fmt.Sprintf("package tocsin.approval\n\nrequire contains {\"tier\": %q, \"approvals\": %d, \"reason\": \"a test\"}\n",
				p.tier, p.approvals),
			Tests: "package tocsin.approval_test\n\nimport data.tocsin.approval\n\ntest_it_speaks if count(approval.require) == 1\n",
		}})
	}
	eventually(s.t, "the policies to be in force", func(ctx context.Context) (bool, string) {
		for _, name := range []string{"one", "two", "brief", "senior"} {
			p := &v1alpha1.ApprovalPolicy{}
			err := s.cluster.Client.Get(ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, p)
			if err != nil || !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha1.ConditionReady) {
				return false, fmt.Sprintf("%s: %v %+v", name, err, p.Status.Conditions)
			}
		}
		return true, ""
	})
}

// ask has alice ask for the isolation of a pod, where a policy demands approval.
func (s *tenant) ask(policy, pod string) *v1alpha1.ResponseAction {
	s.t.Helper()
	namespace := policy + "-" + s.namespace
	s.create(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: pod},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "registry.example/shop/web:1.4.2"}}},
	})
	asked := s.newAction(pod, fmt.Sprintf(`{"pod": "%s/%s"}`, namespace, pod))
	if err := s.alice.Create(s.t.Context(), asked); err != nil {
		s.t.Fatal(err)
	}
	return s.standing(asked.Name, v1alpha1.ReasonWaitingForApproval)
}

func (s *tenant) newAction(name, with string) *v1alpha1.ResponseAction {
	return &v1alpha1.ResponseAction{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec: v1alpha1.ResponseActionSpec{
			Use:    &v1alpha1.ActionUse{Connector: "cluster", Operation: "isolate-pod", With: &runtime.RawExtension{Raw: []byte(with)}},
			Reason: "a test", RequestedBy: s.alice.name,
		},
	}
}

// ruled waits until an approval says whether it counts, and why.
func (s *tenant) ruled(approval *v1alpha1.Approval, reason, words string) {
	s.t.Helper()
	eventually(s.t, "an approval to be "+reason, func(ctx context.Context) (bool, string) {
		if err := s.cluster.Client.Get(ctx, client.ObjectKeyFromObject(approval), approval); err != nil {
			return false, err.Error()
		}
		counted := meta.FindStatusCondition(approval.Status.Conditions, v1alpha1.ConditionCounted)
		return counted != nil && counted.Reason == reason && strings.Contains(counted.Message, words), fmt.Sprintf("%+v", counted)
	})
}

// untouched checks that an action still waits, and that no pod is isolated where it would have been.
func (s *tenant) untouched(action *v1alpha1.ResponseAction) {
	s.t.Helper()
	namespace := action.Status.Plan.Target.Namespace
	if err := s.cluster.Client.Get(s.t.Context(), client.ObjectKeyFromObject(action), action); err != nil {
		s.t.Fatal(err)
	}
	if got := response.Standing(action); got != v1alpha1.ReasonWaitingForApproval || action.Status.Execution != nil {
		s.t.Errorf("the action stands at %s, execution %+v; want it to wait", got, action.Status.Execution)
	}
	var isolations networkingv1.NetworkPolicyList
	if err := s.cluster.Client.List(s.t.Context(), &isolations, client.InNamespace(namespace)); err != nil {
		s.t.Fatal(err)
	}
	if len(isolations.Items) > 0 {
		s.t.Errorf("%d pods are isolated, want none", len(isolations.Items))
	}
}
