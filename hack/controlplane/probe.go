package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// newProbe returns a function that asks a URL, as admin where TLS is spoken,
// and errs unless it answers 200.
func (p *plane) newProbe() (func(context.Context, string) error, error) {
	ca, err := os.ReadFile(p.pki.cert("ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	admin, err := tls.LoadX509KeyPair(p.pki.cert("admin"), p.pki.key("admin"))
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs:      roots,
			Certificates: []tls.Certificate{admin},
			MinVersion:   tls.VersionTLS12,
		}},
	}
	return func(ctx context.Context, url string) error { return probe(ctx, client, url) }, nil
}

func probe(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 2048))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// freePorts holds all of them at once, so that none is handed out twice.
func freePorts() (ports, error) {
	var found ports
	for _, port := range []*int{&found.etcd, &found.etcdPeer, &found.api, &found.controllerManager} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return found, err
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return found, nil
}
