package ingest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest"
)

func TestFingerprint(t *testing.T) {
	pod := v1alpha1.Entity{Type: v1alpha1.EntityPod, Role: v1alpha1.RoleActor, Value: "shop/web-0"}
	target := v1alpha1.Entity{Type: v1alpha1.EntityUser, Role: v1alpha1.RoleTarget, Value: "root"}
	process := v1alpha1.Entity{Type: v1alpha1.EntityProcess, Role: v1alpha1.RoleRelated, Value: "bash"}
	swapped := []v1alpha1.Entity{
		{Type: pod.Type, Role: v1alpha1.RoleTarget, Value: pod.Value}, {Type: target.Type, Role: v1alpha1.RoleActor, Value: target.Value},
	}
	base := ingest.Fingerprint("shop", "falco", "r", "", []v1alpha1.Entity{pod, target})
	tests := map[string]struct {
		got  string
		same bool
	}{
		"other order":                 {ingest.Fingerprint("shop", "falco", "r", "", []v1alpha1.Entity{target, pod}), true},
		"named twice":                 {ingest.Fingerprint("shop", "falco", "r", "", []v1alpha1.Entity{pod, target, pod}), true},
		"related makes no difference": {ingest.Fingerprint("shop", "falco", "r", "", []v1alpha1.Entity{pod, process, target}), true},
		"other namespace":             {ingest.Fingerprint("web", "falco", "r", "", []v1alpha1.Entity{pod, target}), false},
		"other source":                {ingest.Fingerprint("shop", "audit", "r", "", []v1alpha1.Entity{pod, target}), false},
		"other rule":                  {ingest.Fingerprint("shop", "falco", "s", "", []v1alpha1.Entity{pod, target}), false},
		"without the target":          {ingest.Fingerprint("shop", "falco", "r", "", []v1alpha1.Entity{pod}), false},
		"roles swapped":               {ingest.Fingerprint("shop", "falco", "r", "", swapped), false},
		"other deed":                  {ingest.Fingerprint("shop", "falco", "r", "d", []v1alpha1.Entity{pod, target}), false},
		"parts moved between fields":  {ingest.Fingerprint("sho", "pfalco", "r", "", []v1alpha1.Entity{pod, target}), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if (tc.got == base) != tc.same {
				t.Errorf("%s and %s", tc.got, base)
			}
		})
	}
	if ingest.Fingerprint("shop", "falco", "r", "", []v1alpha1.Entity{process}) == ingest.Fingerprint("shop", "falco", "r", "", nil) {
		t.Error("related entities must count where there are no others")
	}
}

func TestAlertName(t *testing.T) {
	spec := func(rule string, at time.Time) v1alpha1.AlertSpec {
		return v1alpha1.AlertSpec{Rule: rule, Fingerprint: strings.Repeat("a", 64), FirstSeen: metav1.NewMicroTime(at)}
	}
	at := time.Date(2026, 1, 31, 9, 2, 11, 123456000, time.UTC)
	for rule, want := range map[string]string{
		"Terminal shell in container": "terminal-shell-in-container-",
		"--- Ünïcode / rule!! ---":    "n-code-rule-",
		"\u2713":                      "alert-",
		"":                            "alert-",
		strings.Repeat("Ab ", 30):     "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-a-",
	} {
		name := ingest.AlertName(spec(rule, at))
		if !strings.HasPrefix(name, want) || len(name) != len(want)+10 {
			t.Errorf("%q is named %s, want %s and 10 digits", rule, name, want)
		}
		if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
			t.Errorf("%q: %v", name, problems)
		}
	}
	names := []string{ingest.AlertName(spec("r", at)), ingest.AlertName(spec("r", at.Add(time.Microsecond))), ingest.AlertName(spec("r", at))}
	if names[0] != names[2] || slices.Contains(names[1:2], names[0]) {
		t.Errorf("names by first time: %v", names)
	}
}
