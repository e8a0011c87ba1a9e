// Command tocsin is the operator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/connectors/memory"
	"github.com/tocsin-dev/tocsin/controllers"
	"github.com/tocsin-dev/tocsin/controllers/configuration"
	"github.com/tocsin-dev/tocsin/controllers/investigation"
	"github.com/tocsin-dev/tocsin/internal/activity"
	"github.com/tocsin-dev/tocsin/internal/admission"
	"github.com/tocsin-dev/tocsin/internal/archive"
	"github.com/tocsin-dev/tocsin/internal/audit"
	"github.com/tocsin-dev/tocsin/internal/correlate"
	"github.com/tocsin-dev/tocsin/internal/detect"
	"github.com/tocsin-dev/tocsin/internal/ingest"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
	"github.com/tocsin-dev/tocsin/internal/response"
)

// version is set when the binary is built.
var version = "unknown"

const (
	// eventBytes is how much of the event stream is kept.
	eventBytes = 2 << 30
	// reconcileTimeout bounds one Reconcile, so that a disk or a tool that hangs holds no worker for ever.
	reconcileTimeout = time.Minute
	// syncTimeout is within the second that a kubelet gives a probe.
	syncTimeout = time.Second / 2
	// closeTimeout bounds the last signature of the audit log.
	closeTimeout = 10 * time.Second
)

func main() {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctrl.SetupSignalHandler(), o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tocsin:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o *options) error {
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&o.log)))
	log := ctrl.Log.WithName("tocsin")
	klog.SetLogger(ctrl.Log.WithName("library")) // client-go and the audit log's library
	log.Info("Starting", "version", version, "namespace", o.namespace)

	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	mgr, err := newManager(config, o)
	if err != nil {
		return err
	}
	// First, since it waits until another process has let go of the data folder.
	auditLog, err := audit.Open(ctx, filepath.Join(o.dataDir, "audit"))
	if err != nil {
		return err
	}
	defer closeLog(auditLog)
	events, err := stream.Open(ctx, stream.Config{Dir: filepath.Join(o.dataDir, "stream"), MaxBytes: eventBytes})
	if err != nil {
		return err
	}
	defer events.Close()

	records, err := archive.Open(ctx, filepath.Join(o.dataDir, "archive"), time.Now)
	if err != nil {
		return err
	}
	defer closeArchive(records)

	parts, remembered, err := assemble(mgr, config, auditLog, records, o)
	if err != nil {
		return err
	}
	if err := controllers.Setup(ctx, mgr, parts); err != nil {
		return err
	}
	if err := addIngest(mgr, parts, events, remembered, o); err != nil {
		return err
	}
	kept := &snapshots{file: filepath.Join(o.dataDir, "memory"), memory: remembered, clock: parts.Clock, log: ctrl.Log.WithName("memory")}
	kept.load()
	defer kept.save() // after the pipeline has recorded its last event
	if err := mgr.Add(kept); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

func newManager(config *rest.Config, o *options) (ctrl.Manager, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	config.QPS = -1 // the API server's priority and fairness is the limit
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        scheme,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              "tocsin",
		LeaderElectionNamespace:       o.namespace,
		LeaderElectionReleaseOnCancel: true,
		HealthProbeBindAddress:        o.healthAddress,
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		Controller:                    ctrlconfig.Controller{ReconciliationTimeout: reconcileTimeout},
	})
	if err != nil {
		return nil, err
	}
	return mgr, errors.Join(mgr.AddHealthzCheck("ping", healthz.Ping), mgr.AddReadyzCheck("caches", synced(mgr.GetCache())))
}

// synced is a check of /readyz: what is read from memory was read from the API server.
func synced(caches cache.Cache) healthz.Checker {
	return func(r *http.Request) error {
		ctx, cancel := context.WithTimeout(r.Context(), syncTimeout)
		defer cancel()
		if !caches.WaitForCacheSync(ctx) {
			return errors.New("not all kinds were read from the API server yet")
		}
		return nil
	}
}

// assemble makes the parts and chooses the concrete connectors.
func assemble(mgr ctrl.Manager, config *rest.Config, auditLog *audit.Log, records *archive.Archive, o *options) (controllers.Parts, *activity.Memory, error) {
	log := ctrl.Log.WithName("detect")
	prover, err := admission.New(mgr.GetAPIReader(), mgr.GetClient(), o.namespace)
	if err != nil {
		return controllers.Parts{}, nil, err
	}
	remembered := activity.New(activity.DefaultLimits)
	declared := investigation.Records{Reader: mgr.GetClient()}
	return controllers.Parts{
		Sources:   ingest.NewSources(),
		RulesSeen: &configuration.Seen{}, Remembered: make(chan struct{}),
		Detections: detect.NewEngine(time.Now, func(namespace, rule string, err error) {
			log.V(1).Info("Cannot evaluate a rule on an event", "namespace", namespace, "rule", rule, "error", err.Error())
		}),
		Cases: correlate.NewIndex(),
		Registry: connectors.NewRegistry(func(namespace string) connectors.Asker {
			return memory.New(namespace, remembered, records, declared, time.Now)
		}),
		Factories: connectors.Factories{v1alpha1.ConnectorKubernetes: kubernetes.Factory(config, records)},
		Log:       auditLog,
		Archive:   records,
		Admission: prover,
		Changes:   remembered,
		Rails:     response.Rails{Namespace: o.namespace, Node: o.node, HourlyCap: o.actionsPerHour},
		Clock:     clock.RealClock{},
	}, remembered, nil
}

// addIngest adds the receiving end on every replica and the pipeline on the leader.
func addIngest(mgr ctrl.Manager, parts controllers.Parts, events *stream.Stream, remembered *activity.Memory, o *options) error {
	m := ingest.NewMetrics(metrics.Registry)
	server := &ingest.Server{Sources: parts.Sources, Known: mgr.GetClient(), Store: events, Metrics: m, Log: ctrl.Log.WithName("ingest")}
	pipeline := &ingest.Pipeline{
		Stream: events, Sources: mgr.GetClient(), Detector: parts.Detections, Recorder: remembered, Correlator: parts.Cases,
		Alerts:  &ingest.APIAlerts{Client: mgr.GetClient(), Reader: mgr.GetAPIReader()},
		Archive: parts.Archive,
		Events:  mgr.GetEventRecorder("tocsin"), Metrics: m, Clock: parts.Clock, FlushInterval: ingest.DefaultFlushInterval,
		Ready: (&restore{reader: mgr.GetClient(), cases: parts.Cases, archive: parts.Archive, rules: parts.RulesSeen}).run, Log: ctrl.Log.WithName("pipeline"),
		Remembered: func() { close(parts.Remembered) },
	}
	receiver := &receiver{handler: server.Handler(), options: o}
	return errors.Join(mgr.Add(receiver), mgr.AddReadyzCheck("ingest", receiver.ready), mgr.Add(pipeline), mgr.Add(&pruner{archive: parts.Archive, clock: parts.Clock}))
}

func closeArchive(records *archive.Archive) {
	if err := records.Close(); err != nil {
		ctrl.Log.Error(err, "Cannot close the archive")
	}
}

func closeLog(auditLog *audit.Log) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := auditLog.Close(ctx); err != nil {
		ctrl.Log.Error(err, "Cannot close the audit log")
	}
}
