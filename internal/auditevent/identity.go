package auditevent

import (
	"slices"
	"strings"

	"github.com/tocsin-dev/tocsin/api/v1alpha1"
)

const serviceAccountPrefix = "system:serviceaccount:"

// Identity is a user as the API server knows it.
type Identity struct {
	// Name such as alice or system:serviceaccount:shop:web.
	Name string
	// Pod and Node that the token of a ServiceAccount is bound to, as the API server proved them.
	Pod, Node string
}

func identity(user map[string]any) Identity {
	i := Identity{Name: text(user, "username")}
	if i.ServiceAccount() == "" {
		return i
	}
	extra := object(user, "extra")
	i.Pod = firstText(extra, "authentication.kubernetes.io/pod-name")
	i.Node = firstText(extra, "authentication.kubernetes.io/node-name")
	return i
}

// ServiceAccount is namespace/name, or empty for every other user.
func (i Identity) ServiceAccount() string {
	rest, found := strings.CutPrefix(i.Name, serviceAccountPrefix)
	namespace, name, valid := strings.Cut(rest, ":")
	if !found || !valid || namespace == "" || name == "" || strings.Contains(name, ":") {
		return ""
	}
	return namespace + "/" + name
}

// Entity is the identity as an alert names it.
func (i Identity) Entity() v1alpha1.Entity {
	if account := i.ServiceAccount(); account != "" {
		return v1alpha1.Entity{Type: v1alpha1.EntityServiceAccount, Value: Bounded(account, maxEntity), Role: v1alpha1.RoleActor}
	}
	return v1alpha1.Entity{Type: v1alpha1.EntityUser, Value: Bounded(i.Name, maxEntity), Role: v1alpha1.RoleActor}
}

var controlPlaneUsers = []string{"system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:cloud-controller-manager"}

// ByControlPlane says whether the cluster itself made the request: the API server,
// the controllers, the scheduler or a kubelet, as themselves. A ServiceAccount of
// kube-system counts only if it is one of the built-in controllers' and its token is not
// bound to a pod: what runs in a pod can be taken over.
func (e Event) ByControlPlane() bool {
	if e.Impersonated.Name != "" {
		return false
	}
	controller, ofSystem := strings.CutPrefix(e.User.ServiceAccount(), "kube-system/")
	return slices.Contains(controlPlaneUsers, e.User.Name) ||
		strings.HasPrefix(e.User.Name, "system:node:") ||
		ofSystem && isBuiltIn(controller) && e.User.Pod == ""
}
