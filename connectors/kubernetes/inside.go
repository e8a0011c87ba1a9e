package kubernetes

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/utils/ptr"
)

const (
	// maxRead of a log or of what a command says, in bytes.
	maxRead = 1 << 20
	// maxLines of a log: the latest.
	maxLines = 10000
)

// inside reads what only a pod's node knows: logs, and what commands say.
type inside struct {
	pods   typed.PodsGetter
	api    rest.Interface
	config *rest.Config
}

func newInside(config *rest.Config) (*inside, error) {
	core, err := typed.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &inside{pods: core, api: core.RESTClient(), config: config}, nil
}

// log of a container, or of the one that it took the place of; the latest lines.
func (i *inside) log(ctx context.Context, p *corev1.Pod, container string, previous bool) (string, error) {
	stream, err := i.pods.Pods(p.Namespace).GetLogs(p.Name, &corev1.PodLogOptions{
		Container: container, Previous: previous, Timestamps: true, TailLines: ptr.To(int64(maxLines)), LimitBytes: ptr.To(int64(maxRead)),
	}).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = stream.Close() }()
	text, err := io.ReadAll(io.LimitReader(stream, maxRead))
	if err == nil && len(text) == maxRead {
		err = errCut
	}
	return string(text), err
}

// run runs a command in a container. Its arguments are never drawn from anything that came from outside.
func (i *inside) run(ctx context.Context, p *corev1.Pod, container string, command []string) (string, error) {
	url := i.api.Post().Resource("pods").Namespace(p.Namespace).Name(p.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
	sockets, err := remotecommand.NewWebSocketExecutor(i.config, "GET", url.String())
	if err != nil {
		return "", err
	}
	spdy, err := remotecommand.NewSPDYExecutor(i.config, "POST", url)
	if err != nil {
		return "", err
	}
	// As kubectl does it: what is between may know only one of them.
	executor, err := remotecommand.NewFallbackExecutor(sockets, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return "", err
	}
	said := &limited{left: maxRead}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: said, Stderr: said})
	text, cut := said.text()
	if err == nil && cut {
		err = errCut
	}
	return text, err
}

// errCut comes with what was read nevertheless.
var errCut = fmt.Errorf("longer than %d bytes, the rest is not kept", maxRead)

// limited keeps the first bytes of both streams; the rest is read and dropped, so that
// nothing waits. The buffer must not be embedded: what copies would read into it past Write.
type limited struct {
	mu   sync.Mutex
	kept bytes.Buffer
	left int
	cut  bool
}

// Write implements io.Writer.
func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := l.kept.Write(p[:min(len(p), l.left)])
	l.left -= n
	l.cut = l.cut || n < len(p)
	return len(p), nil
}

func (l *limited) text() (text string, cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept.String(), l.cut
}
