package main

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
)

// What is being received when the process is told to stop is answered first.
func TestReceiverFinishesWhatItReceives(t *testing.T) {
	address := freeAddress(t)
	arrived, proceed := make(chan struct{}), make(chan struct{})
	r := &receiver{options: &options{ingestAddress: address}, handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-proceed
		w.WriteHeader(http.StatusAccepted)
	})}
	if err := r.ready(nil); err == nil {
		t.Error("ready before it listens")
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Start(ctx) }()
	answered := make(chan int, 1)
	go func() { answered <- post(t, "http://"+address) }()
	<-arrived
	if err := r.ready(nil); err != nil {
		t.Errorf("not ready while it receives: %v", err)
	}
	stop()
	close(proceed)
	if code := <-answered; code != http.StatusAccepted {
		t.Errorf("the sender got %d, want %d", code, http.StatusAccepted)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := r.ready(nil); err == nil {
		t.Error("ready after it was stopped")
	}
}

// post tries until somebody listens.
func post(t *testing.T, url string) int {
	for t.Context().Err() == nil {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
		if err != nil {
			t.Error(err)
			return 0
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
			return response.StatusCode
		}
	}
	return 0
}

func TestReceiverSaysWhyItCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := map[string]struct {
		options options
		want    string
	}{
		"the address is taken":       {options: options{ingestAddress: taken.Addr().String()}, want: "address already in use"},
		"there is no certificate":    {options: options{ingestAddress: freeAddress(t), tlsCert: "nowhere.crt", tlsKey: "nowhere.key"}, want: "nowhere.crt"},
		"the address makes no sense": {options: options{ingestAddress: "here"}, want: "here"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := (&receiver{options: &tc.options, handler: http.NotFoundHandler()}).Start(t.Context())
			if err == nil || !strings.HasPrefix(err.Error(), "ingest: ") || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to say %q", err, tc.want)
			}
		})
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
