package lab

import (
	"context"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// tokenSeconds is how long an identity's token is good for.
const tokenSeconds = 6 * 3600

// Cluster is a running control plane.
type Cluster struct {
	lab *Lab
	// Kubeconfig of its administrator, and Admin the same as a configuration.
	Kubeconfig string
	Admin      *rest.Config
	// AuditLog holds one event a line.
	AuditLog string
}

// StartCluster starts a control plane; flags are those of hack/controlplane's start.
func (l *Lab) StartCluster(ctx context.Context, flags ...string) (*Cluster, error) {
	c := &Cluster{lab: l, Kubeconfig: l.File("cluster/admin.kubeconfig"), AuditLog: l.File("cluster/audit.log")}
	_, err := l.controlplane(ctx, append([]string{"start", "--dir", l.File("cluster")}, flags...)...)
	if err != nil {
		return nil, errors.Join(err, c.Stop(context.WithoutCancel(ctx))) // interrupted, it leaves servers running
	}
	c.Admin, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return nil, err
	}
	c.Admin.QPS = -1
	return c, nil
}

// ProcessorTime is how long the API server and etcd have used a core so far.
func (c *Cluster) ProcessorTime() (time.Duration, error) {
	var sum time.Duration
	for _, name := range []string{"kube-apiserver", "etcd"} {
		pid, err := readPID(c.lab.File("cluster/" + name + ".pid"))
		if err != nil {
			return 0, err
		}
		used, err := processorTime(pid)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// Stop ends the control plane.
func (c *Cluster) Stop(ctx context.Context) error {
	_, err := c.lab.controlplane(ctx, "stop", "--dir", c.lab.File("cluster"))
	return err
}

// Install applies the same objects as config/default, but for the Deployment.
func (c *Cluster) Install(ctx context.Context) error {
	for _, args := range [][]string{
		{"apply", "--server-side", "-f", "config/manager/namespace.yaml"},
		{"apply", "--server-side", "-k", "config/crd"},
		{"apply", "--server-side", "-k", "config/rbac"},
		{"apply", "--server-side", "-k", "config/admission"},
		{"wait", "--for=condition=Established", "--timeout=60s", "crd", "--all"},
	} {
		if err := c.lab.Kubectl(ctx, c.Kubeconfig, args...); err != nil {
			return err
		}
	}
	return nil
}

// Identity writes a kubeconfig with a ServiceAccount's token and nothing else, and
// returns its path and the configuration.
func (c *Cluster) Identity(ctx context.Context, namespace, serviceAccount string) (string, *rest.Config, error) {
	clients, err := kubernetes.NewForConfig(c.Admin)
	if err != nil {
		return "", nil, err
	}
	seconds := int64(tokenSeconds)
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}
	granted, err := clients.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, serviceAccount, request, metav1.CreateOptions{})
	if err != nil {
		return "", nil, fmt.Errorf("token of ServiceAccount %s/%s: %w", namespace, serviceAccount, err)
	}
	config, err := clientcmd.LoadFromFile(c.Kubeconfig)
	if err != nil {
		return "", nil, err
	}
	config.AuthInfos = map[string]*clientcmdapi.AuthInfo{serviceAccount: {Token: granted.Status.Token}}
	config.Contexts[config.CurrentContext].AuthInfo = serviceAccount
	path := c.lab.File(serviceAccount + ".kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", nil, err
	}
	identity, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return "", nil, err
	}
	identity.QPS = -1
	return path, identity, nil
}
