package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	headerTimeout   = 10 * time.Second
	bodyTimeout     = time.Minute
	shutdownTimeout = 10 * time.Second
)

// receiver serves ingest on every replica, leader or not.
type receiver struct {
	handler http.Handler
	options *options
	// listening is set while senders are served.
	listening atomic.Bool
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*receiver) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (r *receiver) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.options.ingestAddress)
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	defer listener.Close()
	server := &http.Server{Handler: r.handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout}
	r.listening.Store(true)
	defer r.listening.Store(false)
	failed := make(chan error, 1)
	go func() {
		if r.options.tlsCert == "" {
			failed <- server.Serve(listener)
		} else {
			failed <- server.ServeTLS(listener, r.options.tlsCert, r.options.tlsKey)
		}
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("ingest: %w", err)
	case <-ctx.Done():
		r.listening.Store(false)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = server.Shutdown(ctx)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// ready is a check of /readyz.
func (r *receiver) ready(*http.Request) error {
	if !r.listening.Load() {
		return errors.New("ingest does not listen")
	}
	return nil
}
