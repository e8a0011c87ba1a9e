package soak_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/tocsin-dev/tocsin/connectors"
	"github.com/tocsin-dev/tocsin/connectors/kubernetes"
	"github.com/tocsin-dev/tocsin/controllers/responseaction"
	"github.com/tocsin-dev/tocsin/internal/response"
)

var (
	errKilled  = errors.New("this process is dead")
	errRefused = errors.New("connection refused")
	errLost    = errors.New("connection reset by peer")
)

// life is one operator from its start to its kill. From then on nothing of it reaches
// the outside, and it hears nothing any more.
type life struct {
	dead   atomic.Bool
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}
	soak   *soak
}

// troubled: the faults are on.
func (l *life) troubled() bool { return l.soak.trouble.Load() }

// chance of so many in a thousand.
func (l *life) chance(permille int) bool { return l.soak.random(1000) < permille }

// dice are shared by all who act at random.
type dice struct {
	mu sync.Mutex
	*rand.Rand
}

func (d *dice) random(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.IntN(n)
}

// begin starts an operator, which as often as not finds no API server at first.
func (s *soak) begin() {
	for {
		ctx, cancel := context.WithCancel(context.Background())
		l := &life{ctx: ctx, cancel: cancel, ended: make(chan struct{}), soak: s}
		if err := l.start(); err == nil {
			s.lives = append(s.lives, l)
			return
		}
		l.kill()
		time.Sleep(20 * time.Millisecond)
	}
}

// alive starts another operator where the last one gave up by itself.
func (s *soak) alive() {
	select {
	case <-s.last().ended:
		s.begin()
	default:
	}
}

func (s *soak) last() *life { return s.lives[len(s.lives)-1] }

func (l *life) start() error {
	s := l.soak
	own := rest.CopyConfig(s.cluster.Config)
	own.Wrap(func(inner http.RoundTripper) http.RoundTripper { return wire{inner, l} })
	tool, err := kubernetes.New(own, s.namespace, "connector", kubernetes.Options{Archive: s.shelf})
	if err != nil {
		return err
	}
	registry := connectors.NewRegistry(nil)
	registry.Set(s.namespace, "cluster", recorder{tool})
	mgr, err := ctrl.NewManager(own, ctrl.Options{
		Scheme: s.cluster.Scheme, Metrics: server.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		return err
	}
	err = responseaction.SetupWithManager(l.ctx, mgr, responseaction.Dependencies{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Connectors: registry, Policies: s, Log: mortalLog{s.ledger, l}, Admission: s, Requesters: s,
		Events: &events.FakeRecorder{}, Clock: s.clock, Rails: response.Rails{Namespace: "tocsin-system", HourlyCap: 1 << 20},
	})
	if err != nil {
		return err
	}
	go func() {
		defer close(l.ended)
		_ = mgr.Start(l.ctx) // alive starts another where it could not
	}()
	return nil
}

func (l *life) kill() {
	l.dead.Store(true)
	l.cancel()
}

// executing marks the requests of an execution with the key of its action.
type executing struct{}

// recorder lets the wire know for which action a request is made.
type recorder struct{ *kubernetes.Connector }

// Execute implements connectors.Responder.
func (r recorder) Execute(ctx context.Context, request connectors.Request, plan connectors.Plan) (connectors.Result, error) {
	return r.Connector.Execute(context.WithValue(ctx, executing{}, request.Key), request, plan)
}

// wire is all that connects an operator with the API server: it is cut when the operator
// is killed, and does what networks and API servers do.
type wire struct {
	inner http.RoundTripper
	life  *life
}

// RoundTrip implements http.RoundTripper.
func (w wire) RoundTrip(r *http.Request) (*http.Response, error) {
	switch {
	case w.life.dead.Load():
		return nil, errKilled
	case w.life.soak.outage.Load():
		return nil, errRefused
	}
	troubled := w.life.troubled() && r.URL.Query().Get("watch") == ""
	if troubled {
		if answer, err := w.fault(r); answer != nil || err != nil {
			return answer, err
		}
	}
	if r.URL.Query().Get("watch") == "" {
		w.life.soak.ledger.requested(r.Method)
	}
	step := w.life.soak.ledger.next()
	answer, err := w.inner.RoundTrip(r.WithContext(w.span(r)))
	if err != nil {
		return answer, err
	}
	w.note(step, r, answer)
	switch {
	case w.life.dead.Load():
		_ = answer.Body.Close()
		return nil, errKilled
	case troubled && w.life.chance(8):
		_ = answer.Body.Close()
		return nil, errLost
	case troubled && w.life.chance(4):
		_ = answer.Body.Close()
		return says(r, http.StatusGatewayTimeout, metav1.StatusReasonTimeout), nil
	}
	return answer, nil
}

// span is how long a request lasts: watches as long as the operator, all else until it is
// answered, since what was sent takes effect whether the sender lives or not.
func (w wire) span(r *http.Request) context.Context {
	if r.URL.Query().Get("watch") == "" {
		return context.WithoutCancel(r.Context())
	}
	ctx, cancel := context.WithCancel(r.Context())
	context.AfterFunc(w.life.ctx, cancel)
	return ctx
}

// fault is what happens to a request that never takes effect; nil for none.
func (w wire) fault(r *http.Request) (*http.Response, error) {
	switch n := w.life.soak.random(1000); {
	case n < 10:
		return nil, errRefused
	case n < 16:
		return says(r, http.StatusInternalServerError, metav1.StatusReasonInternalError), nil
	case n < 22:
		return says(r, http.StatusTooManyRequests, metav1.StatusReasonTooManyRequests), nil
	case n < 32 && r.Method != http.MethodGet:
		return says(r, http.StatusConflict, metav1.StatusReasonConflict), nil
	}
	return nil, nil
}

// note remembers a write that took effect.
func (w wire) note(step int, r *http.Request, answer *http.Response) {
	key, _ := r.Context().Value(executing{}).(string)
	if asks := strings.HasPrefix(r.URL.Path, "/apis/authorization.k8s.io/"); asks || key == "" || r.Method == http.MethodGet || answer.StatusCode >= 300 || r.URL.Query().Get("dryRun") != "" {
		return
	}
	w.life.soak.ledger.wrote(write{step: step, key: key, method: r.Method, path: r.URL.Path})
}

// says is an answer of the API server.
func says(r *http.Request, code int32, reason metav1.StatusReason) *http.Response {
	raw, _ := json.Marshal(metav1.Status{ // which cannot fail
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: code, Reason: reason, Message: "made up: " + string(reason),
	})
	return &http.Response{
		StatusCode: int(code), Status: http.StatusText(int(code)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(raw)), ContentLength: int64(len(raw)),
	}
}

// ahead is a clock that can be put forward.
type ahead struct{ by atomic.Int64 }

// Now implements clock.PassiveClock.
func (a *ahead) Now() time.Time { return time.Now().Add(time.Duration(a.by.Load())) }

// Since implements clock.PassiveClock.
func (a *ahead) Since(t time.Time) time.Duration { return a.Now().Sub(t) }
