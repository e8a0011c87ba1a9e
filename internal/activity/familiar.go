package activity

import "time"

// OfWorkload tells how familiar a name was in the alerts about a workload.
type OfWorkload struct {
	Familiarity
	// Workload as namespace/name. Guessed: from the name of a pod.
	Workload string
	Guessed  bool
	// WorkloadSeenBefore: any such name was seen of it before.
	WorkloadSeenBefore bool
	// Outside: a destination beyond the cluster and the networks around it.
	Outside bool
}

// Process tells how familiar a process was in a workload. Only what alerts named is
// known; where none named any process, there is nothing to tell.
func (m *Memory) Process(namespace string, of Subject, process string, before time.Time) (OfWorkload, bool) {
	return m.ofWorkload(namespace, of, before, func(t *tenant) (*table, string) { return t.processes, bounded(process) })
}

// Destination tells how familiar an address or domain was in a workload, like Process.
func (m *Memory) Destination(namespace string, of Subject, address string, before time.Time) (OfWorkload, bool) {
	value := destination(address)
	found, ok := m.ofWorkload(namespace, of, before, func(t *tenant) (*table, string) { return t.destinations, value })
	found.Outside = outside(value)
	return found, ok
}

func (m *Memory) ofWorkload(namespace string, of Subject, before time.Time, where func(*tenant) (*table, string)) (OfWorkload, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found OfWorkload
	t, ok := m.tenants[namespace]
	if !ok {
		return found, false
	}
	names, name := where(t)
	found.Workload, found.Guessed = t.workload(of)
	if found.Workload == "" || names.since == 0 {
		return found, false
	}
	found.Familiarity = names.about(found.Workload, name, before)
	found.WorkloadSeenBefore = names.knew(found.Workload, before)
	return found, true
}

// OfNamespace tells how familiar an image and its registry were in a namespace.
type OfNamespace struct {
	// Familiarity of the image, whatever its tag.
	Familiarity
	// Repository and RegistryName that the image was taken for.
	Repository, RegistryName string
	// Registry tells of anything from the same registry.
	Registry Familiarity
	// NamespaceNew: of the namespace no image was known a day before.
	NamespaceNew bool
}

// Image tells how familiar an image was in a namespace of the cluster: in alerts about
// its pods, and in pods and workloads that the API server accepted.
func (m *Memory) Image(namespace, inNamespace, image string, before time.Time) (OfNamespace, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found OfNamespace
	t, ok := m.tenants[namespace]
	if !ok || t.images.since == 0 {
		return found, false
	}
	found.Repository, found.RegistryName = imageOf(image)
	found.Familiarity = t.images.about(inNamespace, found.Repository, before)
	found.NamespaceNew = !t.images.knew(inNamespace, before.Add(-settling))
	found.Registry = t.images.about(inNamespace, registryKey(found.RegistryName), before)
	return found, true
}
