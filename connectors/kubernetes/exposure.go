package kubernetes

import (
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// exposure is how close a pod is to its node.
type exposure struct {
	Privileged  bool `json:"privileged"`
	HostNetwork bool `json:"hostNetwork"`
	HostPID     bool `json:"hostPID"`
	HostPath    bool `json:"hostPath"`
}

func exposureOf(p *corev1.Pod) exposure {
	e := exposure{HostNetwork: p.Spec.HostNetwork, HostPID: p.Spec.HostPID, HostPath: len(hostPaths(p)) > 0}
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
