// Package controllers lists every controller of the operator, once.
package controllers

import (
	"context"
	"errors"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/controllers/alert"
	"github.com/tocsin-dev/tocsin/controllers/alertsource"
	"github.com/tocsin-dev/tocsin/controllers/analyst"
	"github.com/tocsin-dev/tocsin/controllers/approval"
	"github.com/tocsin-dev/tocsin/controllers/approvalpolicy"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/controllers/connector"
	"github.com/tocsin-dev/tocsin/controllers/detectionrule"
	"github.com/tocsin-dev/tocsin/controllers/investigation"
	"github.com/tocsin-dev/tocsin/controllers/playbook"
	"github.com/tocsin-dev/tocsin/controllers/requester"
	"github.com/tocsin-dev/tocsin/controllers/responseaction"
	"github.com/tocsin-dev/tocsin/controllers/stopswitch"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/correlate"
	"github.com/tocsin-dev/tocsin/internal/detect"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/policy"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// Parts are the engines and stores that controllers feed and use.
type Parts struct {
	Sources    *ingest.Sources
	Detections *detect.Engine
	// RulesSeen tells when the rules that exist are in force after a start.
	RulesSeen *configuration.Seen
	// Remembered is closed once memory holds what was stored before the start.
	Remembered chan struct{}
	Cases      *correlate.Index
	Registry   *connectors.Registry
	Factories  connectors.Factories
	Log        *audit.Log
	Archive    *archive.Archive
	Admission  *admission.Prover
	// Changes tells who changed which object last.
	Changes requester.Changes
	Rails   response.Rails
	Clock   clock.WithTicker
}

// Setup registers every controller with the manager.
func Setup(ctx context.Context, mgr ctrl.Manager, p Parts) error {
	books := playbook.NewStore()
	connectorsSeen, playbooksSeen := &configuration.Seen{}, &configuration.Seen{}
	policies := policy.NewStore(p.Rails.Namespace)
	recorder := mgr.GetEventRecorder("tocsin")
	asked := requester.Finder{Changes: p.Changes, Reviews: mgr.GetClient()}
	return errors.Join(
		alertsource.SetupWithManager(mgr, &alertsource.Checker{Secrets: mgr.GetAPIReader(), Sources: p.Sources}),
		detectionrule.SetupWithManager(mgr, &detectionrule.Checker{Engine: p.Detections}, p.RulesSeen),
		connector.SetupWithManager(mgr, &connector.Checker{Factories: p.Factories, Registry: p.Registry}, connectorsSeen),
		playbook.SetupWithManager(mgr, &playbook.Checker{
			Registry: p.Registry, Store: books,
			Ready: func(ctx context.Context) error {
				return connectorsSeen.Await(ctx, mgr.GetClient(), &v1alpha1.ConnectorList{})
			},
		}, playbooksSeen),
		analyst.SetupWithManager(mgr, &analyst.Checker{Cases: p.Cases}),
		approvalpolicy.SetupWithManager(mgr, &approvalpolicy.Checker{Policies: policies}),
		(&alert.Reconciler{Client: mgr.GetClient(), Correlator: p.Cases}).SetupWithManager(mgr),
		(&investigation.Reconciler{
			Client: mgr.GetClient(), Correlator: p.Cases, Recorder: recorder, Now: p.Clock.Now,
			Investigator: &investigation.Investigator{
				Reader: mgr.GetClient(), Registry: p.Registry, Playbooks: books, Log: p.Log, Archive: p.Archive, Now: p.Clock.Now,
				Ready: func(ctx context.Context) error {
					return errors.Join(p.remembered(ctx), playbooksSeen.Await(ctx, mgr.GetClient(), &v1alpha1.PlaybookList{}))
				},
			},
		}).SetupWithManager(ctx, mgr),
		responseaction.SetupWithManager(ctx, mgr, responseaction.Dependencies{
			Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Connectors: p.Registry, Log: p.Log, Admission: p.Admission,
			Requesters: asked,
			Policies:   &approvalpolicy.Decider{Reader: mgr.GetClient(), Policies: policies, Operator: p.Rails.Namespace},
			Events:     recorder, Clock: p.Clock, Rails: p.Rails,
		}),
		stopswitch.SetupWithManager(mgr, stopswitch.Dependencies{
			Client: mgr.GetClient(), Log: p.Log, Events: recorder, Clock: p.Clock, Operator: p.Rails.Namespace,
		}),
		approval.SetupWithManager(mgr, approval.Dependencies{
			Client: mgr.GetClient(), Admission: p.Admission, Requesters: asked, Log: p.Log, Events: recorder, Clock: p.Clock,
		}),
	)
}

// remembered waits: who was asked before memory is restored would say that it never saw a thing.
func (p Parts) remembered(ctx context.Context) error {
	select {
	case <-p.Remembered:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
