// Package trial plays scenarios: their objects are put into a real API server, their
// events go through decoding, detection and correlation, and their cases are
// investigated as the operator does it, with the connectors that it has.
package trial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/hack/eval/content"
	"github.com/tocsin-dev/tocsin/internal/detect"
	"github.com/tocsin-dev/tocsin/internal/ingest/decode"
)

// tenant is the namespace that investigates, and account what it asks as.
const (
	tenant  = "soc"
	account = "responder"
)

// Court plays scenarios on one API server, one at a time.
type Court struct {
	admin      client.Client
	cluster    *kubernetes.Connector
	detections *detect.Engine
	playbooks  []v1alpha1.Playbook
	decoders   map[v1alpha1.AlertFormat]decode.Decoder
	// broken holds what rules could not evaluate since the last scenario began.
	broken []error
}

// Open prepares an API server, whose administrator api is, for scenarios. Config
// is the folder with what ships: its detections, playbooks, rbac and crd.
func Open(ctx context.Context, api *rest.Config, config string) (*Court, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	admin, err := client.New(api, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	c := &Court{admin: admin, decoders: map[v1alpha1.AlertFormat]decode.Decoder{}}
	if c.cluster, err = kubernetes.New(api, tenant, account, kubernetes.Options{RateLimit: &v1alpha1.RateLimit{PerSecond: 10000, Burst: 10000}}); err != nil {
		return nil, err
	}
	for _, format := range []v1alpha1.AlertFormat{v1alpha1.FormatKubernetesAudit, v1alpha1.FormatFalco} {
		if c.decoders[format], err = decode.New(&v1alpha1.AlertSourceSpec{Format: format}); err != nil {
			return nil, err
		}
	}
	return c, errors.Join(c.load(config), c.grant(ctx, config), c.sources(ctx))
}

// load reads what ships.
func (c *Court) load(config string) error {
	rules, err := content.Detections(config)
	if err != nil {
		return err
	}
	c.detections = detect.NewEngine(time.Now, func(_, rule string, err error) { c.broken = append(c.broken, fmt.Errorf("rule %s: %w", rule, err)) })
	for i := range rules {
		compiled, err := detect.Compile(&rules[i])
		if err != nil {
			return fmt.Errorf("detection rule %s: %w", rules[i].Name, err)
		}
		c.detections.Set(tenant, rules[i].Name, compiled)
	}
	c.playbooks, err = content.Playbooks(config)
	return err
}

// grant lets the connector's ServiceAccount read what the shipped roles let it read.
func (c *Court) grant(ctx context.Context, config string) error {
	roles, err := os.ReadFile(filepath.Join(config, "rbac", "connector-roles.yaml"))
	if err != nil {
		return err
	}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: tenant}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: account}},
	}
	documents := newReader(roles)
	for {
		raw, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		role := &rbacv1.ClusterRole{}
		if err := yaml.Unmarshal(raw, role); err != nil {
			return fmt.Errorf("connector-roles.yaml: %w", err)
		}
		objects = append(objects, role, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role.Name + "-" + tenant},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: tenant, Name: account}},
		})
	}
	for _, object := range objects {
		if err := c.admin.Create(ctx, object); client.IgnoreAlreadyExists(err) != nil {
			return err
		}
	}
	return nil
}
