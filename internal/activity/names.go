package activity

import (
	"net/netip"
	"strings"
	"time"

	"github.com/distribution/reference"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
	"github.com/tocsin-dev/tocsin/internal/auditevent"
)

// maxName is how many bytes of a name are kept; a digest tells longer ones apart.
const maxName = 512

func bounded(name string) string { return auditevent.Bounded(name, maxName) }

// deedOf is something that an actor does. Refused requests are no deeds.
func deedOf(verb, resource, namespace string) string {
	return bounded(verb + "\x00" + resource + "\x00" + namespace)
}

// sawNames takes what an alert names beside a pod or workload. All of it is the word
// of the sender, and much of it chosen by who is reported.
func (t *tenant) sawNames(entities []v1alpha1.Entity, at time.Time) {
	subject := subjectOf(entities)
	workload, _ := t.workload(subject)
	if workload == "" {
		return
	}
	for _, e := range entities {
		switch e.Type {
		case v1alpha1.EntityProcess:
			t.processes.seen(workload, bounded(e.Value), at)
		case v1alpha1.EntityIP, v1alpha1.EntityDomain:
			t.destinations.seen(workload, destination(e.Value), at)
		case v1alpha1.EntityContainerImage:
			t.sawImage(namespaceOf(workload), e.Value, at)
		}
	}
}

// destination is an address or domain as it is compared.
func destination(value string) string {
	return bounded(strings.TrimSuffix(strings.ToLower(value), "."))
}

// outside says whether a destination is beyond the cluster and the networks around it.
func outside(destination string) bool {
	if address, err := netip.ParseAddr(destination); err == nil {
		return beyond(address)
	}
	return strings.Contains(destination, ".") && !strings.HasSuffix(destination, ".svc") && !strings.HasSuffix(destination, ".cluster.local")
}

// sawImage counts an image and its registry. An empty namespace is no namespace's.
func (t *tenant) sawImage(namespace, image string, at time.Time) {
	if namespace == "" || image == "" {
		return
	}
	repository, registry := imageOf(image)
	t.images.seen(namespace, repository, at)
	t.images.seen(namespace, registryKey(registry), at)
}

// imageOf is the image without tag and digest, and its registry: each release has
// another tag. What is no name of an image is taken as it is.
func imageOf(image string) (repository, registry string) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return bounded(image), ""
	}
	return bounded(named.Name()), bounded(reference.Domain(named))
}

// registryKey is no name of an image.
func registryKey(registry string) string { return registry + "/" }
