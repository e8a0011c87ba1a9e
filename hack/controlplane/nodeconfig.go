package main

import "fmt"

func (n node) rootDir() string { return "/var/lib/kubelet/" + n.name() }

func (n node) containerdConfig(tools, runc string) string {
	return fmt.Sprintf(`version = 3
root = "/var/lib/containerd/%[1]s"
state = "/run/%[1]s"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.erofs"]

[grpc]
address = %[2]q

[plugins.'io.containerd.internal.v1.opt']
path = "/run/%[1]s-opt"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = %[3]q

[plugins.'io.containerd.cri.v1.runtime']
# Not every machine lets a process be spared when memory is short.
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = [%[4]q]
conf_dir = %[5]q

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = %[6]q
SystemdCgroup = false
`, n.name(), n.socket(), pauseImage, tools, n.file("cni"), runc)
}

func (n node) networkConfig() string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0", "name": "pods",
  "plugins": [{
    "type": "bridge", "bridge": %q, "isGateway": true,
    "ipam": {"type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": "10.244.%d.0/24"}]]}
  }]
}
`, n.bridge(), n.number)
}

// kubeletConfig evicts nothing by itself: how full the machine is says nothing of a test.
func (n node) kubeletConfig(clientCA, cgroup string) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: %[1]q}
authorization: {mode: AlwaysAllow}
port: %[2]d
healthzPort: %[3]d
containerRuntimeEndpoint: unix://%[4]s
cgroupDriver: cgroupfs
cgroupRoot: /%[5]s/%[6]s
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
resolvConf: ""
podLogsDir: /var/log/pods/%[6]s
localStorageCapacityIsolation: false
volumePluginDir: %[7]q
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 0%%}
`, clientCA, 10000+n.number, 10100+n.number, n.socket(), cgroup, n.name(), n.file("volume-plugins"))
}
