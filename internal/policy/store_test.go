package policy

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

func object(name string, uid types.UID, generation int64, body string) *v1alpha1.ApprovalPolicy {
	return &v1alpha1.ApprovalPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "soc", Name: name, UID: uid, Generation: generation},
		Spec:       spec(body),
	}
}

func TestStoreCompilesEachGenerationOnce(t *testing.T) {
	s := NewStore()
	compiled := func(p *v1alpha1.ApprovalPolicy) *Policy {
		t.Helper()
		c, err := s.Compiled(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := compiled(object("a", "1", 1, `allow contains "x" if true`))
	if compiled(object("a", "1", 1, `allow contains "x" if true`)) != first {
		t.Error("the same generation was compiled twice")
	}
	second := compiled(object("a", "1", 2, `deny contains "x" if true`))
	if second == first {
		t.Error("a new generation was not compiled")
	}
	if compiled(object("a", "2", 2, `deny contains "y" if true`)) == second {
		t.Error("another object of the same name was not compiled")
	}
	s.Forget(types.NamespacedName{Namespace: "soc", Name: "a"})
	if len(s.compiled) != 0 {
		t.Errorf("%d are kept after Forget", len(s.compiled))
	}
}

func TestStoreSharesTheWork(t *testing.T) {
	s := NewStore()
	found := make([]*Policy, 16)
	var wg sync.WaitGroup
	for i := range found {
		wg.Go(func() { found[i], _ = s.Compiled(t.Context(), object("a", "1", 1, `allow contains "x" if true`)) })
	}
	wg.Wait()
	for _, p := range found {
		if p == nil || p != found[0] {
			t.Fatal("not everybody got the same policy")
		}
	}
}

func TestStoreIsNotMarkedByImpatience(t *testing.T) {
	s := NewStore()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Compiled(gone, object("a", "1", 1, `allow contains "x" if true`)); err != nil {
		t.Errorf("who came first had no time left, and now it does not compile: %v", err)
	}
}

func TestCandidates(t *testing.T) {
	good, bad := object("good", "1", 1, `allow contains "x" if true`), object("bad", "2", 1, "deny {\n\nallow }")
	bad.Spec.Scope = &v1alpha1.PolicyScope{Operations: []string{"label"}}
	bad.Spec.ApprovalTTL = hours(2)
	got := NewStore().Candidates(t.Context(), []v1alpha1.ApprovalPolicy{*good, *bad})
	want := []Candidate{
		{Name: "good", ApprovalTTL: hours(1).Duration},
		{Name: "bad", ApprovalTTL: hours(2).Duration, Scope: bad.Spec.Scope},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Candidate{}, "Policy", "NotReady")); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	if got[0].Policy == nil || got[0].NotReady != "" {
		t.Errorf("the good one is not ready: %s", got[0].NotReady)
	}
	if got[1].Policy != nil || !strings.HasPrefix(got[1].NotReady, "spec.module:3:") || strings.Contains(got[1].NotReady, "\n") {
		t.Errorf("the bad one is not ready for the reason %q", got[1].NotReady)
	}
}
