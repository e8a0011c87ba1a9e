package ingest

import (
	"context"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	apply "github.com/tocsin-dev/tocsin/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/ingest/stream"
)

const (
	// AnnotationPosition on an Alert is the message that it was created for, "<stream>/<sequence>".
	AnnotationPosition = v1alpha1.Group + "/stream-position"
	// AnnotationEvents on an Alert is how many events that message held; without it: 1.
	AnnotationEvents = v1alpha1.Group + "/stream-events"
	// FieldOwner owns count, lastSeen and counted of an Alert's status, and nothing else in it.
	FieldOwner = "tocsin-ingest"

	listPage = 500
)

// Count is what ingest knows of an alert's repeats.
type Count struct {
	// Events, repeats included.
	Events   int64
	LastSeen time.Time
	// Through is the last message of the stream that is included.
	Through stream.Position
}

// Alerts is where alerts are kept: the API server. Errors are those of apimachinery.
type Alerts interface {
	// Each visits every Alert that exists now.
	Each(ctx context.Context, visit func(*v1alpha1.Alert)) error
	// Get reads an Alert as it is now.
	Get(ctx context.Context, key types.NamespacedName) (*v1alpha1.Alert, error)
	Create(ctx context.Context, alert *v1alpha1.Alert) error
	// SetCount replaces what the status says of repeats.
	SetCount(ctx context.Context, key types.NamespacedName, count Count) error
}

// APIAlerts keeps alerts in the API server.
type APIAlerts struct {
	Client client.Client
	// Reader is not a cache: what was written a moment ago counts.
	Reader client.Reader
}

// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alerts,verbs=get;list;watch;create
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alerts/status,verbs=patch
// +kubebuilder:rbac:groups=soc.tocsin.dev,resources=alertsources,verbs=get;list;watch

// Each implements Alerts, page by page.
func (a *APIAlerts) Each(ctx context.Context, visit func(*v1alpha1.Alert)) error {
	options := &client.ListOptions{Limit: listPage}
	for {
		var page v1alpha1.AlertList
		if err := a.Reader.List(ctx, &page, options); err != nil {
			return err
		}
		for i := range page.Items {
			visit(&page.Items[i])
		}
		if page.Continue == "" {
			return nil
		}
		options.Continue = page.Continue
	}
}

// Get implements Alerts.
func (a *APIAlerts) Get(ctx context.Context, key types.NamespacedName) (*v1alpha1.Alert, error) {
	var alert v1alpha1.Alert
	if err := a.Reader.Get(ctx, key, &alert); err != nil {
		return nil, err
	}
	return &alert, nil
}

// Create implements Alerts.
func (a *APIAlerts) Create(ctx context.Context, alert *v1alpha1.Alert) error {
	return a.Client.Create(ctx, alert, client.FieldOwner(FieldOwner))
}

// SetCount implements Alerts by server-side apply, so that conclusions, which others write, stay.
func (a *APIAlerts) SetCount(ctx context.Context, key types.NamespacedName, count Count) error {
	status := apply.AlertStatus().
		WithCount(count.Events).
		WithLastSeen(metav1.NewMicroTime(count.LastSeen)).
		WithCounted(apply.StreamPosition().WithStream(count.Through.Stream).WithSequence(int64(count.Through.Sequence)))
	return a.Client.Status().Apply(ctx, apply.Alert(key.Name, key.Namespace).WithStatus(status),
		client.FieldOwner(FieldOwner), client.ForceOwnership)
}

// CountOf reads what an Alert says of its events. One that was never counted
// since its creation has those of its first message.
func CountOf(alert *v1alpha1.Alert) Count {
	count := Count{Events: 1, LastSeen: alert.Spec.FirstSeen.Time}
	if n, err := strconv.ParseInt(alert.Annotations[AnnotationEvents], 10, 64); err == nil && n > 0 {
		count.Events = n
	}
	if p, err := stream.ParsePosition(alert.Annotations[AnnotationPosition]); err == nil {
		count.Through = p
	}
	if c := alert.Status.Counted; c != nil {
		count.Events, count.LastSeen = alert.Status.Count, alert.Status.LastSeen.Time
		count.Through = stream.Position{Stream: c.Stream, Sequence: uint64(c.Sequence)}
	}
	return count
}

// rejected tells errors that trying again cannot mend: the API server refuses
// this object, or its namespace is gone.
func rejected(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) ||
		apierrors.IsForbidden(err) || apierrors.IsRequestEntityTooLargeError(err)
}
