package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tocsin-dev/tocsin/hack/lab"
)

// token that manifests/tenant.yaml demands of senders.
const token = "bench"

// senders post events to the operator, over connections that they keep.
type senders struct {
	address string
	client  *http.Client
}

func newSenders(address string) *senders {
	return &senders{address: address, client: &http.Client{
		Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}}
}

// welcome waits until a source is in force: before that its senders are put off.
func (s *senders) welcome(ctx context.Context, source string) error {
	return lab.Eventually(ctx, time.Minute, "AlertSource "+source+" to be in force", func(ctx context.Context) (bool, string, error) {
		response, err := s.send(ctx, source, "not the token", nil)
		if err != nil {
			return false, "", err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusUnauthorized, response.Status, nil
	})
}

// post returns once the event is accepted; anything but 202 is an error.
func (s *senders) post(ctx context.Context, source string, body []byte) error {
	response, err := s.send(ctx, source, token, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("POST to %s: %s: %s", source, response.Status, answer)
	}
	return err
}

func (s *senders) send(ctx context.Context, source, token string, body []byte) (*http.Response, error) {
	url := "http://" + s.address + "/v1/sources/" + tenant + "/" + source
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	return s.client.Do(request)
}

// falcoRule is a rule of Falco's, for an event about a pod.
type falcoRule struct{ name, priority, technique string }

var (
	miner     = falcoRule{"Detect outbound connections to common miner pool ports", "Critical", "T1496"}
	discovery = falcoRule{"Contact K8S API Server From Container", "Notice", "T1613"}
	reading   = falcoRule{"Read sensitive file untrusted", "Notice", "T1555"}
)

// falco is an event as Falco's http_output sends it.
func falco(rule falcoRule, pod string) []byte {
	now := time.Now().UTC()
	body, err := json.Marshal(map[string]any{
		"time": now.Format(time.RFC3339Nano), "rule": rule.name, "priority": rule.priority, "source": "syscall", "hostname": "node-1",
		"output": fmt.Sprintf("%s: %s %s (k8s_ns=%s k8s_pod_name=%s)", now.Format("15:04:05.000000000"), rule.priority, rule.name, work, pod),
		"tags":   []string{"container", "maturity_stable", rule.technique},
		"output_fields": map[string]any{
			"k8s.ns.name": work, "k8s.pod.name": pod, "container.image.repository": "registry.example/shop/web", "container.image.tag": "1.4.2",
			"proc.name": "sh", "proc.exepath": "/bin/sh", "user.name": "www-data", "proc.pid": 4000, "proc.cmdline": "sh -c ./run",
			"evt.time": now.UnixNano(), "container.id": "3ad7b26ded6d", "container.name": "main",
		},
	})
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	return body
}
