package kubernetes

import (
	"iter"
	"path"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// exposure is how close a pod is to its node.
type exposure struct {
	Privileged  bool `json:"privileged"`
	HostNetwork bool `json:"hostNetwork"`
	HostPID     bool `json:"hostPID"`
	// HostPath: it mounts something of its node that is more than harmless to read.
	HostPath bool `json:"hostPath"`
}

func exposureOf(p *corev1.Pod) exposure {
	e := exposure{HostNetwork: p.Spec.HostNetwork, HostPID: p.Spec.HostPID, HostPath: slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil && !harmless(p, v) })}
	for container := range containers(p) {
		if s := container.SecurityContext; s != nil && s.Privileged != nil && *s.Privileged {
			e.Privileged = true
		}
	}
	return e
}

// rank orders pods: the closer to the node, the higher.
func (e exposure) rank() int {
	rank := 0
	for i, is := range []bool{e.HostNetwork, e.HostPID, e.HostPath, e.Privileged} {
		if is {
			rank += 1 << i
		}
	}
	return rank
}

// readable are paths that agents of a node mount to read, and that tell nothing secret.
var readable = []string{
	"/etc/localtime", "/etc/pki/tls/certs", "/etc/ssl/certs", "/lib/modules", "/run/xtables.lock", "/usr/lib/modules", "/usr/share/ca-certificates", "/usr/src",
}

// harmless: a volume that a pod only reads.
func harmless(p *corev1.Pod, v corev1.Volume) bool {
	if !slices.Contains(readable, path.Clean(v.HostPath.Path)) {
		return false
	}
	for container := range containers(p) {
		for _, m := range container.VolumeMounts {
			if m.Name == v.Name && !m.ReadOnly && v.HostPath.Path != "/run/xtables.lock" {
				return false
			}
		}
	}
	return true
}

func hostPaths(p *corev1.Pod) []string {
	paths := []string{}
	for _, v := range p.Spec.Volumes {
		if v.HostPath != nil {
			paths = append(paths, v.HostPath.Path)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// containers of a pod of every sort.
func containers(p *corev1.Pod) iter.Seq[corev1.Container] {
	return func(yield func(corev1.Container) bool) {
		for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
			for _, c := range list {
				if !yield(c) {
					return
				}
			}
		}
		for _, c := range p.Spec.EphemeralContainers {
			if !yield(corev1.Container(c.EphemeralContainerCommon)) {
				return
			}
		}
	}
}
