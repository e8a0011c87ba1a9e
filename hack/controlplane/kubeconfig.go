package main

import (
	"encoding/json"
	"os"
)

// The part of a kubeconfig that is needed here. JSON is YAML, so clients read it.
type kubeconfig struct {
	APIVersion     string         `json:"apiVersion"`
	Kind           string         `json:"kind"`
	Clusters       []namedCluster `json:"clusters"`
	Users          []namedUser    `json:"users"`
	Contexts       []namedContext `json:"contexts"`
	CurrentContext string         `json:"current-context"`
}

type namedCluster struct {
	Name    string  `json:"name"`
	Cluster cluster `json:"cluster"`
}

type cluster struct {
	Server string `json:"server"`
	CAData []byte `json:"certificate-authority-data,omitempty"`
}

type namedUser struct {
	Name string `json:"name"`
	User user   `json:"user"`
}

type user struct {
	CertData  []byte `json:"client-certificate-data,omitempty"`
	KeyData   []byte `json:"client-key-data,omitempty"`
	TokenFile string `json:"tokenFile,omitempty"`
}

type namedContext struct {
	Name    string     `json:"name"`
	Context contextRef `json:"context"`
}

type contextRef struct {
	Cluster string `json:"cluster"`
	User    string `json:"user"`
}

func newKubeconfig(name string, c cluster, u user) kubeconfig {
	return kubeconfig{
		APIVersion:     "v1",
		Kind:           "Config",
		Clusters:       []namedCluster{{Name: name, Cluster: c}},
		Users:          []namedUser{{Name: name, User: u}},
		Contexts:       []namedContext{{Name: name, Context: contextRef{Cluster: name, User: name}}},
		CurrentContext: name,
	}
}

func (k kubeconfig) write(path string) error {
	data, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}

// writeClientKubeconfig lets the owner of a certificate in p reach the API server.
func writeClientKubeconfig(path, server string, p pki, name string) error {
	var files [3][]byte
	for i, file := range []string{p.cert("ca"), p.cert(name), p.key(name)} {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		files[i] = data
	}
	return newKubeconfig("controlplane",
		cluster{Server: server, CAData: files[0]},
		user{CertData: files[1], KeyData: files[2]}).write(path)
}
