package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
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
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*receiver) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (r *receiver) Start(ctx context.Context) error {
	server := &http.Server{Addr: r.options.ingestAddress, Handler: r.handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout}
	failed := make(chan error, 1)
	go func() {
		if r.options.tlsCert == "" {
			failed <- server.ListenAndServe()
		} else {
			failed <- server.ListenAndServeTLS(r.options.tlsCert, r.options.tlsKey)
		}
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("ingest: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := server.Shutdown(ctx)
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
