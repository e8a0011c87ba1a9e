package env_test

import (
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	socv1alpha1 "github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/test/env"
)

var shared env.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

func TestEveryKindIsServed(t *testing.T) {
	cluster := shared.Get(t)
	lists := []client.ObjectList{
		&socv1alpha1.AlertList{}, &socv1alpha1.AlertSourceList{}, &socv1alpha1.AnalystList{},
		&socv1alpha1.ApprovalList{}, &socv1alpha1.ApprovalPolicyList{}, &socv1alpha1.ConnectorList{},
		&socv1alpha1.DetectionRuleList{}, &socv1alpha1.InvestigationList{}, &socv1alpha1.PlaybookList{},
		&socv1alpha1.ResponseActionList{},
	}
	for _, list := range lists {
		if err := cluster.Client.List(t.Context(), list); err != nil {
			t.Errorf("listing %T: %v", list, err)
		}
	}
}

func TestAddedUserMayDoNothing(t *testing.T) {
	cluster := shared.Get(t)
	err := cluster.ClientAs(t, "mallory").List(t.Context(), &corev1.SecretList{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("listing Secrets without a role: got %v, want Forbidden", err)
	}
}
