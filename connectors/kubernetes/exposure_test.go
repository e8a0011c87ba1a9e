package kubernetes

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestExposureByHostPath(t *testing.T) {
	tests := map[string]struct {
		path             string
		mounted, written bool
		want             bool
	}{
		"all of the node":                     {"/", true, false, true},
		"modules, read":                       {"/lib/modules", true, false, false},
		"modules, by another name":            {"/lib/../lib/modules/", true, false, false},
		"modules, which root could replace":   {"/lib/modules", true, true, true},
		"modules, by nobody":                  {"/lib/modules", false, false, false},
		"what is below":                       {"/etc/ssl/certs/../../shadow", true, false, true},
		"what is above":                       {"/etc/ssl", true, false, true},
		"private keys":                        {"/etc/pki", true, false, true},
		"the lock that kube-proxy has to set": {"/run/xtables.lock", true, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := &corev1.Pod{Spec: corev1.PodSpec{
				Volumes:    []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: test.path}}}},
				Containers: []corev1.Container{{Name: "a"}, {Name: "b"}},
			}}
			if test.mounted {
				p.Spec.Containers[1].VolumeMounts = []corev1.VolumeMount{{Name: "v", ReadOnly: !test.written}}
			}
			if got := exposureOf(p).HostPath; got != test.want {
				t.Errorf("%s exposes: %t", test.path, got)
			}
		})
	}
}
