package kubernetes

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/tocsin-dev/tocsin/connectors"
)

// Only silence may stop the connector from being called, and nothing that a tenant can bring about.
func TestWhatCountsAsUnavailable(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	tests := map[string]struct {
		err  error
		want bool
	}{
		"refused connection":  {&url.Error{Op: "Get", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}, true},
		"cut off":             {io.ErrUnexpectedEOF, true},
		"out of time":         {&url.Error{Op: "Get", Err: context.DeadlineExceeded}, true},
		"no room":             {apierrors.NewTooManyRequests("later", 1), true},
		"shutting down":       {apierrors.NewServiceUnavailable("bye"), true},
		"slow":                {apierrors.NewTimeoutError("slow", 1), true},
		"the caller went":     {&url.Error{Op: "Get", Err: context.Canceled}, false},
		"a webhook that errs": {apierrors.NewInternalError(errors.New("failed calling webhook: context deadline exceeded")), false},
		"refused":             {apierrors.NewForbidden(pods, "web-0", errors.New("no")), false},
		"gone":                {apierrors.NewNotFound(pods, "web-0"), false},
		"changed":             {apierrors.NewConflict(pods, "web-0", errors.New("changed")), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := (&cluster{}).explain(test.err, "reading pod shop/web-0")
			if errors.Is(got, connectors.ErrUnavailable) != test.want || !errors.Is(got, test.err) && test.want {
				t.Errorf("got %v, unavailable: want %t", got, test.want)
			}
		})
	}
}
