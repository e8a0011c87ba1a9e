package auditevent

import "slices"

// builtIn are the ServiceAccounts of kube-system under which kube-controller-manager
// and cloud-controller-manager act with --use-service-account-credentials, as of
// Kubernetes 1.30 to 1.37 (plugin/pkg/auth/authorizer/rbac/bootstrappolicy and
// cmd/kube-controller-manager/app). Anything else there is a workload, or an intruder.
var builtIn = []string{
	"attachdetach-controller", "bootstrap-signer", "certificate-controller", "cloud-controller-manager", "cloud-node-controller",
	"cloud-provider", "clusterrole-aggregation-controller", "controller-discovery", "cronjob-controller", "daemon-set-controller",
	"deployment-controller", "device-taint-eviction-controller", "disruption-controller", "endpoint-controller",
	"endpointslice-controller", "endpointslicemirroring-controller", "ephemeral-volume-controller", "expand-controller",
	"generic-garbage-collector", "horizontal-pod-autoscaler", "job-controller",
	"kube-apiserver-serving-clustertrustbundle-publisher", "legacy-service-account-token-cleaner", "metadata-informers",
	"namespace-controller", "node-controller", "persistent-volume-binder", "pod-garbage-collector", "podcertificaterequestcleaner",
	"podgroup-protection-controller", "pv-protection-controller", "pvc-protection-controller", "replicaset-controller",
	"replication-controller", "resource-claim-controller", "resourcepoolstatusrequest-controller", "resourcequota-controller",
	"root-ca-cert-publisher", "route-controller", "selinux-warning-controller", "service-account-controller",
	"service-cidrs-controller", "service-controller", "shared-informers", "statefulset-controller",
	"storage-version-garbage-collector", "storage-version-migrator-controller", "taint-eviction-controller", "token-cleaner",
	"tokens-controller", "ttl-after-finished-controller", "ttl-controller", "validatingadmissionpolicy-status-controller",
	"volumeattributesclass-protection-controller",
}

func isBuiltIn(account string) bool { return slices.Contains(builtIn, account) }
