package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tocsin-dev/tocsin/internal/kube"
	"github.com/tocsin-dev/tocsin/internal/redact"
)

const (
	// captureTime bounds a capture; what does not answer by then is said to be missing.
	captureTime = 30 * time.Second
	// commandTime bounds one command: an intruder may have replaced it by one that never ends.
	commandTime = 5 * time.Second
	// maxReads at a time of what nodes are asked.
	maxReads = 4
	// maxEvents of a pod: the API server keeps an hour of them.
	maxEvents = 500
)

// commands are what is run in a container, each exactly so. Their answers are the
// container's own, which an intruder may have changed.
var commands = [][]string{
	{"ps", "-e", "-o", "pid,ppid,user,args"},
	{"cat", "/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6", "/proc/net/unix"},
	{"cat", "/proc/self/mountinfo"},
}

// evidence is what was to be seen of a pod at one moment, without secrets.
type evidence struct {
	CapturedAt      time.Time        `json:"capturedAt"`
	Pod             map[string]any   `json:"pod"`
	Owners          []map[string]any `json:"owners"`
	Events          []map[string]any `json:"events"`
	NetworkPolicies []map[string]any `json:"networkPolicies"`
	Logs            []text           `json:"logs"`
	Commands        []text           `json:"commands"`
	// Missing says what could not be had, and why.
	Missing []string `json:"missing"`
}

// text is a log, or what a command said.
type text struct {
	Container string   `json:"container"`
	Previous  bool     `json:"previous,omitempty"`
	Command   []string `json:"command,omitempty"`
	Text      string   `json:"text"`
	Error     string   `json:"error,omitempty"`
}

func (t text) String() string {
	switch {
	case t.Command != nil:
		return strings.Join(t.Command, " ") + " in " + t.Container
	case t.Previous:
		return "previous log of " + t.Container
	}
	return "log of " + t.Container
}

// gather captures what can be had. Only the pod itself must be there.
func (c *cluster) gather(ctx context.Context, found *unstructured.Unstructured, examine bool) (*evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, captureTime)
	defer cancel()
	p, err := typedPod(found)
	if err != nil {
		return nil, err
	}
	e := &evidence{CapturedAt: c.clock.Now().UTC(), Pod: shownWhole(found)}
	e.Logs, e.Commands = texts(p, examine)
	// The nodes first: what they know is gone soonest.
	c.readTexts(ctx, p, e)
	e.add("events", func() (err error) { e.Events, err = c.events(ctx, p); return err })
	e.add("owners", func() (err error) { e.Owners, err = c.ownersWhole(ctx, found); return err })
	e.add("NetworkPolicies", func() (err error) { e.NetworkPolicies, err = c.policiesOf(ctx, p); return err })
	return e, nil
}

func (e *evidence) add(what string, read func() error) {
	if err := read(); err != nil {
		e.Missing = append(e.Missing, what+": "+err.Error())
	}
}

// texts are what is to be read of the pod's node.
func texts(p *corev1.Pod, examine bool) (logs, commanded []text) {
	status := map[string]corev1.ContainerStatus{}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses, p.Status.EphemeralContainerStatuses) {
		status[s.Name] = s
	}
	for container := range containers(p) {
		s := status[container.Name]
		logs = append(logs, text{Container: container.Name})
		if s.RestartCount > 0 || s.LastTerminationState.Terminated != nil {
			logs = append(logs, text{Container: container.Name, Previous: true})
		}
		if !examine || s.State.Running == nil {
			continue
		}
		for _, command := range commands {
			commanded = append(commanded, text{Container: container.Name, Command: command})
		}
	}
	return logs, commanded
}

func (c *cluster) readTexts(ctx context.Context, p *corev1.Pod, e *evidence) {
	var reads errgroup.Group
	reads.SetLimit(maxReads)
	for _, list := range [][]text{e.Logs, e.Commands} {
		for i := range list {
			reads.Go(func() error {
				c.readText(ctx, p, &list[i])
				return nil
			})
		}
	}
	_ = reads.Wait()
	for _, t := range slices.Concat(e.Logs, e.Commands) {
		if t.Error != "" {
			e.Missing = append(e.Missing, t.String()+": "+t.Error)
		}
	}
}

func (c *cluster) readText(ctx context.Context, p *corev1.Pod, t *text) {
	var read string
	var err error
	if t.Command == nil {
		read, err = c.containers.log(ctx, p, t.Container, t.Previous)
	} else {
		limited, cancel := context.WithTimeout(ctx, commandTime)
		defer cancel()
		read, err = c.containers.run(limited, p, t.Container, t.Command)
	}
	t.Text = redact.String(read)
	if err != nil {
		t.Error = redact.String(err.Error())
	}
}

func (c *cluster) events(ctx context.Context, p *corev1.Pod) ([]map[string]any, error) {
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion("v1")
	list.SetKind("EventList")
	about := client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("involvedObject.uid", string(p.UID))}
	err := c.List(ctx, list, client.InNamespace(p.Namespace), about, client.Limit(maxEvents))
	return allWhole(list), c.explain(err, "listing events of "+p.Namespace)
}

// ownersWhole climbs from controller to controller, as owners does.
func (c *cluster) ownersWhole(ctx context.Context, of *unstructured.Unstructured) ([]map[string]any, error) {
	chain := []map[string]any{}
	for len(chain) < maxOwners {
		controller := metav1.GetControllerOf(of)
		if controller == nil || apiVersions[controller.Kind] != controller.APIVersion {
			return chain, nil
		}
		next, err := c.get(ctx, object{Kind: controller.Kind, Namespace: of.GetNamespace(), Name: controller.Name}.target())
		if err != nil {
			return chain, err
		}
		if next.GetUID() != controller.UID {
			return chain, fmt.Errorf("%s is not the one that is meant", name(reference(next)))
		}
		chain = append(chain, shownWhole(next))
		of = next
	}
	return chain, nil
}

func (c *cluster) policiesOf(ctx context.Context, p *corev1.Pod) ([]map[string]any, error) {
	list := &networkingv1.NetworkPolicyList{}
	if err := c.List(ctx, list, client.InNamespace(p.Namespace)); err != nil {
		return nil, c.explain(err, "listing NetworkPolicies of "+p.Namespace)
	}
	selecting := []map[string]any{}
	var failed error
	for i := range list.Items {
		selector, err := metav1.LabelSelectorAsSelector(&list.Items[i].Spec.PodSelector)
		if err != nil || !selector.Matches(labels.Set(p.Labels)) {
			continue
		}
		policy, err := answer(list.Items[i])
		selecting, failed = append(selecting, kube.Redacted(policy)), errors.Join(failed, err)
	}
	return selecting, failed
}

func allWhole(list *unstructured.UnstructuredList) []map[string]any {
	all := []map[string]any{}
	for i := range list.Items {
		all = append(all, shownWhole(&list.Items[i]))
	}
	return all
}

// shownWhole is an object with everything but secrets, and what repeats them.
func shownWhole(object *unstructured.Unstructured) map[string]any {
	whole := object.DeepCopy()
	unstructured.RemoveNestedField(whole.Object, "metadata", "managedFields")
	unstructured.RemoveNestedField(whole.Object, "metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")
	return kube.Redacted(whole.Object)
}
