package auditevent

import "slices"

// Made is what a request shows of the pod or workload that it makes or changes. It
// is empty where the body was not logged.
type Made struct {
	// Name, and GenerateName where the API server chose the name.
	Name, GenerateName string
	// Controller is the name of the owner that controls it, as the request claims.
	Controller string
	// TemplateHash is what a Deployment adds to the names of its ReplicaSets.
	TemplateHash string
	// Images of its containers, each once.
	Images []string
}

var makingVerbs = []string{"create", "update", "patch"}

// ReadMade reads the object of a request about a pod or workload.
func ReadMade(raw map[string]any, e Event) Made {
	o := e.Object
	if !slices.Contains(makingVerbs, e.Verb) || !o.isPod() && (o.WorkloadKind() == "" || o.Subresource != "") {
		return Made{}
	}
	asked := NewView(raw, e).asked()
	metadata := object(asked, "metadata")
	m := Made{
		Name: text(metadata, "name"), GenerateName: text(metadata, "generateName"),
		TemplateHash: text(object(metadata, "labels"), "pod-template-hash"),
	}
	for _, reference := range list(metadata, "ownerReferences") {
		owner, _ := reference.(map[string]any)
		if controls, _ := owner["controller"].(bool); controls {
			m.Controller = text(owner, "name")
		}
	}
	for _, c := range containers(podSpec(asked, o)) {
		container, _ := c.(map[string]any)
		if image := text(container, "image"); image != "" && !slices.Contains(m.Images, image) {
			m.Images = append(m.Images, image)
		}
	}
	return m
}

// isPod says whether the object is a pod whose containers the request sets.
func (o Object) isPod() bool {
	return o.APIGroup == "" && o.Resource == "pods" && (o.Subresource == "" || o.Subresource == "ephemeralcontainers")
}
