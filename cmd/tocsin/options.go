package main

import (
	"errors"
	"flag"
	"os"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// options of the operator, from flags and the downward API.
type options struct {
	dataDir       string
	ingestAddress string
	healthAddress string
	metrics       string
	leaderElect   bool
	actionsPerHour int
	// namespace, serviceAccount and node are what guard rails keep actions away from.
	namespace, serviceAccount, node string
	log                             zap.Options
}

func parse(args []string) (*options, error) {
	o := &options{namespace: os.Getenv("POD_NAMESPACE"), serviceAccount: os.Getenv("POD_SERVICE_ACCOUNT"), node: os.Getenv("NODE_NAME")}
	flags := flag.NewFlagSet("tocsin", flag.ContinueOnError)
	flags.StringVar(&o.dataDir, "data-dir", "/var/lib/tocsin", "folder of the event stream and the audit log, on a volume that survives restarts")
	flags.StringVar(&o.ingestAddress, "ingest-bind-address", ":8090", "address that alert sources post to")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	flags.StringVar(&o.metrics, "metrics-bind-address", ":8080", "address of /metrics")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "let only one replica act")
	flags.IntVar(&o.actionsPerHour, "max-actions-per-hour", 100, "actions that one namespace may execute in an hour")
	o.log.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if o.namespace == "" {
		o.namespace = "tocsin-system"
	}
	if o.serviceAccount == "" {
		o.serviceAccount = "tocsin"
	}
	if o.dataDir == "" {
		return nil, errors.New("--data-dir: must name a folder")
	}
	if o.actionsPerHour < 1 {
		return nil, errors.New("--max-actions-per-hour: must be at least 1")
	}
	return o, nil
}
