package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// options of the operator, from flags and the downward API.
type options struct {
	dataDir         string
	ingestAddress   string
	tlsCert, tlsKey string
	healthAddress   string
	metricsAddress  string
	leaderElect     bool
	actionsPerHour  int
	// namespace and node are what guard rails keep actions away from.
	namespace, node string
	log             zap.Options
}

func parse(args []string) (*options, error) {
	o := &options{namespace: os.Getenv("POD_NAMESPACE"), node: os.Getenv("NODE_NAME")}
	flags := flag.NewFlagSet("tocsin", flag.ContinueOnError)
	flags.StringVar(&o.dataDir, "data-dir", "/var/lib/tocsin", "folder of the event stream, memory, the audit log and the archive, on a volume that survives restarts")
	flags.StringVar(&o.ingestAddress, "ingest-bind-address", ":8090", "address that alert sources post to")
	flags.StringVar(&o.tlsCert, "ingest-tls-cert-file", "", "certificate to serve ingest with; an API server sends its token over TLS only")
	flags.StringVar(&o.tlsKey, "ingest-tls-key-file", "", "key of that certificate")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8080", "address of /metrics")
	flags.BoolVar(&o.leaderElect, "leader-elect", true, "let only one replica act")
	flags.IntVar(&o.actionsPerHour, "max-actions-per-hour", 100, "actions that one namespace may execute in an hour")
	o.log.BindFlags(flags)
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no flag: flags begin with --", flags.Arg(0))
	}
	if o.namespace == "" {
		o.namespace = "tocsin-system"
	}
	if (o.tlsCert == "") != (o.tlsKey == "") {
		return nil, errors.New("--ingest-tls-cert-file and --ingest-tls-key-file: both are needed, or neither")
	}
	if o.dataDir == "" {
		return nil, errors.New("--data-dir: must name a folder")
	}
	if o.actionsPerHour < 1 {
		return nil, errors.New("--max-actions-per-hour: must be at least 1")
	}
	return o, nil
}
